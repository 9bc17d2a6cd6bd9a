"""Baselines: the findings that were known on a day, so that only new ones fail; `image-gate baseline` writes them.

A finding is recognised by rule, id, package without its version, and path, and by its message where it has no id; layers
do not count, because every build makes new ones. It is new again if it is worse than it was. Only the policy names a
baseline, and its digest covers it: no option of a run could bring one in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from gate.errors import InvalidInput, MalformedImage
from gate.evidence import Subject
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.options import Mark, Node, Options, Text, decode, describe, encode, json_schema
from gate.policy.schema import SCHEMA_URL
from gate.printable import redacted
from gate.rule import Finding, Severity

HINT = "`image-gate baseline create` writes such files"

Key = tuple[str, str, str, str, str]
Image = tuple[str, str]
"""Registry and repository, and platform."""
Known = Mapping[Image, Mapping[Key, Severity]]


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
        return self.is_for(subject) and all(
            severity <= self.known[image].get(key, Severity.UNKNOWN - 1) for image in _images(subject)
        )

    def in_force(self, today: date) -> bool:
        """Whether it still applies on the day `today` (UTC)."""
        return today <= self.until


def fingerprint(rule: str, id_: str, package: str | None, path: str | None, message: str) -> Key:
    """Return what recognises a finding from one build to the next."""
    return (rule, id_, _unversioned(package or ""), path or "", "" if id_ else redacted(message))


def read_baseline(data: bytes, file: str) -> tuple[date, Known]:
    """Read a baseline, which `file` names in errors; raises `InvalidInput` for anything not as written."""
    try:
        plain = strict_json.parse(data, file, limit=LIMITS.baseline)
    except MalformedImage as error:
        raise InvalidInput(error.message, hint=HINT) from None
    node = Node.of(plain, Mark(file, 1, 1))
    node.mapping("the file")
    document = decode(node, BaselineFile, "")
    known: dict[Image, dict[Key, Severity]] = {}
    for image in document.images:
        if (image.name, image.platform) in known:
            raise InvalidInput(f"{file}: {image.name} ({image.platform}) stands there twice", hint=HINT)
        known[image.name, image.platform] = {
            (one.rule, one.id, one.package, one.path, one.message): Severity[one.severity.upper()]
            for one in image.findings
        }
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


def _finding(key: Key, severity: Severity) -> KnownFinding:
    """Turn a known finding into what a file holds."""
    rule, id_, package, path, message = key
    word: Any = str(severity)
    return KnownFinding(rule=rule, id=id_, package=package, path=path, message=message, severity=word)


def _images(subject: Subject) -> Iterable[Image]:
    """Return what an image is called in a baseline, once for each of its names."""
    return {(name.name, str(subject.platform)) for name in subject.names}


@lru_cache(maxsize=4096)
def _unversioned(package: str) -> str:
    """Return a package URL without version, qualifiers and subpath; a text that is none as it is."""
    if not package:
        return ""
    from packageurl import PackageURL  # here, because few policies have a baseline

    try:
        purl = PackageURL.from_string(package)
    except ValueError:
        return package
    return PackageURL(purl.type, purl.namespace, purl.name).to_string()
