"""Package URLs (purl specification): what they say, and whether one that somebody wrote means a package that was found."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packageurl import PackageURL


@lru_cache(maxsize=16_384)
def parsed(text: str) -> PackageURL | None:
    """Parse a package URL, normalised as its type wants it; None for what is none."""
    from packageurl import PackageURL  # here, because few policies speak of packages

    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def type_of(purl: str) -> str:
    """Return the type of a purl, empty for what is none."""
    scheme, _, rest = purl.partition(":")
    return rest.lstrip("/").partition("/")[0].lower() if scheme == "pkg" else ""


def means(written: PackageURL, found: PackageURL) -> bool:
    """Whether `written` means `found`: the same package, and version, qualifiers and subpath as far as they are stated."""
    return (
        (written.type, written.namespace, written.name) == (found.type, found.namespace, found.name)
        and (written.version is None or _version(written) == _version(found))
        and all(_fits(name, value, found.qualifiers.get(name)) for name, value in written.qualifiers.items())
        and written.subpath in (None, found.subpath)
    )


def _fits(name: str, written: str, found: str | None) -> bool:
    """Whether a qualifier says what was written; a release of a distribution has minor ones (`debian-12` is `debian-12.5`)."""
    return found == written or (name == "distro" and found is not None and found.startswith(f"{written}."))


def means_any(written: str, found: Iterable[str]) -> bool:
    """Whether a package URL means one of those `found`, all of the same package; what is no package URL means none."""
    want = parsed(written)
    return want is not None and any(
        have is not None and means(want, have) for have in (parsed(text) for text in found)
    )


def _version(purl: PackageURL) -> str | None:
    """Return the version, of a Go module without the `v` that only some writers keep."""
    return purl.version.removeprefix("v") if purl.version and purl.type == "golang" else purl.version
