"""Package URLs (purl specification) as scanners write them, reduced to what two scanners agree on."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct
from packageurl import PackageURL

from gate.packages.formats import SYSTEM_TYPES

_PYPI = re.compile(r"[-_.]+")
_PACKAGES = 16_384
"""Purls that are taken apart once, though many findings name them: more than an image has packages, mostly."""


class PackageKey(Struct, frozen=True, order=True):
    """What makes the packages of two scanners the same one."""

    type: str
    namespace: str
    name: str
    version: str


def key_of(purl: str, package_type: str, name: str, version: str) -> PackageKey:
    """Return the key of a package as a scanner names it.

    `version` is the scanner's own field, because purls keep an epoch elsewhere. Where `purl` is none, type and name count.
    """
    try:
        parsed = _parsed(purl)
    except ValueError:
        return PackageKey(package_type, "", name, version)
    kind, namespace, own_name = parsed.type, parsed.namespace or "", parsed.name
    if kind == "pypi":
        own_name = _PYPI.sub("-", own_name).lower()  # PEP 503
    elif kind == "golang":
        version = version.removeprefix("v").removeprefix("go")  # the standard library is v1.21.3 or go1.21.3
    elif kind in SYSTEM_TYPES:
        namespace, version = "", version.removeprefix("0:")
    return PackageKey(kind, namespace, own_name, version)


@lru_cache(maxsize=_PACKAGES)
def plain(purl: str, version: str) -> str:
    """Return a purl with this version and without qualifiers and subpath; empty for what is none."""
    try:
        parsed = _parsed(purl)
    except ValueError:
        return ""
    return PackageURL(parsed.type, parsed.namespace, parsed.name, version or None).to_string()


@lru_cache(maxsize=_PACKAGES)
def _parsed(purl: str) -> PackageURL:
    """Parse a purl; raises `ValueError`."""
    return PackageURL.from_string(purl)
