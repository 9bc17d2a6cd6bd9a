"""Baselines: the findings that were known on a day, so that only new ones fail; `image-gate baseline` writes them.

How a finding is recognised, `recognition.py` says. It is new again if it is worse than it was. Only the policy names a
baseline, and its digest covers it: no option of a run could bring one in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import force_setattr

from gate.errors import InvalidInput, MalformedImage
from gate.evidence import Subject
from gate.identifiers import names_of
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.options import Mark, Node, Options, Text, decode, describe, encode, json_schema
from gate.policy.recognition import Findings, Key, fingerprint
from gate.policy.schema import SCHEMA_URL
from gate.rule import Finding, Severity

HINT = "`image-gate baseline create` writes such files"

Image = tuple[str, str]
"""Registry and repository, and platform."""


class KnownAs(msgspec.Struct, frozen=True):
    """How a finding was known: as how bad, and by which other names of its id."""

    severity: Severity
    aliases: tuple[str, ...] = ()

    @classmethod
    def of(cls, severity: Severity, id_: str, aliases: object) -> KnownAs:
        """Keep of the aliases those that stand for one vulnerability."""
        return cls(severity, tuple(sorted(names_of(id_, aliases) - {id_})))


Known = Mapping[Image, Mapping[Key, KnownAs]]


class KnownFinding(Options, rename="lower"):
    """One finding that is known."""

    rule: Annotated[Text, describe("The rule's id.")]
    id: Annotated[str, describe("The finding's id, such as a CVE; empty where it has none.")]
    package: Annotated[str, describe("The package URL without version, qualifiers and subpath; or empty.")]
    path: Annotated[str, describe("The path in the image, or empty.")]
    message: Annotated[str, describe("What is wrong, where the finding has no id; else empty.")]
    severity: Annotated[
        Literal["critical", "high", "medium", "low", "negligible", "unknown"],
        describe("How bad it was: a worse one is new."),
    ]
    aliases: Annotated[
        tuple[str, ...], describe("Other names of the vulnerability, by which it is recognised as well.")
    ] = ()


class BaselineImage(Options, rename="lower"):
    """What is known of one image for one platform."""

    name: Annotated[Text, describe("Registry and repository, without tag and digest.")]
    platform: Annotated[Text, describe("OS/ARCHITECTURE[/VARIANT].")]
    findings: Annotated[tuple[KnownFinding, ...], describe("What was found.")]


class BaselineFile(Options, rename="lower"):
    """The findings that were known on a day."""

    schema: Annotated[Literal[1], describe("The version of this format.")]
    created: Annotated[date, describe("The day of the report that it was made from, in UTC.")]
    images: Annotated[tuple[BaselineImage, ...], describe("The images, by name and platform.")]


class Baseline(msgspec.Struct, frozen=True):
    """A baseline as a policy names it: its file, its dates, and what is known of which image."""

    file: str
    created: date
    known: Known
    until: date
    recognised: Mapping[Image, Findings] = {}

    def __post_init__(self) -> None:
        found = {
            image: Findings({key: one.aliases for key, one in known.items()})
            for image, known in self.known.items()
        }
        force_setattr(self, "recognised", found)

    @property
    def reason(self) -> str:
        """Why a finding that it covers does not decide."""
        return f"known since {self.created} ({self.file})"

    def is_for(self, subject: Subject) -> bool:
        """Whether it says anything of this image: of several names all must be listed, because anyone can add one."""
        return bool(subject.names) and all(image in self.known for image in _images(subject))

    def covers(self, rule: str, finding: Finding, severity: Severity, subject: Subject) -> bool:
        """Whether a finding is known for this image, and was as bad as it is now; the date is not looked at."""
        key = fingerprint(rule, finding.id, finding.location.package, finding.location.path, finding.message)
        aliases = finding.details.get("aliases")
        return self.is_for(subject) and all(
            any(
                severity <= self.known[image][same].severity
                for same in self.recognised[image].same_as(key, aliases)
            )
            for image in _images(subject)
        )

    def in_force(self, today: date) -> bool:
        """Whether it still applies on the day `today` (UTC)."""
        return today <= self.until


def read_baseline(data: bytes, file: str) -> tuple[date, Known]:
    """Read a baseline, which `file` names in errors; raises `InvalidInput` for anything not as written."""
    try:
        plain = strict_json.parse(data, file, limit=LIMITS.baseline)
    except MalformedImage as error:
        raise InvalidInput(error.message, hint=HINT) from None
    node = Node.of(plain, Mark(file, 1, 1))
    node.mapping("the file")
    document = decode(node, BaselineFile, "")
    known: dict[Image, dict[Key, KnownAs]] = {}
    for image in document.images:
        if (image.name, image.platform) in known:
            raise InvalidInput(f"{file}: {image.name} ({image.platform}) stands there twice", hint=HINT)
        found = known[image.name, image.platform] = {}
        for one in image.findings:
            key = fingerprint(one.rule, one.id, one.package, one.path, one.message)
            seen = KnownAs.of(Severity[one.severity.upper()], one.id, one.aliases)
            found[key] = max(seen, found.get(key, seen), key=lambda each: each.severity)
    return document.created, known


def baseline_text(created: date, known: Known) -> str:
    """Return the text of a baseline, in one order."""
    images = tuple(
        BaselineImage(
            name=name,
            platform=platform,
            findings=tuple(_finding(key, findings[key]) for key in sorted(findings)),
        )
        for (name, platform), findings in sorted(known.items())
    )
    document = encode(BaselineFile(schema=1, created=created, images=images))
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def baseline_schema() -> dict[str, Any]:
    """Return the JSON schema of such files."""
    (reference,), definitions = json_schema(BaselineFile)
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    return {
        "$schema": SCHEMA_URL,
        **root,
        "title": "image-gate baseline",
        "$defs": dict(sorted(definitions.items())),
    }


def _finding(key: Key, known: KnownAs) -> KnownFinding:
    """Turn a known finding into what a file holds."""
    rule, id_, package, path, message = key
    word: Any = str(known.severity)
    return KnownFinding(
        rule=rule, id=id_, package=package, path=path, message=message, severity=word, aliases=known.aliases
    )


def _images(subject: Subject) -> Iterable[Image]:
    """Return what an image is called in a baseline, once for each of its names."""
    return {(name.name, str(subject.platform)) for name in subject.names}
