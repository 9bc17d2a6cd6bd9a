"""github: annotations of GitHub Actions, which the runner reads from standard output and shows at the Dockerfile.

The runner shows ten errors and ten warnings of a step and drops the rest in silence, so there is one annotation for each
rule and image, and the tenth says how many are left. Source: the workflow commands of the actions toolkit
(`packages/core/src/command.ts`), whose escapes are used here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gate.reporters import RenderOptions, Reporter
from gate.reporters._facts import outcome_counts, rule_counts
from gate.reporters._groups import Group, grouped
from gate.reporters._problems import problems
from gate.reporters._words import told
from gate.verdict import Report

SHOWN = 10
"""Annotations of a kind that are shown for a step."""
LONGEST = 2_000
"""Characters of an annotation: the page cuts at 64 KiB, and nobody reads more than a screen."""


def render(report: Report, options: RenderOptions) -> str:
    """Render an error for each rule that closes the gate, a warning for each that warns, and the verdict as a notice."""
    groups = grouped(problems(report))
    lines = [
        *_some("error", [group for group in groups if group.closes], options),
        *_some("warning", [group for group in groups if not group.closes], options),
        _command(
            "notice",
            {"title": f"image-gate: {report.status}"},
            _counts(report),
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _counts(report: Report) -> str:
    """Return how many rules said what of the one image, or what became of several."""
    if len(report.verdicts) == 1 and not report.undecided:
        return rule_counts(report.verdicts[0])
    return outcome_counts(report) or "nothing was judged"


def _some(kind: str, groups: Sequence[Group], options: RenderOptions) -> Iterator[str]:
    """Yield the annotations of one kind; the last says how many are not shown."""
    limit = SHOWN if len(groups) <= SHOWN else SHOWN - 1
    for group in groups[:limit]:
        yield _annotation(kind, group, options)
    if left := groups[limit:]:
        rules = ", ".join(dict.fromkeys(group.rule for group in left))
        text = f"{len(left):,} more rules and images, which the other reports show: {rules}"
        yield _command(kind, {"title": f"image-gate: {len(left):,} more"}, text)


def _annotation(kind: str, group: Group, options: RenderOptions) -> str:
    """Return the annotation of one group."""
    where = {}
    if options.dockerfile is not None:
        where = {"file": options.dockerfile.path, "line": str(options.dockerfile.line_for(group.rule))}
    image = " ".join([group.image, *([f"({', '.join(group.platforms)})"] if group.platforms else [])])
    fix = f" → {group.fixes[0]}" if group.fixes else ""
    title = f"image-gate: {group.rule} ({group.severity})"
    return _command(kind, {**where, "title": title}, f"{group.summary()} — {image}{fix}")


def _command(kind: str, properties: Mapping[str, str], text: str) -> str:
    """Return one workflow command; everything in it is escaped, so it is one line and one command."""
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {named}::{_escaped(told(text, LONGEST))}"


def _escaped(text: str) -> str:
    """Escape what ends the text of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape what ends a property of a command."""
    return _escaped(told(text, 500)).replace(":", "%3A").replace(",", "%2C")


REPORTER = Reporter("github", "text/plain; charset=utf-8", render)
