"""Exceptions: one mechanism for every rule, each narrow, reasoned and dated.

All selectors that an exception states must match. Unclear is "does not match": an exception only ever lets something
through, so whatever it does not clearly cover stays a finding.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from datetime import date
from typing import NoReturn

import msgspec

from gate.errors import ImageGateError, InvalidInput
from gate.evidence import Subject
from gate.oci.descriptor import Digest
from gate.oci.reference import Pattern
from gate.options import Node, decode, misspelt
from gate.packages.purls import means_any, parsed
from gate.policy.schema import ExceptionEntry
from gate.policy.versions import VersionRange
from gate.rule import Finding


class ImageSelector(msgspec.Struct, frozen=True):
    """Which images: a name pattern, a digest, or both."""

    pattern: Pattern | None
    digest: Digest | None

    @classmethod
    def parse(cls, value: str) -> ImageSelector:
        """Parse `registry.example.com/shop/*`, `sha256:…` or both joined by `@`; raises `ImageGateError`."""
        if value.startswith(("sha256:", "sha512:")):
            return cls(None, Digest.parse(value))
        name, at, digest = value.partition("@")
        return cls(Pattern.parse(name), Digest.parse(digest) if at else None)

    @property
    def narrow(self) -> bool:
        """Whether it says more than a registry: a digest, or at least one literal part of a repository."""
        return self.digest is not None or (
            self.pattern is not None and any(segment not in ("*", "**") for segment in self.pattern.segments)
        )

    def matches(self, subject: Subject) -> bool:
        """Whether `subject` is meant: of several names all must match, because anyone can add one to an archive."""
        if self.digest is not None and self.digest not in (subject.digest, subject.config_digest):
            return False
        if self.pattern is None:
            return True
        return bool(subject.names) and all(self.pattern.matches(name) for name in subject.names)

    def __str__(self) -> str:
        return "@".join(str(part) for part in (self.pattern, self.digest) if part is not None)


class PolicyException(msgspec.Struct, frozen=True):
    """One exception of a policy. `where` is its place in the file; selectors that are not stated are empty."""

    where: str
    rule: str
    until: date
    reason: str
    id: str = ""
    package: str = ""
    path: str = ""
    layer: str = ""
    images: tuple[ImageSelector, ...] = ()
    owner: str = ""
    link: str = ""
    versions: VersionRange | None = None

    @classmethod
    def read(cls, node: Node, label: str, rules: Collection[str]) -> PolicyException:
        """Read one entry of a policy file; raises `InvalidInput`, also for one that would cover too much."""
        entry = decode(node, ExceptionEntry, label)
        if entry.rule not in rules:
            raise misspelt(node.find(["rule"]).mark, "there is no rule", entry.rule, rules)
        texts = (entry.images,) if isinstance(entry.images, str) else entry.images or ()
        exception = cls(
            where=str(node.mark),
            rule=entry.rule,
            until=entry.until,
            reason=entry.reason,
            id=entry.id or "",
            package=entry.package or "",
            path=entry.path or "",
            layer=entry.layer or "",
            images=tuple(_image(node, label, number, text) for number, text in enumerate(texts)),
            owner=entry.owner or "",
            link=entry.link or "",
            versions=entry.versions or None,
        )
        _check(exception, node, label)
        return exception

    @property
    def summary(self) -> str:
        """Rule and selectors in one line, for reports."""
        package = f"{self.package} {self.versions}" if self.versions else self.package
        stated = (("", self.id), ("package ", package), ("path ", self.path), ("layer ", self.layer))
        parts = [f"{word}{value}" for word, value in stated if value]
        images = " or ".join(str(image) for image in self.images)
        return " ".join([self.rule, *parts, *([f"in {images}"] if images else [])])

    def covers(self, finding: Finding, subject: Subject) -> bool:
        """Whether every selector matches this finding, in this image; the date is not looked at."""
        return (
            (not self.id or self.id in _identifiers(finding))
            and (not self.layer or self.layer == finding.location.layer)
            and (
                not self.path
                or (finding.location.path is not None and path_matches(self.path, finding.location.path))
            )
            and (not self.package or _package_matches(self.package, finding))
            and (self.versions is None or _version_matches(self.versions, finding))
            and self.is_for(subject)
        )

    def is_for(self, subject: Subject) -> bool:
        """Whether this image is one of those that it names, if it names any."""
        return not self.images or any(image.matches(subject) for image in self.images)


def path_matches(pattern: str, path: str) -> bool:
    """Whether `path` lies in `pattern`: `*` and `?` stay within one segment, `**` is any number of segments.

    Brackets are literal, because file names hold them (`/app/[id].js`). Time is segments times segments at most.
    """
    have = path.split("/")
    reached = {0}  # how many segments of the path the pattern so far can have used up
    for segment in pattern.split("/"):
        if segment == "**":
            reached = set(range(min(reached), len(have) + 1))
        else:
            literal = segment.replace("[", "[[]")
            reached = {at + 1 for at in reached if at < len(have) and fnmatch.fnmatchcase(have[at], literal)}
        if not reached:
            return False
    return len(have) in reached


def _identifiers(finding: Finding) -> tuple[object, ...]:
    """Return the finding's id and the aliases that its rule names."""
    aliases = finding.details.get("aliases", ())
    return (finding.id, *aliases) if isinstance(aliases, list | tuple) else (finding.id,)


