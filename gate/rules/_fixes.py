"""Which version of a package fixes a vulnerability, as far as scanners know and versions can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gate.evidence import Vulnerability


def is_fixable(found: Vulnerability) -> bool:
    """Whether any scanner knows a version that fixes it."""
    return any(opinion.fixed_versions for opinion in found.opinions)


def fixed_version(found: Vulnerability) -> str:
    """Return the smallest version that satisfies every scanner that knows a fix; empty where none does.

    Advisories list one fixed version per maintained line (2.3.1, 2.12.2, 2.15.0): each scanner is satisfied by the first
    that is newer than the installed one. Where versions cannot be compared, all are returned.
    """
    per_scanner = {opinion.fixed_versions for opinion in found.opinions if opinion.fixed_versions}
    versions = sorted({version for group in per_scanner for version in group})
    if len(versions) < 2:
        return "".join(versions)
    try:
        return _smallest(found, per_scanner)
    except ValueError:
        return " or ".join(versions)


def _smallest(found: Vulnerability, per_scanner: Iterable[tuple[str, ...]]) -> str:
    """Choose by the order of versions of the package's own kind; raises `ValueError` where that does not work."""
    from univers.version_range import (
        RANGE_CLASS_BY_SCHEMES,
    )  # here: it takes 0.1 s, and most fixes are one version

    kind = RANGE_CLASS_BY_SCHEMES.get(found.package_type)
    version_of: Any = getattr(kind, "version_class", None)
    if version_of is None:
        raise ValueError(f"no order of versions is known for {found.package_type}")
    try:
        installed = version_of(found.package_version)
        needed = []
        for group in per_scanner:
            newer = [version for text in group if (version := version_of(text)) > installed]
            if not newer:
                raise ValueError("no fixed version is newer than the installed one")
            needed.append(min(newer))
        return str(max(needed).string)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"versions cannot be compared: {error}") from None
