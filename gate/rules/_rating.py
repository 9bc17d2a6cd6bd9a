"""How severe a vulnerability is: one severity out of all that scanners and their sources give, and why that one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Struct

from gate.evidence import Opinion, Vulnerability
from gate.options import Options, Text, describe
from gate.rule import Severity

VENDOR = "vendor"
_NAMES = {"nvd@nist.gov": "nvd", "github": "ghsa", "security-advisories@github.com": "ghsa"}
"""The same source as Grype calls it."""
_EVERYBODYS = frozenset({"", "nvd", "ghsa"})
"""Sources that rate for all distributions and languages, and so are nobody's vendor."""


class Preferred(Options):
    """Sources by preference."""

    prefer: Annotated[
        tuple[Text, ...],
        describe(
            "Sources, the most trusted first: nvd, ghsa, vendor (whoever publishes the package), or a name as scanners write "
            "it (redhat). The first that rates the vulnerability counts; where none does, the highest.",
            min_length=1,
            max_length=20,
        ),
    ]


RatedBy = Literal["highest", "agreed"] | Preferred


class Rating(Struct, frozen=True):
    """The severity that is used, the rule by which, and whose it is; without scanner and source where nobody rates it."""

    severity: Severity
    rule: str
    scanner: str = ""
    source: str = ""


def rate(found: Vulnerability, rated_by: RatedBy) -> Rating:
    """Choose the severity of one vulnerability.

    `highest` is the highest that a scanner gives; where none rates it, the highest of any source that they pass on.
    `agreed` is what every scanner that rates it gives at least. Preferred sources are asked in their order.
    """
    if isinstance(rated_by, Preferred):
        for source in rated_by.prefer:
            if chosen := _highest(_by_source(found, source.lower()), f"prefer {source}"):
                return chosen
        return _whoever(found, "highest, because no preferred source rates it")
    if rated_by == "agreed":
        scanners = [_highest(_own(found, name), "agreed") for name in found.found_by]
        rated = [one for one in scanners if one]
        if rated:
            return min(rated, key=lambda one: (one.severity, one.scanner))
    return _whoever(found, "highest")


def severity_of(word: str) -> Severity:
    """Read a scanner's word; one that is none rates nothing."""
    try:
        return Severity[word.upper()]
    except KeyError:
        return Severity.UNKNOWN


def _whoever(found: Vulnerability, rule: str) -> Rating:
    """Return the highest severity that a scanner gives, else that any of their sources gives."""
    every = (opinion for opinion in found.opinions)
    own = [Rating(severity_of(one.severity), rule, one.scanner, one.severity_source) for one in every]
    return _highest(iter(own), rule) or _highest(_passed_on(found), rule) or Rating(Severity.UNKNOWN, rule)


def _highest(ratings: Iterator[Rating], rule: str) -> Rating | None:
    """Return the highest that rates at all; of equal ones the first by name, whatever the order of opinions."""
    rated = [one for one in ratings if one.severity is not Severity.UNKNOWN]
    if not rated:
        return None
    chosen = min(rated, key=lambda one: (-one.severity, one.scanner, one.source))
    return Rating(chosen.severity, rule, chosen.scanner, chosen.source)


def _own(found: Vulnerability, scanner: str) -> Iterator[Rating]:
    """Yield the severities that one scanner decided on."""
    for opinion in found.opinions:
        if opinion.scanner == scanner:
            yield Rating(severity_of(opinion.severity), "", scanner, opinion.severity_source)


def _passed_on(found: Vulnerability) -> Iterator[Rating]:
    """Yield the severities of all sources that scanners pass on."""
    for opinion in found.opinions:
        for source, word in opinion.severities.items():
            yield Rating(severity_of(word), "", opinion.scanner, source)


def _by_source(found: Vulnerability, wanted: str) -> Iterator[Rating]:
    """Yield what one source says, through whichever scanner."""
    for opinion in found.opinions:
        for source, word in _sources(opinion):
            name = _NAMES.get(source.lower(), source.lower())
            is_vendor = source == opinion.severity_source and name not in _EVERYBODYS
            if name == wanted or (wanted == VENDOR and is_vendor):
                yield Rating(severity_of(word), "", opinion.scanner, source)


def _sources(opinion: Opinion) -> Iterator[tuple[str, str]]:
    """Yield each source's severity in one opinion, and the one that the scanner decided on: it may be for this package."""
    yield from opinion.severities.items()
    yield opinion.severity_source, opinion.severity