def _package_matches(selector: str, finding: Finding) -> bool:
    """Whether the finding is about the package: by purl as far as the selector states it, or by name."""
    if selector.startswith("pkg:"):
        return means_any(selector, finding.purls)
    have = parsed(finding.location.package) if finding.location.package else None
    if have is None:
        return False
    return selector == have.name or (
        bool(have.namespace)
        and selector in (f"{have.namespace}/{have.name}", f"{have.namespace}:{have.name}")
    )


def _version_matches(versions: VersionRange, finding: Finding) -> bool:
    """Whether the finding is about a package whose version clearly lies in the range."""
    have = parsed(finding.location.package) if finding.location.package else None
    return have is not None and versions.holds(have)


def _purl_has_version(text: str) -> bool:
    """Whether a package URL states a version."""
    purl = parsed(text)
    return purl is not None and purl.version is not None


def _image(node: Node, label: str, number: int, text: str) -> ImageSelector:
    """Parse one of `images`, and say where it stands if it cannot be."""
    try:
        return ImageSelector.parse(text)
    except ImageGateError as error:
        raise InvalidInput(
            f"{node.find(('images', number)).mark}: {label}.images: {error.message}",
            hint="allowed: a pattern such as registry.example.com/shop/**, a digest, or pattern@sha256:…",
        ) from None


def _check(exception: PolicyException, node: Node, label: str) -> None:
    """Refuse selectors that could never match, and exceptions that would cover everything of their rule."""

    def refuse(name: str, why: str, remedy: str) -> NoReturn:
        raise InvalidInput(f"{node.find([name]).mark}: {label}.{name}: {why}", hint=remedy)

    if not exception.reason.strip():
        refuse("reason", "it is blank", "say why this is acceptable")
    for name in ("id", "package", "layer"):
        value = getattr(exception, name)
        if "*" in value or value != value.strip():
            refuse(name, f"{value!r} matches nothing", "write it out; only `path` and `images` take patterns")
    if exception.path and not exception.path.startswith("/"):
        refuse("path", f"{exception.path!r} matches nothing", "paths start with a slash: /app/**")
    if exception.layer:
        try:
            Digest.parse(exception.layer)
        except ImageGateError as error:
            refuse("layer", error.message, "state the layer's diff ID, sha256:…, which the report gives")
    if exception.package.startswith("pkg:") and parsed(exception.package) is None:
        remedy = "allowed: a name, or type, name and perhaps version as in pkg:deb/debian/openssl@3.0.11-1"
        refuse("package", f"{exception.package!r} is not a package URL", remedy)
    if exception.versions and not exception.package:
        refuse("versions", "there is no `package` that they are versions of", "name it")
    if exception.versions and exception.package.startswith("pkg:") and _purl_has_version(exception.package):
        refuse("versions", "`package` states a version already", "keep one of both")
    literal_path = any(part.strip("*?") for part in exception.path.split("/"))
    narrow_images = bool(exception.images) and all(image.narrow for image in exception.images)
    if not (exception.id or exception.package or exception.layer or literal_path or narrow_images):
        raise InvalidInput(
            f"{node.mark}: {label} would except everything that {exception.rule} finds",
            hint="name an id, package, path or layer, or in `images` a repository or digest; or set the rule's action",
        )
