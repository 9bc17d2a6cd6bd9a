"""OpenVEX (github.com/openvex/spec, version 0.2.0), as vexctl, Docker Scout and Chainguard write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from gate.identifiers import names_of
from gate.packages.purls import parsed
from gate.vex import Format, ImageIdentity, Product, Refused, Statement, Status
from gate.vex.images import identity, is_image, with_hashes
from gate.vex.read import Moment, Part, bounded, converted, utc

FORMAT: Format = "OpenVEX"
_CONTEXT = "https://openvex.dev/ns"
_JUSTIFICATIONS = frozenset(
    {
        "component_not_present",
        "vulnerable_code_not_present",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "inline_mitigations_already_exist",
    }
)
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Component(Part, frozen=True):
    id_: str = msgspec.field(name="@id", default="")
    identifiers: Mapping[str, str] = {}
    hashes: Mapping[str, str] = {}


class _Product(_Component, frozen=True):
    subcomponents: tuple[_Component, ...] = ()


class _Vulnerability(Part, frozen=True):
    name: _Text
    aliases: tuple[str, ...] = ()


class _Statement(Part, frozen=True):
    vulnerability: _Vulnerability
    status: Status
    products: tuple[_Product, ...] = ()
    timestamp: Moment | None = None
    last_updated: Moment | None = None
    justification: str = ""
    impact_statement: str = ""


class _Document(Part, frozen=True):
    context: Literal["https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"] = msgspec.field(
        name="@context"
    )
    id_: _Text = msgspec.field(name="@id")
    author: _Text
    timestamp: Moment
    statements: tuple[_Statement, ...]


def is_one(plain: Any) -> bool:
    """Whether a parsed document says that it is one."""
    return isinstance(plain, dict) and str(plain.get("@context", "")).startswith(_CONTEXT)


def read(
    plain: Any, name: str, image: ImageIdentity | None = None
) -> tuple[tuple[str, str], list[Statement], list[Refused]]:
    """Return id and author, the statements, and those that do not count; raises `InvalidInput`.

    A statement without products is about `image`, the subject of the attestation that a document came in.
    """
    document = converted(plain, _Document, name)
    bounded(
        sum(max(1, len(one.subcomponents)) for said in document.statements for one in said.products), name
    )
    statements: list[Statement] = []
    refused: list[Refused] = []
    for number, said in enumerate(document.statements, 1):
        products = tuple(product for one in said.products for product in _products(one))
        if not said.products and image is not None:
            products = (Product(image),)
        if reason := _refusal(said, products):
            refused.append(Refused(number, said.vulnerability.name, reason))
            continue
        dates = [moment for moment in (said.timestamp, said.last_updated) if moment is not None]
        statements.append(
            Statement(
                number=number,
                ids=names_of(said.vulnerability.name, said.vulnerability.aliases),
                status=said.status,
                dated=utc(max(dates, default=document.timestamp), name),
                products=products,
                justification=said.justification,
                note=said.impact_statement,
            )
        )
    return (document.id_, document.author), statements, refused


def _refusal(said: _Statement, products: tuple[Product, ...]) -> str:
    """Say why a statement does not count; empty for one that does.

    The specification lets a text stand in for a justification. A text cannot be weighed, so here it does not.
    """
    if said.status == "not_affected" and not said.justification:
        return "it is not_affected without a justification"
    if said.status == "not_affected" and said.justification not in _JUSTIFICATIONS:
        return f"there is no justification {said.justification[:60]!r}"
    return "" if products else "it names no image by digest or repository, and no package by package URL"


def _products(product: _Product) -> Iterator[Product]:
    """Yield what a product comes to, nothing for what cannot be told.

    A package with sub-components is one: which packages of an image lie in which others is not known.
    """
    image = _image(product)
    parts = [purl for part in product.subcomponents if (purl := _package(part))]
    if image is not None:
        yield from (Product(image, purl) for purl in parts)
        if not product.subcomponents:
            yield Product(image)
    elif not product.subcomponents and (purl := _package(product)):
        yield Product(None, purl)


def _purl(component: _Component) -> str:
    """Return the one package URL of a component, empty where there is none or two differ."""
    known = _purls(component)
    return known.pop() if len(known) == 1 else ""


def _purls(component: _Component) -> set[str]:
    """Return what a component states as its package URL."""
    return {text for text in (component.identifiers.get("purl", ""), component.id_) if parsed(text)}


def _image(component: _Component) -> ImageIdentity | None:
    """Return the image that a component is, None where it is none that can be told."""
    purl = _purl(component)
    if _purls(component) and not is_image(purl):
        return None  # a package, or two package URLs that differ
    return with_hashes(identity(purl or component.id_), component.hashes)


def _package(component: _Component) -> str:
    """Return the package URL of a package; one of certain files, by hash, cannot be told from others of its version."""
    purl = _purl(component)
    return purl if purl and not is_image(purl) and not component.hashes else ""
