"""Which version of a package fixes a vulnerability, as far as scanners know and versions can be compared."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from gate.evidence import Vulnerability
from gate.packages.version_order import order_of


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


def _smallest(found: Vulnerability, per_scanner: Collection[tuple[str, ...]]) -> str:
    """Choose by the order of versions of the package's own kind; raises `ValueError` where that does not work."""
    order = order_of(found.package_type, [found.package_version, *chain(*per_scanner)])
    if order is None:
        raise ValueError(f"no order of versions is known for {found.package_type}")
    try:
        installed = order(found.package_version)
        needed = []
        for group in per_scanner:
            newer = [(version, text) for text in group if (version := order(text)) > installed]
            if not newer:
                raise ValueError("no fixed version is newer than the installed one")
            needed.append(min(newer))
        return max(needed)[1]
    except (TypeError, AttributeError) as error:
        raise ValueError(f"versions cannot be compared: {error}") from None
