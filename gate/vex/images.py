"""Which image a product of a VEX document is: by package URL (types `oci` and `docker`), by digest (as in `name@sha256:…`), by hash."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gate.errors import ImageGateError
from gate.evidence import Subject
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.packages.purls import parsed
from gate.vex import ImageIdentity

if TYPE_CHECKING:
    from packageurl import PackageURL

_TYPES = ("oci", "docker")
_READ = frozenset({"arch", "os", "platform", "repository_url", "tag"})
"""Qualifiers that are understood. Where a name alone decides, any other could narrow it and is not passed over."""


def is_image(text: str) -> bool:
    """Whether a text is the package URL of an image."""
    purl = parsed(text)
    return purl is not None and purl.type in _TYPES


@lru_cache(maxsize=4096)
def identity(text: str) -> ImageIdentity | None:
    """Return the image that a package URL, a digest or a name with a digest stands for; None for none that can be told."""
    purl = parsed(text)
    if purl is None:
        digest = _digest(text.rpartition("@")[2])
        return ImageIdentity(digest) if digest else None
    if purl.type not in _TYPES:
        return None
    version = purl.version or ""
    digest = _digest(version)
    if purl.type == "oci" and version and not digest:
        return None  # the version of an image there is its digest, and nothing else
    found = _named(purl, "" if digest else version)
    if digest:
        return replace(found or _platform_of(purl), digest=digest)
    return found if found is not None and purl.qualifiers.keys() <= _READ else None


def with_hashes(found: ImageIdentity | None, hashes: Mapping[str, str]) -> ImageIdentity | None:
    """Return the image that also has these hashes, in hexadecimal digits by algorithm, of which SHA-256 is its digest.

    None where that contradicts what it is called, and where there are only others: it is one of those so called, and
    cannot be told from the rest.
    """
    if not hashes:
        return found
    known = {algorithm.lower().replace("-", ""): value.lower() for algorithm, value in hashes.items()}
    if "sha256" not in known:
        return found if found is not None and found.digest else None
    digest = _digest(f"sha256:{known['sha256']}")
    if not digest or (found is not None and found.digest not in ("", digest)):
        return None
    return replace(found or ImageIdentity(), digest=digest)


def is_meant(image: ImageIdentity, subject: Subject) -> bool:
    """Whether an image is the one that is judged: its digest decides where there is one, else all of its names must agree."""
    platform = subject.platform
    kinds = ("", platform.architecture, f"{platform.architecture}/{platform.variant}")
    if image.os not in ("", platform.os) or image.architecture not in kinds:
        return False
    if image.digest:
        known = (subject.digest, subject.config_digest, subject.resolved)
        return image.digest in {str(digest) for digest in known if digest is not None}
    return bool(image.repository and subject.names) and all(
        name.name == image.repository and image.tag in ("", name.tag) for name in subject.names
    )


def _named(purl: PackageURL, tag: str) -> ImageIdentity | None:
    """Return the repository that a package URL names, with `tag` or the one that a qualifier states."""
    place = purl.qualifiers.get("repository_url", "")
    if purl.type == "docker":
        place = f"{place or 'docker.io'}/{purl.namespace or 'library'}/{purl.name}"
    try:
        name = Reference.parse(place.removeprefix("https://"))
    except ImageGateError:
        return None
    if name.repository.rpartition("/")[2] != purl.name:
        return None  # the specification wants the repository in full, so this one cannot be told
    stated = tag or purl.qualifiers.get("tag", "") or name.tag
    return replace(_platform_of(purl), repository=name.name, tag=stated or "")


def _platform_of(purl: PackageURL) -> ImageIdentity:
    """Return what a package URL says of the platform."""
    os, _, architecture = purl.qualifiers.get("platform", "").partition("/")
    return ImageIdentity(
        os=purl.qualifiers.get("os", os),
        architecture=purl.qualifiers.get("arch", architecture),
    )


def _digest(text: str) -> str:
    """Return a text that is a digest; empty for what is none."""
    try:
        return str(Digest.parse(text))
    except ImageGateError:
        return ""
