"""sarif: SARIF 2.1.0, which code scanning of GitHub, Azure DevOps and editors read.

There is a rule for each rule of the gate that has problems and for each vulnerability, and a result for each problem. The
limits are GitHub's ("SARIF support for code scanning"): what goes beyond is left out from the least urgent on, and a
notification says so. What exceptions or the baseline cover is no result, because GitHub would open an alert for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gate.printable import shown
from gate.reporters import RenderOptions, Reporter
from gate.reporters._code import code_location
from gate.reporters._facts import outcome_counts, version_of
from gate.reporters._problems import Problem, problems
from gate.reporters.json import json_text
from gate.rule import Severity
from gate.verdict import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS = 25_000
"""Results of a run that GitHub takes; of those it shows the 5,000 with the highest severity."""
_BANDS: Mapping[Severity, tuple[float, float]] = {
    Severity.CRITICAL: (9.0, 10.0),
    Severity.HIGH: (7.0, 8.9),
    Severity.MEDIUM: (4.0, 6.9),
    Severity.LOW: (0.1, 3.9),
    Severity.NEGLIGIBLE: (0.1, 0.1),
    Severity.UNKNOWN: (0.1, 0.1),
}
"""Severity to the scores that GitHub calls so. A CVSS score counts within the band, so that GitHub shows the severity by
which the policy decided."""


def render(report: Report, options: RenderOptions) -> str:
    """Render the report as one run."""
    found = problems(report)
    kept = found[:RESULTS]
    rules = dict(_by_rule(kept))
    numbers = {rule: number for number, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "image-gate",
                "version": version_of(report),
                "rules": [_rule(rule, members) for rule, members in rules.items()],
            }
        },
        "invocations": [_invocation(report, len(found) - len(kept))],
        "results": [_result(problem, numbers[_rule_id(problem)], options) for problem in kept],
        "columnKind": "unicodeCodePoints",
        "properties": {"status": str(report.status), "verdicts": outcome_counts(report)},
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _invocation(report: Report, left_out: int) -> dict[str, Any]:
    """Say whether everything was judged, and what is left out here."""
    notifications = []
    if left_out:
        text = f"{left_out:,} results are left out, none more urgent than the {RESULTS:,} here; the JSON report has them"
        notifications.append({"level": "warning", "message": {"text": text}})
    return {
        "executionSuccessful": not report.undecided,
        "toolExecutionNotifications": notifications,
    }


def _rule_id(problem: Problem) -> str:
    """Return the rule of a problem: the vulnerability, where it is one."""
    return problem.id if problem.vulnerable and problem.id else problem.rule


def _by_rule(found: Sequence[Problem]) -> Iterator[tuple[str, list[Problem]]]:
    """Yield each rule with its problems, in their order."""
    groups: dict[str, list[Problem]] = {}
    for problem in found:
        groups.setdefault(_rule_id(problem), []).append(problem)
    yield from groups.items()


def _rule(name: str, members: Sequence[Problem]) -> dict[str, Any]:
    """Describe one rule."""
    worst = max(members, key=lambda problem: problem.severity)
    known = worst.vulnerable
    title = (known.title or f"{name} in {known.package}") if known else worst.title or name
    text = "\n\n".join(part for part in (title, worst.rationale, worst.fix) if part)
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": title[:1000]},
        "fullDescription": {"text": (worst.rationale or title)[:1000]},
        "help": {"text": text},
        "defaultConfiguration": {"level": _level(members)},
        "properties": {
            "tags": ["security", "container", *(["vulnerability"] if known else [])],
            "precision": "very-high",
            "security-severity": _score(members),
        },
    }
    if known and known.url:
        rule["helpUri"] = known.url
    return rule


def _score(members: Sequence[Problem]) -> str:
    """Return the highest score, kept within what the severity is called by."""
    worst = max(problem.severity for problem in members)
    low, high = _BANDS[worst]
    scores = [one.vulnerable.score for one in members if one.vulnerable and one.vulnerable.score is not None]
    return f"{min(max(max(scores, default=(low + high) / 2), low), high):.1f}"


def _level(members: Sequence[Problem]) -> str:
    """Return SARIF's word for closing the gate or warning."""
    return "error" if any(problem.closes for problem in members) else "warning"


def _result(problem: Problem, number: int, options: RenderOptions) -> dict[str, Any]:
    """Return the result of one problem."""
    path, line = code_location(problem, options)
    image = f"{problem.image} ({problem.platform})" if problem.platform else problem.image
    where = f" at {problem.place}" if problem.place else ""
    fix = f" {problem.fix}" if problem.fix else ""
    logical = [
        {"fullyQualifiedName": f"{image}{':' if problem.path else ''}{problem.path}", "kind": "resource"}
    ]
    if problem.package:
        logical.append({"fullyQualifiedName": problem.package, "kind": "package"})
    physical = {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": line}}
    return {
        "ruleId": _rule_id(problem),
        "ruleIndex": number,
        "level": _level([problem]),
        "message": {"text": _message(f"{problem.message}{where}, in {image or 'this run'}.{fix}")},
        "locations": [{"physicalLocation": physical, "logicalLocations": logical}],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{problem.fingerprint}:1",
            "imageGate/v1": problem.fingerprint,
        },
        "properties": _properties(problem),
    }


def _properties(problem: Problem) -> dict[str, Any]:
    """Return what SARIF has no field for."""
    known = problem.vulnerable
    facts: dict[str, Any] = {
        "rule": problem.rule,
        "kind": str(problem.kind),
        "severity": str(problem.severity),
        "image": problem.image,
        "platform": problem.platform,
    }
    if known:
        facts |= {"foundBy": list(known.found_by), "aliases": list(known.aliases), "fixed": list(known.fixed)}
    return facts


def _message(text: str) -> str:
    """Keep a text from having links, which SARIF writes as `[text](target)` (3.11.6), and placeholders (3.11.5)."""
    text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text.replace("{", "{{").replace("}", "}}")


def _uri(path: str) -> str:
    """Return a relative reference: a Dockerfile may have any name."""
    from urllib.parse import quote

    return quote(shown(path))


REPORTER = Reporter("sarif", "application/sarif+json", render)
