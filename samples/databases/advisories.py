"""The advisory list as typed records; its sources and licences stand in `samples/ATTRIBUTION.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent / "advisories.json"
DISTRIBUTIONS = frozenset({"alpine", "debian"})
"""Ecosystems whose packages belong to a release of a distribution and are named by source package."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from `introduced` on ("0": the first) and before `fixed`, or up to `last_affected` itself."""

    introduced: str = "0"
    fixed: str = ""
    last_affected: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    """One package that an advisory concerns.

    `ecosystem` is alpine, debian, go, maven, npm or pypi; `release` is that of a distribution ("12", "3.20"),
    else empty; `advisory` is the identifier under which the ecosystem's own source lists it (DSA, GHSA, PYSEC
    …), empty if it is the CVE; `severity` is the distribution's own opinion on this package.
    """

    ecosystem: str
    package: str
    ranges: tuple[Range, ...]
    release: str = ""
    advisory: str = ""
    severity: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Score:
    """A CVSS vector with its base score and who gave it."""

    source: str
    vector: str
    score: float


@dataclass(frozen=True, slots=True)
class KnownExploited:
    """An entry of CISA's catalogue of known exploited vulnerabilities; dates are ISO days."""

    vendor: str
    product: str
    added: str
    due: str
    ransomware: str


@dataclass(frozen=True, slots=True)
class ExploitPrediction:
    """FIRST's prediction (EPSS) of one day: probability and percentile, both from 0 to 1."""

    date: str
    score: float
    percentile: float


@dataclass(frozen=True, slots=True)
class Advisory:
    """One vulnerability: `id` is the CVE where there is one.

    Severity is critical, high, medium, low, negligible or unknown.

    `published` and `modified` are RFC 3339 times in UTC, or empty; `sources` are keys of the list's table of
    sources.
    """

    id: str
    affected: tuple[Affected, ...]
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    severity: str = UNKNOWN
    published: str = ""
    modified: str = ""
    cvss: tuple[Score, ...] = ()
    cwes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    known_exploited: KnownExploited | None = None
    exploit_prediction: ExploitPrediction | None = None


def load(path: Path = SHIPPED) -> tuple[Advisory, ...]:
    """Read an advisory list; raises ValueError, KeyError or TypeError where the file is not one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    used = {source for record in document["advisories"] for source in record["sources"]}
    unknown = sorted(used - document["sources"].keys())
    if document["schema"] != 1 or unknown:
        raise ValueError(f"{path} is not of schema 1, or does not describe these of its sources: {unknown}")
    return tuple(_advisory(record) for record in document["advisories"])


def _advisory(record: Mapping[str, Any]) -> Advisory:
    exploited, prediction = record.get("known_exploited"), record.get("exploit_prediction")
    return Advisory(
        id=record["id"],
        sources=tuple(record["sources"]),
        aliases=tuple(record.get("aliases", ())),
        severity=record.get("severity", UNKNOWN),
        published=record.get("published", ""),
        modified=record.get("modified", ""),
        cwes=tuple(record.get("cwes", ())),
        references=tuple(record.get("references", ())),
        affected=tuple(_affected(part) for part in record["affected"]),
        cvss=tuple(Score(**score) for score in record.get("cvss", ())),
        known_exploited=KnownExploited(**exploited) if exploited else None,
        exploit_prediction=ExploitPrediction(**prediction) if prediction else None,
    )


def _affected(part: Mapping[str, Any]) -> Affected:
    return Affected(**{**part, "ranges": tuple(Range(**limits) for limits in part["ranges"])})
