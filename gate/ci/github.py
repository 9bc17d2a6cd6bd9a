"""A check as a step of GitHub Actions: its outcome as outputs, summary, annotations, and a comment if one is wanted."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gate.ci import base_policy, child, comment, event, runner
from gate.errors import InvalidInput, Unavailable
from gate.reporters._markdown import code
from gate.reporters._problems import image_names
from gate.verdict import Status

REPORTS = {
    "json": "image-gate.json",
    "sarif": "image-gate.sarif",
    "html": "image-gate.html",
    "markdown": "image-gate.md",
    "junit": "image-gate.xml",
    "github": "image-gate.annotations",
    "comment": "image-gate.comment.md",
}
"""Format to the file in the folder for reports."""
LONGEST_CATEGORY = 100
"""Characters of a category that are shown in full; a longer one is a digest."""
OFFERED = ("json", "sarif", "html", "markdown", "junit")
"""Reports whose paths are outputs of the action."""


class Step(msgspec.Struct, frozen=True):
    """What one step does: the images, the folder for reports, where the policy comes from, and where the outcome is shown.

    `policy` is None where none was named, and `from_base` false where the checkout's own policy counts.
    """

    references: tuple[str, ...]
    folder: Path
    policy: str | None = None
    from_base: bool = True
    summary: bool = True
    annotations: bool = True
    comment: bool = False


def run(step: Step, variables: Mapping[str, str]) -> child.Outcome:
    """Check, then tell the runner: outputs first, because a later step closes the gate by them."""
    notice = ""
    try:
        origin = event.origin(event.read(variables), variables) if step.from_base else None
        with tempfile.TemporaryDirectory(prefix="image-gate-base-") as folder:
            choice = base_policy.choose(step.policy, origin, variables, folder)
            notice = choice.notice
            reports = {name: step.folder / file for name, file in REPORTS.items()}
            with runner.inert():
                outcome = child.check(child.Order(step.references, choice.policy, reports))
    except (InvalidInput, Unavailable) as error:
        outcome = child.without_verdict(error)
    told = {**outputs(outcome, step.folder), "category": category(outcome, variables)}
    runner.set_outputs(told)
    if notice:
        runner.notice("image-gate: another policy", notice, "warning")
    if step.summary:
        runner.add_summary(summary(outcome, step.folder))
    if step.annotations:
        annotate(outcome, step.folder)
    if step.comment:
        comment_on(step, outcome, variables)
    return outcome


def comment_on(step: Step, outcome: child.Outcome, variables: Mapping[str, str]) -> None:
    """Write the comment on the pull request; where that may not be done, as for forks, the summary has the same."""
    try:
        change = event.read(variables).pull_request
        token = variables.get(child.TOKEN, "")
        if change is None or not token:
            return
        api = variables.get("GITHUB_API_URL", "https://api.github.com")
        place = comment.Discussion(api, variables.get("GITHUB_REPOSITORY", ""), change.number, token)
        text = _written("comment", step.folder) if outcome.report else summary(outcome, step.folder)
        anew = outcome.status is not Status.PASS
        comment.put(text, comment.mark(step.references, variables), place, anew=anew)
    except Unavailable as error:
        hint = f" ({error.hint})" if error.hint else ""
        runner.notice("image-gate: no comment", f"{error.message}{hint}; the job's summary has the same")


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
        **{f"report-{name}": found.get(name, "") for name in OFFERED},
    }


def category(outcome: child.Outcome, variables: Mapping[str, str]) -> str:
    """Return what code scanning keeps alerts apart by: those of one image must not take the place of another's.

    It is the same whatever the tag, or else alerts of earlier builds would stay open.
    """
    names = [] if outcome.report is None else image_names(outcome.report)
    text = "/".join(["image-gate", *names, *filter(None, [variables.get("IMAGE_GATE_PLATFORM")])])
    if len(text) <= LONGEST_CATEGORY:
        return text
    return f"image-gate/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


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
