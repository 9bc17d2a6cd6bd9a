"""A check as a step of GitHub Actions: its outcome as outputs, summary, annotations, and a comment if one is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gate.ci import child, runner
from gate.reporters._markdown import code

REPORTS = {
    "json": "image-gate.json",
    "sarif": "image-gate.sarif",
    "html": "image-gate.html",
    "markdown": "image-gate.md",
    "junit": "image-gate.xml",
    "github": "image-gate.annotations",
}
"""Format to the file in the folder for reports."""


class Step(msgspec.Struct, frozen=True):
    """What one step does: the images, the folder for reports, and where the outcome is shown."""

    references: tuple[str, ...]
    folder: Path
    summary: bool = True
    annotations: bool = True


def run(step: Step) -> child.Outcome:
    """Check, then tell the runner: outputs first, because a later step closes the gate by them."""
    with runner.inert():
        outcome = child.check(arguments(step), step.folder / REPORTS["json"])
    runner.set_outputs(outputs(outcome, step.folder))
    if step.summary:
        runner.add_summary(summary(outcome, step.folder))
    if step.annotations:
        annotate(outcome, step.folder)
    return outcome


def arguments(step: Step) -> Sequence[str]:
    """Return the arguments of the check; everything else it takes from its variables."""
    reports = [f"--output={name}={step.folder / file}" for name, file in REPORTS.items()]
    return ["--format=text", *reports, "--", *step.references]


def outputs(outcome: child.Outcome, folder: Path) -> Mapping[str, str]:
    """Return the outputs of the action; reports that were not written are empty."""
    report = outcome.report
    found = {name: str(folder / file) for name, file in REPORTS.items() if (folder / file).is_file()}
    digests = [] if report is None else [str(verdict.subject.digest) for verdict in report.verdicts]
    return {
        "verdict": str(outcome.status),
        "exit-code": str(outcome.code),
        "reason": outcome.reason,
        "warnings": "0" if report is None else str(child.warnings(report)),
        "failed-rules": json.dumps([] if report is None else sorted(child.failed_rules(report))),
        "digest": digests[0] if digests else "",
        **{f"report-{name}": found.get(name, "") for name in REPORTS if name != "github"},
    }


def summary(outcome: child.Outcome, folder: Path) -> str:
    """Return the Markdown for the job's summary, also where there is no verdict."""
    if outcome.report is not None:
        return _written("markdown", folder)
    title = "the request was wrong" if outcome.code == 2 else "there is no verdict"
    return "\n".join(
        [f"## ❓ image-gate: {title}", "", *(f"{code(line)}  " for line in outcome.complaints), ""]
    )


def annotate(outcome: child.Outcome, folder: Path) -> None:
    """Show annotations: of the rules that do not pass, or why there is no verdict."""
    if outcome.report is not None:
        runner.command(_written("github", folder).rstrip("\n"))
    else:
        text = " ".join(outcome.complaints[-2:]) or outcome.reason
        runner.notice("image-gate: no verdict", text, "error")


def _written(name: str, folder: Path) -> str:
    """Return a report that the check wrote."""
    return (folder / REPORTS[name]).read_text(encoding="utf-8")
