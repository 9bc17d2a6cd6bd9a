"""CycloneDX 1.4 to 1.7 in JSON: `vulnerabilities[].analysis`, beside a bill of materials or alone (cyclonedx.org)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from gate.errors import InvalidInput
from gate.identifiers import names_of
from gate.packages.purls import parsed
from gate.vex import Format, ImageIdentity, Product, Refused, Statement, Status
from gate.vex.images import identity, is_image, with_hashes
from gate.vex.read import Moment, Part, bounded, converted, utc

FORMAT: Format = "CycloneDX"
_STATUSES: Mapping[str, Status] = {
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "exploitable": "affected",
    "in_triage": "under_investigation",
    "false_positive": "not_affected",
    "not_affected": "not_affected",
}
_JUSTIFICATIONS = frozenset(
    {
        "code_not_present",
        "code_not_reachable",
        "requires_configuration",
        "requires_dependency",
        "requires_environment",
        "protected_by_compiler",
        "protected_at_runtime",
        "protected_at_perimeter",
        "protected_by_mitigating_control",
    }
)
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_State = Literal[
    "resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive", "not_affected"
]


class _Hash(Part, frozen=True):
    alg: str
    content: str


class _Component(Part, frozen=True, rename="camel"):
    type: str = ""
    bom_ref: str = msgspec.field(name="bom-ref", default="")
    version: str = ""
    purl: str = ""
    hashes: tuple[_Hash, ...] = ()
    components: tuple[_Component, ...] = ()


class _Version(Part, frozen=True):
    version: str = ""
    status: str = "affected"


class _Affected(Part, frozen=True):
    ref: _Text
    versions: tuple[_Version, ...] = ()


class _Analysis(Part, frozen=True, rename="camel"):
    state: _State | None = None
    justification: str = ""
    detail: str = ""
    first_issued: Moment | None = None
    last_updated: Moment | None = None


class _Reference(Part, frozen=True):
    id: str = ""


class _Vulnerability(Part, frozen=True):
    id: str = ""
    references: tuple[_Reference, ...] = ()
    analysis: _Analysis | None = None
    affects: tuple[_Affected, ...] = ()


class _Author(Part, frozen=True):
    name: str = ""
    email: str = ""


class _Metadata(Part, frozen=True):
    timestamp: Moment | None = None
    authors: tuple[_Author, ...] = ()
    supplier: _Author | None = None
    component: _Component | None = None


class _Document(Part, frozen=True, rename="camel"):
    spec_version: Literal["1.4", "1.5", "1.6", "1.7"]
    serial_number: str = ""
    metadata: _Metadata = _Metadata()
    components: tuple[_Component, ...] = ()
    vulnerabilities: tuple[_Vulnerability, ...] = ()


def is_one(plain: Any) -> bool:
    """Whether a parsed document says that it is one."""
    return isinstance(plain, dict) and plain.get("bomFormat") == "CycloneDX"


def read(
    plain: Any, name: str, image: ImageIdentity | None = None
) -> tuple[tuple[str, str], list[Statement], list[Refused]]:
    """Return id and author, the statements, and those that do not count; raises `InvalidInput`.

    `image` is the subject of the attestation that a document came in: what it describes, where it does not say that itself.
    """
    document = converted(plain, _Document, name)
    said = [(number, one) for number, one in enumerate(document.vulnerabilities, 1) if _speaks(one)]
    bounded(sum(max(1, len(place.versions)) for _, one in said for place in one.affects), name)
    places = _Places(document, name, image)
    statements: list[Statement] = []
    refused: list[Refused] = []
    for number, one in said:
        statement = _statement(number, one, document, places)
        if isinstance(statement, str):
            refused.append(Refused(number, one.id, statement))
        else:
            statements.append(replace(statement, dated=utc(statement.dated, name)))
    return (document.serial_number, _author(document.metadata)), statements, refused


def _speaks(vulnerability: _Vulnerability) -> bool:
    """Whether a vulnerability has a statement: bills of materials list others, as scanners found them."""
    return vulnerability.analysis is not None and vulnerability.analysis.state is not None


def _author(metadata: _Metadata) -> str:
    """Return who wrote a document, as it says."""
    people = [*metadata.authors, *([metadata.supplier] if metadata.supplier else [])]
    return ", ".join(one.name or one.email for one in people if one.name or one.email)


def _statement(number: int, said: _Vulnerability, document: _Document, places: _Places) -> Statement | str:
    """Return a statement, or why it does not count."""
    analysis = said.analysis or _Analysis()
    status = _STATUSES[analysis.state or "in_triage"]
    dated = analysis.last_updated or analysis.first_issued or document.metadata.timestamp
    products = places.of(said)
    if not said.id:
        return "it names no vulnerability"
    if dated is None:
        return "neither it nor its document states a date"
    if status == "not_affected" and not analysis.justification:
        return f"it is {analysis.state} without a justification"
    if status == "not_affected" and analysis.justification not in _JUSTIFICATIONS:
        return f"there is no justification {analysis.justification[:60]!r}"
    if not products:
        return "it affects no image by digest or repository, and no package by package URL"
    return Statement(
        number=number,
        ids=names_of(said.id, [reference.id for reference in said.references]),
        status=status,
        dated=dated,
        products=products,
        justification=analysis.justification,
        note=analysis.detail,
    )


class _Places:
    """What the references of a document stand for, within the image that it describes, if it describes one."""

    def __init__(self, document: _Document, name: str, attested: ImageIdentity | None) -> None:
        subject = self._subject = document.metadata.component
        self._attested = attested
        self._image = None if subject is None else _image(subject)
        if subject is None or (subject.type in ("", "container") and not (subject.purl or subject.hashes)):
            self._image = self._image or attested
        self._known: dict[str, _Component] = {}
        waiting = [*([self._subject] if self._subject else []), *document.components]
        while waiting:
            component = waiting.pop()
            waiting += component.components
            if component.bom_ref and self._known.setdefault(component.bom_ref, component) is not component:
                raise InvalidInput(f"{name} has the bom-ref {component.bom_ref[:100]!r} twice")

    def of(self, said: _Vulnerability) -> tuple[Product, ...]:
        """Return the products of a statement; where it names none, what it was attested about."""
        if not said.affects and self._attested is not None:
            return (Product(self._attested),)
        return tuple(product for affected in said.affects for product in self.products(affected))

    def products(self, affected: _Affected) -> Iterator[Product]:
        """Yield what one entry of `affects` comes to, nothing for what cannot be told."""
        component = self._known.get(affected.ref) or _Component(purl=_written(affected.ref))
        purl = component.purl if parsed(component.purl) else ""
        image = self._image if component is self._subject else _image(component)
        if image is not None and not affected.versions:
            yield Product(image)
        elif self._subject is not None and self._subject.type == "container" and self._image is None:
            return  # it describes an image that it does not identify, so any package of any image would do
        elif image is None and purl and not is_image(purl):
            yield from (Product(self._image, each) for each in _versions(purl, affected))


def _image(component: _Component) -> ImageIdentity | None:
    """Return the image that a component is, None where it is none that can be told.

    Syft writes the digest of an image without a name as its version.
    """
    purl = component.purl if parsed(component.purl) else ""
    if purl and not is_image(purl):
        return None
    if not purl and component.type != "container":
        return None
    found = identity(purl or component.version)
    return with_hashes(found, {one.alg: one.content for one in component.hashes})


def _written(reference: str) -> str:
    """Return the package URL that a reference is itself, in this document or, as a BOM-Link, in another; or empty."""
    text = unquote(reference.partition("#")[2]) if reference.startswith("urn:cdx:") else reference
    return text if parsed(text) else ""


def _versions(purl: str, affected: _Affected) -> Iterator[str]:
    """Yield a package's URL for each version that is said to be unaffected; as it is where no versions are told apart."""
    package = parsed(purl)
    if not affected.versions or package is None:
        yield purl
        return
    for one in affected.versions:
        if one.status == "unaffected" and one.version and package.version in (None, one.version):
            yield package._replace(version=one.version).to_string()
