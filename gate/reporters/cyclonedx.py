"""cyclonedx: what was found in the images as a CycloneDX 1.6 bill of materials, with vulnerabilities and who found them.

One image is the subject of the document; several are components of it, each with its own. Components are what the package
databases list and what scanners saw. What rules say has no field of its own there, and stands in annotations.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gate.printable import shown
from gate.reporters import RenderOptions, Reporter
from gate.reporters._facts import facts_of_reuse, version_of, vex_reason
from gate.reporters._problems import Problem, problems, subject_of
from gate.reporters._vulnerable import Vulnerable, is_vulnerability, vulnerable_of
from gate.reporters._words import told
from gate.reporters.json import json_text
from gate.rule import Finding
from gate.verdict import Report, Verdict

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_SEVERITIES = {"critical": "critical", "high": "high", "medium": "medium", "low": "low", "negligible": "info"}
_METHODS = (("CVSS:4", "CVSSv4"), ("CVSS:3.1", "CVSSv31"), ("CVSS:3.0", "CVSSv3"), ("AV:", "CVSSv2"))
"""How a vector begins to what CycloneDX calls the method."""
_NAMESPACE = uuid.UUID("5c8ca3a5-8a3c-5f6e-9f5e-6d1a5f2f9a10")
"""Ours, so that the same run gives the same serial number."""

Json = dict[str, Any]


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- machines get everything, always
    """Render the report as one document."""
    images = [_Image(verdict, number) for number, verdict in enumerate(report.verdicts, 1)]
    alone = len(images) == 1 and not report.undecided
    subject: Json = (
        images[0].container() if alone else {"type": "application", "bom-ref": "run", "name": "images"}
    )
    components = images[0].components if alone else [image.container(whole=True) for image in images]
    digests = "\n".join(str(verdict.subject.digest) for verdict in report.verdicts)
    serial = uuid.uuid5(_NAMESPACE, f"{shown(str(report.run.get('started')))}\n{digests}")
    return json_text(
        {
            "$schema": SCHEMA,
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{serial}",
            "version": 1,
            "metadata": {
                "timestamp": _time(report),
                "tools": {"components": _tools(report)},
                "component": subject,
                "properties": [_property("status", str(report.status))],
            },
            "components": components,
            "vulnerabilities": [one for image in images for one in image.vulnerabilities()],
            "annotations": list(_annotations(report, {image.subject: image.ref for image in images})),
        }
    )


class _Image:
    """One image: its components and their references within the document."""

    def __init__(self, verdict: Verdict, number: int) -> None:
        self.verdict = verdict
        self.subject = subject_of(verdict)
        self.ref = f"image-{number}"
        self.components: list[Json] = []
        self._refs: dict[tuple[str, str, str], str] = {}
        listed = verdict.evidence.get("components")
        for one in listed if isinstance(listed, list | tuple) else ():
            if isinstance(one, Mapping):
                self._add(one)

    def _add(self, one: Mapping[str, object]) -> str:
        """Add a component and return its reference, which is its own."""
        kind, name, version = (told(str(one.get(key) or ""), 500) for key in ("type", "name", "version"))
        key = (kind, name, version)
        if key not in self._refs:
            self._refs[key] = f"{self.ref}-{len(self._refs) + 1}"
            component: Json = {"type": "library", "bom-ref": self._refs[key], "name": name or "unknown"}
            if version:
                component["version"] = version
            if purl := one.get("purl"):
                component["purl"] = told(str(purl))
            component["properties"] = [_property("package-type", kind or "unknown")]
            self.components.append(component)
        return self._refs[key]

    def container(self, *, whole: bool = False) -> Json:
        """Return the image as a component, with what is in it if `whole`."""
        reference, platform = self.subject
        digest = self.verdict.subject.digest
        reuse = facts_of_reuse(self.verdict)
        component: Json = {
            "type": "container",
            "bom-ref": self.ref,
            "name": reference or "unknown",
            "version": str(digest),
            "properties": [
                _property("platform", platform),
                _property("status", str(self.verdict.status)),
                *([_property("scanned", reuse)] if reuse else []),
            ],
        }
        if digest.algorithm == "sha256":
            component["hashes"] = [{"alg": "SHA-256", "content": digest.encoded}]
        return component | ({"components": self.components} if whole else {})

    def vulnerabilities(self) -> Iterator[Json]:
        """Yield every vulnerability that scanners found, whether a rule counts it or not."""
        decided = dict(self._decisions())
        for number, (name, known) in enumerate(self._found(), 1):
            purl = decided.get((name, known.package, known.version), ("", ""))[1]
            package = {"type": known.type, "name": known.package, "version": known.version, "purl": purl}
            ref = self._add(package)
            decision = decided.get((name, known.package, known.version), ("not counted", ""))[0]
            yield {
                "bom-ref": f"{self.ref}-vulnerability-{number}",
                "id": name or "unknown",
                **({"source": {"url": known.url}} if known.url else {}),
                "references": [{"id": alias, "source": {"name": "alias"}} for alias in known.aliases],
                "ratings": list(_ratings(known)),
                **({"description": known.title} if known.title else {}),
                **({"recommendation": f"fixed in {', '.join(known.fixed)}"} if known.fixed else {}),
                "affects": [{"ref": ref}],
                "properties": [
                    _property("decision", decision),
                    *(_property("found-by", scanner) for scanner in known.found_by),
                ],
            }

    def _found(self) -> Iterator[tuple[str, Vulnerable]]:
        """Yield what scanners found, or where the evidence does not tell, what rules did."""
        evidence = self.verdict.evidence.get("vulnerabilities")
        found = evidence.get("found") if isinstance(evidence, Mapping) else None
        if isinstance(found, list | tuple):
            for one in found:
                if isinstance(one, Mapping):
                    yield told(str(one.get("id") or ""), 200), vulnerable_of(one)
            return
        for _, finding in self._findings():
            yield told(finding.id, 200), vulnerable_of(finding.details)

    def _findings(self) -> Iterator[tuple[str, Finding]]:
        """Yield the vulnerabilities among the findings, with what was decided about each."""
        for result in self.verdict.results:
            decided = [(f"{one.action or result.action} by {result.rule}", one) for one in result.findings]
            decided += [
                (f"{'known' if item.baseline else 'excepted'} until {item.until}", item.finding)
                for item in result.excepted
            ]
            decided += [(vex_reason(taken), taken.finding) for taken in result.vex]
            yield from ((decision, one) for decision, one in decided if is_vulnerability(one))

    def _decisions(self) -> Iterator[tuple[tuple[str, str, str], tuple[str, str]]]:
        """Yield vulnerability, package and version with what was decided, and the package URL."""
        for decision, finding in self._findings():
            known = vulnerable_of(finding.details)
            key = told(finding.id, 200), known.package, known.version
            yield key, (shown(decision), finding.location.package or "")


def _ratings(known: Vulnerable) -> Iterator[Json]:
    """Yield each scanner's severity, and each source's score and vector."""
    for scanner, severity in known.severities:
        yield {
            "source": {"name": scanner},
            "severity": _SEVERITIES.get(severity, "unknown"),
            "method": "other",
        }
    for source, vector in known.vectors:
        method = next((name for begin, name in _METHODS if vector.startswith(begin)), "other")
        score = dict(known.scores).get(source)
        yield {
            "source": {"name": source or "unknown"},
            "method": method,
            "vector": vector,
            **({} if score is None else {"score": score}),
        }


def _tools(report: Report) -> list[Json]:
    """Return what looked at the images."""
    tools = {("image-gate", version_of(report))}
    for verdict in report.verdicts:
        scanners = verdict.evidence.get("scanners")
        for name, run in scanners.items() if isinstance(scanners, Mapping) else ():
            if isinstance(run, Mapping) and run.get("version"):
                tools.add((told(str(name), 100), told(str(run["version"]), 100)))
    return [{"type": "application", "name": name, "version": version} for name, version in sorted(tools)]


def _annotations(report: Report, refs: Mapping[tuple[str, str], str]) -> Iterator[Json]:
    """Yield what rules say that is no vulnerability, and what was not judged."""
    time = _time(report)
    by: Json = {"component": {"type": "application", "name": "image-gate", "version": version_of(report)}}
    for problem in problems(report):
        if problem.vulnerable is None:
            ref = refs.get(
                (problem.image, problem.platform),
                next(iter(refs.values()), "run") if len(refs) == 1 else "run",
            )
            yield {"subjects": [ref], "annotator": by, "timestamp": time, "text": _annotation(problem)}


def _annotation(problem: Problem) -> str:
    """Return a problem in a sentence."""
    does = "closes the gate" if problem.closes else "warns"
    image = f" [{problem.image} {problem.platform}]".replace(" ]", "]") if problem.image else ""
    return f"{problem.rule} ({problem.severity}) {does}: {problem.placed}{image}"


def _property(name: str, value: str) -> Json:
    """Return one of our own properties."""
    return {"name": f"image-gate:{name}", "value": value}


def _time(report: Report) -> str:
    """Return when the run began."""
    times: Sequence[datetime] = [verdict.subject.checked_at for verdict in report.verdicts]
    try:
        found = datetime.fromisoformat(str(report.run.get("started")))
    except ValueError:
        found = min(times, default=datetime.fromtimestamp(0, UTC))
    return found.astimezone(UTC).isoformat(timespec="seconds")


REPORTER = Reporter("cyclonedx", "application/vnd.cyclonedx+json; version=1.6", render)
