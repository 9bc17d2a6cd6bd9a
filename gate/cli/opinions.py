"""What scanners say of one vulnerability and why they differ, from what a JSON report tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import msgspec

from gate.errors import InvalidInput
from gate.printable import shown
from gate.reporters._reading import read_as
from gate.verdict import Report

RULE = "vulnerabilities"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What one scanner says, as `gate.evidence.Opinion.facts` writes it."""

    scanner: str
    id: str
    severity: str
    severity_source: str = ""
    severities: dict[str, str] = {}
    scores: dict[str, float] = {}
    vectors: dict[str, str] = {}
    fixed: list[str] = []
    fix_state: str = ""
    published: str = ""
    fix_published: str = ""
    known_exploited: bool | None = None
    epss: float | None = None
    url: str = ""

    @property
    def rating(self) -> str:
        """The severity and whose it is."""
        return f"{self.severity} ({self.severity_source})" if self.severity_source else self.severity

    @property
    def fix(self) -> str:
        """What is known of a fix."""
        since = f", since {self.fix_published[:10]}" if self.fix_published else ""
        return f"fixed in {', '.join(self.fixed)}{since}" if self.fixed else self.fix_state or "unknown"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One joined finding, as `gate.facts` writes it."""

    id: str
    aliases: list[str] = []
    type: str
    package: str
    version: str
    path: str = ""
    not_found_by: dict[str, str] = {}
    opinions: list[Opinion] = []


class _Vulnerabilities(msgspec.Struct, frozen=True):
    found: list[Found] = []


class _Evidence(msgspec.Struct, frozen=True):
    vulnerabilities: _Vulnerabilities | None = None


class _Location(msgspec.Struct, frozen=True):
    path: str | None = None


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    severity: str
    action: str
    location: _Location
    details: dict[str, Any]

    def is_of(self, found: Found) -> bool:
        """Whether it is this finding of the rule."""
        own = self.id, self.details.get("package"), self.details.get("version"), self.location.path or ""
        return own == (found.id, found.package, found.version, found.path)


class _Excepted(msgspec.Struct, frozen=True):
    finding: _Finding
    until: date


class _Vexed(msgspec.Struct, frozen=True):
    finding: _Finding
    status: str
    document: str


class _Result(msgspec.Struct, frozen=True):
    rule: str
    findings: list[_Finding] = []
    excepted: list[_Excepted] = []
    vex: list[_Vexed] = []


class _Subject(msgspec.Struct, frozen=True):
    reference: str
    platform: str | None = None


class _Verdict(msgspec.Struct, frozen=True):
    subject: _Subject
    results: list[_Result] = []
    evidence: _Evidence = _Evidence()


class _Report(msgspec.Struct, frozen=True):
    schema: int
    verdicts: list[_Verdict]


def explanation(name: str, path: str) -> Iterator[str]:
    """Yield what the report at `path` tells of the vulnerability `name`, an id or an alias; raises `InvalidInput`."""
    yield from _told(name, read_as(path, _Report), path)


def explanation_of(name: str, report: Report, image: str) -> Iterator[str]:
    """Yield what a check of `image` tells of the vulnerability `name`; raises `InvalidInput`."""
    from gate.reporters import RenderOptions, reporter

    text = reporter("json").render(report, RenderOptions())
    yield from _told(name, msgspec.json.decode(text, type=_Report), image)


def _told(name: str, report: _Report, where: str) -> Iterator[str]:
    """Yield what a report tells of a vulnerability; `where` is what it was made of or read from."""
    wanted, told, known = name.upper(), False, 0
    for verdict in report.verdicts:
        joined = verdict.evidence.vulnerabilities
        known += len(joined.found) if joined else 0
        for found in joined.found if joined else ():
            if wanted in (found.id.upper(), *(alias.upper() for alias in found.aliases)):
                yield from [""] if told else []
                yield from _finding(found, verdict)
                told = True
    if not told:
        raise InvalidInput(
            f"{where} has no finding {name[:100]!r} among {known:,} of scanners",
            hint="ids and aliases count; where it has none at all, no scanner could be counted, and the report says why",
        )


def _finding(found: Found, verdict: _Verdict) -> Iterator[str]:
    """Yield the lines on one finding."""
    yield shown(f"{found.id} in {found.package} {found.version} ({found.type})")
    places = (verdict.subject.reference, verdict.subject.platform or "", found.path)
    yield "  " + shown(", ".join(place for place in places if place))
    if found.aliases:
        yield "  also known as " + shown(", ".join(found.aliases))
    yield "  " + shown(_decision(found, verdict.results))
    for opinion in found.opinions:
        yield ""
        yield from _opinion(opinion)
    for scanner, why in sorted(found.not_found_by.items()):
        yield ""
        yield "  " + shown(f"{scanner} does not have it: {why}")
    differences = list(_differences(found.opinions))
    if len({opinion.scanner for opinion in found.opinions}) > 1:
        yield ""
        yield "  Where they differ" if differences else "  They agree on severity, fix and exploitation."
        yield from (f"    {shown(line)}" for line in differences)


def _decision(found: Found, results: Sequence[_Result]) -> str:
    """Say what the rule made of a finding."""
    for result in (result for result in results if result.rule == RULE):
        for excepted in result.excepted:
            if excepted.finding.is_of(found):
                return f"{_rated(excepted.finding)}; excepted until {excepted.until}"
        for vexed in result.vex:
            if vexed.finding.is_of(found):
                return f"{_rated(vexed.finding)}; {vexed.status} as {vexed.document} has it (VEX)"
        for finding in result.findings:
            if finding.is_of(found):
                does = "breaks" if finding.action == "deny" else "warns under"
                by = f" ({finding.details.get('decided_by')})" if finding.details.get("decided_by") else ""
                later = finding.details.get("denied_from")
                return f"{_rated(finding)}; {does} the rule {RULE}{by}" + (
                    f", denied from {later} on" if later else ""
                )
    return f"not counted by the rule {RULE}, or the rule was not asked"


def _rated(finding: _Finding) -> str:
    """Say which severity was used, whose it is and by which rule."""
    rated = finding.details.get("rated_by")
    if not isinstance(rated, dict) or not rated.get("scanner"):
        return finding.severity
    whose = " from ".join(str(part) for part in (rated.get("scanner"), rated.get("source")) if part)
    return f"{finding.severity}, as {whose} has it (rated by: {rated.get('rule')})"


def _opinion(opinion: Opinion) -> Iterator[str]:
    """Yield the lines on one scanner's opinion."""
    yield "  " + shown(f"{opinion.scanner}: {opinion.id}, {opinion.rating}, {opinion.fix}")
    for source in sorted({*opinion.severities, *opinion.scores, *opinion.vectors}):
        score = opinion.scores.get(source)
        facts = (
            opinion.severities.get(source, ""),
            "" if score is None else f"{score:g}",
            opinion.vectors.get(source, ""),
        )
        yield "    " + shown(f"{source}: {' '.join(fact for fact in facts if fact)}")
    more = (
        f"published {opinion.published[:10]}" if opinion.published else "",
        "known to be exploited" if opinion.known_exploited else "",
        "" if opinion.epss is None else f"EPSS {opinion.epss:.2f}",
        opinion.url,
    )
    if any(more):
        yield "    " + shown(" · ".join(fact for fact in more if fact))


def _differences(opinions: Sequence[Opinion]) -> Iterator[str]:
    """Yield what the scanners say differently: severity, and whose; fix; exploitation."""
    aspects: dict[str, list[tuple[str, object, str]]] = {
        "severity": [(one.scanner, one.severity, one.rating) for one in opinions],
        "fix": [(one.scanner, one.fixed or one.fix_state, one.fix) for one in opinions],
        "exploitation": [(one.scanner, bool(one.known_exploited), _exploited(one)) for one in opinions],
    }
    for aspect, said in aspects.items():
        values: dict[str, set[str]] = {}
        for scanner, value, _ in said:
            values.setdefault(scanner, set()).add(str(value))
        if len({frozenset(own) for own in values.values()}) > 1:
            texts = dict.fromkeys(f"{scanner} says {text}" for scanner, _, text in said)
            yield f"{aspect}: {'; '.join(texts)}"


def _exploited(opinion: Opinion) -> str:
    """Say what a scanner knows of exploitation; Trivy's reports say nothing of it."""
    if opinion.known_exploited is None:
        return "nothing"
    return "it is known to be exploited" if opinion.known_exploited else "it is not"
