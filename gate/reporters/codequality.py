"""codequality: GitLab's Code Quality report, which merge requests show in every tier.

One issue for each problem, at the line of the Dockerfile that matters. The fields and severities are those of GitLab's
documentation ("Code Quality report format"): description, check_name, fingerprint, severity, location.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gate.reporters import RenderOptions, Reporter
from gate.reporters._code import code_location
from gate.reporters._problems import Problem, problems
from gate.reporters.json import json_text
from gate.rule import Severity
from gate.verdict import Report

ISSUES = 5_000
"""Issues that are listed, the worst: a merge request shows a few hundred, and compares each with those of the target branch."""
_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.NEGLIGIBLE: "info",
    Severity.UNKNOWN: "minor",
}


def render(report: Report, options: RenderOptions) -> str:
    """Render the report as a JSON array."""
    found = problems(report)
    issues = [_issue(problem, options) for problem in found[:ISSUES]]
    if len(found) > ISSUES:
        issues.append(_left_out(found[ISSUES:], options))
    return json_text(issues)


def _issue(problem: Problem, options: RenderOptions) -> dict[str, Any]:
    """Return the issue of one problem."""
    path, line = code_location(problem, options)
    where = f" ({problem.image}{f', {problem.platform}' if problem.platform else ''})"
    warns = "" if problem.closes else "warning: "
    return {
        "description": f"{warns}{problem.placed}{where}",
        "check_name": problem.rule,
        "fingerprint": problem.fingerprint,
        "severity": _SEVERITIES[problem.severity],
        "location": {"path": path, "lines": {"begin": line}},
    }


def _left_out(left: Sequence[Problem], options: RenderOptions) -> dict[str, Any]:
    """Return the issue that says what is not listed."""
    issue = _issue(left[0], options)
    told = f"{len(left):,} more problems, none worse than the ones listed; the JSON report has all of them"
    return {**issue, "description": told, "check_name": "image-gate", "fingerprint": "more"}


REPORTER = Reporter("codequality", "application/json", render)
