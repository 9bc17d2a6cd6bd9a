"""gitlab: GitLab's container scanning report, version 15.0.7 of its schema.

A GitLab that is older than the schema refuses the whole report, and 15.0.7 is what every supported one reads. A field that
breaks the schema does the same, so addresses, CVSS vectors, times and lengths are checked here. Findings of rules are
vulnerabilities of their own kind of identifier, `image_gate_rule_id`. GitLab shows descriptions and solutions as Markdown.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.printable import shown
from gate.reporters import RenderOptions, Reporter
from gate.reporters._facts import version_of
from gate.reporters._markdown import code
from gate.reporters._problems import Problem, problems, subject_of
from gate.reporters._words import LONGEST, told
from gate.reporters.json import json_text
from gate.rule import Severity
from gate.verdict import Report

VERSION = "15.0.7"
_NAME = 255
"""Longest name by the schema. Solutions may have 7,000 characters and descriptions a million: problems have fewer."""
_IDENTIFIERS = 20
"""Identifiers that GitLab keeps."""
_UNKNOWN = "unknown"
_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.NEGLIGIBLE: "Info",
    Severity.UNKNOWN: "Unknown",
}
_IDENTIFIER_TYPES = (
    (re.compile(r"CVE-\d{4}-\d{4,}"), "cve", "https://nvd.nist.gov/vuln/detail/"),
    (re.compile(r"GHSA(-[2-9a-z]{4}){3}"), "ghsa", "https://github.com/advisories/"),
    (re.compile(r"R[HL]SA-\d{4}:\d+"), "rhsa", ""),
    (re.compile(r"ELSA-\d{4}-\d+"), "elsa", ""),
    (re.compile(r"USN-\d+-\d+"), "usn", ""),
)
"""The form of a name to the type that GitLab knows, and where it is described."""
_VECTORS = re.compile(
    r"(AV:[NAL]/AC:[LMH]/Au:[MSN]/C:[NPC]/I:[NPC]/A:[NPC])"
    r"|(CVSS:3\.[01]/AV:[NALP]/AC:[LH]/PR:[NLH]/UI:[NR]/S:[UC]/C:[NLH]/I:[NLH]/A:[NLH])"
)
"""Base vectors of CVSS 2 and 3, as the schema's patterns want them: one of CVSS 4 would void the report."""


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- machines get everything, always
    """Render the report for `artifacts:reports:container_scanning`."""
    systems = {subject_of(one): shown(str(one.evidence.get("distribution") or "")) for one in report.verdicts}
    found = problems(report)
    return json_text(
        {
            "version": VERSION,
            "scan": _scan(report),
            "vulnerabilities": [
                _vulnerability(one, systems.get((one.image, one.platform), "") or _UNKNOWN) for one in found
            ],
            "remediations": [],
        }
    )


def _scan(report: Report) -> dict[str, Any]:
    """Describe the run."""
    program = {
        "id": "image-gate",
        "name": "image-gate",
        "version": version_of(report),
        "vendor": {"name": "image-gate"},
    }
    started = _started(report)
    seconds = report.run.get("seconds")
    took = timedelta(seconds=seconds if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else 0)
    messages = [
        {"level": "fatal", "value": told(f"{one.reference} was not judged: {one.reason}", LONGEST)}
        for one in report.undecided
    ]
    return {
        "analyzer": program,
        "scanner": program,
        "type": "container_scanning",
        "start_time": f"{started:%Y-%m-%dT%H:%M:%S}",
        "end_time": f"{started + took:%Y-%m-%dT%H:%M:%S}",
        "status": "failure" if report.undecided or not report.verdicts else "success",
        "messages": messages,
    }


def _started(report: Report) -> datetime:
    """Return when the run began, in UTC, which the schema wants without a zone."""
    try:
        return datetime.fromisoformat(str(report.run.get("started"))).astimezone(UTC)
    except (ValueError, OverflowError):
        times = [verdict.subject.checked_at for verdict in report.verdicts]
        return min(times, default=datetime.fromtimestamp(0, UTC)).astimezone(UTC)


def _vulnerability(problem: Problem, system: str) -> dict[str, Any]:
    """Return the entry of one problem; GitLab tracks it by place, package and first identifier."""
    known = problem.vulnerable
    name = f"{problem.id} in {known.package}" if known else f"{problem.rule}: {problem.message}"
    image = f"{problem.image} ({problem.platform})" if problem.platform else problem.image
    texts = [code(known.title if known else problem.title, LONGEST), code(problem.message, LONGEST)]
    texts += [
        f"Image: {code(image or _UNKNOWN)}",
        *([f"Place: {code(problem.place)}"] if problem.place else []),
    ]
    texts += [] if problem.closes else ["This only warns."]
    package, version = (known.package, known.version) if known else (problem.path or problem.rule, "")
    entry: dict[str, Any] = {
        "id": str(uuid.UUID(problem.fingerprint)),
        "name": name[:_NAME],
        "description": "\n\n".join(texts),
        "severity": _SEVERITIES[problem.severity],
        "solution": code(problem.fix or problem.remediation, LONGEST),
        "identifiers": _identifiers(problem),
        "links": [{"url": known.url}] if known and known.url else [],
        "location": {
            "dependency": {"package": {"name": package}, "version": version or _UNKNOWN},
            "operating_system": system,
            "image": problem.image or _UNKNOWN,
        },
    }
    vectors = [(source, one) for source, one in (known.vectors if known else ()) if _VECTORS.fullmatch(one)]
    if vectors:
        entry["cvss_vectors"] = [
            {"vendor": source or _UNKNOWN, "vector": one} for source, one in vectors[:10]
        ]
    return entry


def _identifiers(problem: Problem) -> list[dict[str, str]]:
    """Return the names of a problem, the one that it is tracked by first."""
    if problem.vulnerable and problem.id:
        names: Sequence[str] = list(dict.fromkeys((problem.id, *problem.vulnerable.aliases)))
        return [_identifier(name) for name in names[:_IDENTIFIERS]]
    return [{"type": "image_gate_rule_id", "name": f"image-gate {problem.rule}", "value": problem.rule}]


def _identifier(name: str) -> dict[str, str]:
    """Return one name with its type, and where it is described."""
    for form, kind, place in _IDENTIFIER_TYPES:
        if form.fullmatch(name):
            link = {"url": f"{place}{name}"} if place else {}
            return {"type": kind, "name": name, "value": name, **link}
    return {"type": "image_gate_vulnerability_id", "name": name or _UNKNOWN, "value": name or _UNKNOWN}


REPORTER = Reporter("gitlab", "application/json", render)
