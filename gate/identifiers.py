"""Ids of vulnerabilities: which stand for a single one, and when two sets of them name the same.

The ids of advisories that fix several vulnerabilities at once (DSA, RHSA, ALAS, …) tell nothing of one of them, and what
has two CVEs is two vulnerabilities: what is accepted, known, or said of one must never silently cover the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_SINGLE = re.compile(
    r"(?:CVE|GHSA|GO|PYSEC|RUSTSEC|OSV|MAL|GSD|NSWG|TEMP|HSEC|RSEC|PSF|BIT)-.+", re.IGNORECASE
)
_CVE = "CVE-"


def is_single(id_: str) -> bool:
    """Whether an id stands for one vulnerability, and not for an advisory on several."""
    return bool(_SINGLE.fullmatch(id_))


def cve_ids(ids: Iterable[str]) -> set[str]:
    """Return the CVE ids among `ids`."""
    return {id_ for id_ in ids if id_.startswith(_CVE)}


def names_of(id_: str, aliases: object) -> frozenset[str]:
    """Return an id and those of its aliases that stand for one vulnerability; `aliases` that are no list are none."""
    listed = aliases if isinstance(aliases, list | tuple) else ()
    names = {alias for alias in listed if isinstance(alias, str) and is_single(alias)}
    return frozenset(names | ({id_} if id_ else set()))


def same(one: Collection[str], other: Collection[str]) -> bool:
    """Whether two sets of names are of the same vulnerability: one in common, and a CVE where both have any."""
    numbered, others = cve_ids(one), cve_ids(other)
    return not numbered.isdisjoint(others) if numbered and others else not set(one).isdisjoint(other)
