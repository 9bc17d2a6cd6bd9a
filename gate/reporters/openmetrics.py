"""openmetrics: counts for a monitoring system, in the text format of OpenMetrics 1.0.

Each image has a line for its status and for each rule, and one for each rule, severity and action with findings; what the
findings are stands in no label, because every combination of labels is a series of its own there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gate.reporters import RenderOptions, Reporter
from gate.reporters._facts import version_of
from gate.reporters._problems import is_denied, subject_of
from gate.reporters._words import told
from gate.verdict import Report, Verdict


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- machines get everything, always
    """Render the counts."""
    lines = [
        *_family("image_gate_run", "The status of the whole run; only pass opens the gate."),
        _sample("image_gate_run", 1, status=str(report.status), version=version_of(report)),
        *_family("image_gate_verdict", "The status of each image; only pass opens the gate."),
        *_verdicts(report),
        *_family("image_gate_rule", "What each rule says of each image."),
        *(line for verdict in report.verdicts for line in _rules(verdict)),
        *_family("image_gate_findings", "Findings by rule, severity and what they do."),
        *(line for verdict in report.verdicts for line in _findings(verdict)),
        "# EOF",
    ]
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, meaning: str) -> Iterator[str]:
    """Yield what comes before the samples of a metric."""
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} {meaning}"


def _verdicts(report: Report) -> Iterator[str]:
    """Yield the status of each image, and of each that was not judged."""
    for verdict in report.verdicts:
        image, platform = subject_of(verdict)
        yield _sample("image_gate_verdict", 1, image=image, platform=platform, status=str(verdict.status))
    for one in dict.fromkeys((one.reference, one.platform, one.status) for one in report.undecided):
        reference, platform, status = one
        yield _sample("image_gate_verdict", 1, image=reference, platform=platform, status=str(status))


def _rules(verdict: Verdict) -> Iterator[str]:
    """Yield the outcome of each rule."""
    image, platform = subject_of(verdict)
    for result in verdict.results:
        labels = {"rule": result.rule, "outcome": str(result.outcome), "closes": str(result.closes).lower()}
        yield _sample("image_gate_rule", 1, image=image, platform=platform, **labels)


def _findings(verdict: Verdict) -> Iterator[str]:
    """Yield the number of findings of each rule, severity and action."""
    image, platform = subject_of(verdict)
    counts = Counter(
        (
            result.rule,
            str(finding.severity or result.severity),
            "deny" if is_denied(result, finding) else "warn",
        )
        for result in verdict.results
        for finding in result.findings
    )
    counts.update((result.rule, "any", "excepted") for result in verdict.results for _ in result.excepted)
    for (rule, severity, action), number in sorted(counts.items()):
        labels = {"rule": rule, "severity": severity, "action": action}
        yield _sample("image_gate_findings", number, image=image, platform=platform, **labels)


def _sample(name: str, value: int, **labels: str) -> str:
    """Return one sample; a label's value cannot end it (OpenMetrics 1.0, section 5.1)."""
    pairs = (f'{label}="{_escaped(told(text, 200))}"' for label, text in labels.items())
    return f"{name}{{{','.join(pairs)}}} {value}"


def _escaped(text: str) -> str:
    """Escape what has a meaning in a label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


REPORTER = Reporter("openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", render)
