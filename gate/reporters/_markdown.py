"""The report in Markdown, for the summary of a job and for the comment on a change; each cuts it to its size.

Whatever an image may have written stands in code spans, where no dialect of Markdown knows links, HTML, mentions, issue
numbers or pictures. A backtick would end the span and a bar the cell of a table: both are written as escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from gate.printable import age, count
from gate.remedies import BaseUpgrade, Upgrade, remedies
from gate.reporters._against import since
from gate.reporters._facts import (
    PARTIAL,
    facts_of_reuse,
    notes,
    outcome_counts,
    rule_counts,
    severity_counts,
    vex_reason,
    what_stays,
)
from gate.reporters._groups import Group, grouped
from gate.reporters._problems import Problem, problems
from gate.reporters._words import told
from gate.verdict import Report, Status, Verdict

MARKS = {Status.PASS: "✅", Status.FAIL: "❌", Status.UNKNOWN: "❓"}
CUT = "\n*Cut to the size of this place; the other reports have everything.*\n"


class Size(Struct, frozen=True):
    """How much a place takes: bytes of the whole text, and entries of each list."""

    bytes: int
    entries: int


def code(text: str, limit: int = 300) -> str:
    """Return a text as a code span that nothing in it can end; a dash for an empty one."""
    content = told(text, limit).replace("`", r"\x60").replace("|", r"\x7c").strip()
    return f"`{content}`" if content else "–"


def markdown(report: Report, size: Size) -> str:
    """Render the report within a size: what closes the gate first, and details only as far as there is room."""
    found = problems(report)
    parts = [*_head(report), *_notes(report, size), *_failed(found)]
    for verdict in report.verdicts:
        parts += _fix_first(verdict, size)
    parts += _since(report, size)
    parts += _details(report, found, size)
    parts += _foot(report)
    return fitting(parts, size.bytes)


def fitting(parts: Iterable[str], limit: int) -> str:
    """Join parts as far as they fit, and say so where some do not; a part is never cut in the middle."""
    text: list[str] = []
    room = limit - len(CUT.encode())
    for part in parts:
        room -= len(part.encode())
        if room < 0:
            return "".join([*text, CUT])
        text.append(part)
    return "".join(text)


def _head(report: Report) -> Iterator[str]:
    """Yield the verdict in one line, and what else must not be missed."""
    images = [*report.verdicts, *report.undecided]
    what = code(_reference(images[0])) if len(images) == 1 else count(len(images), "image")
    broken = outcome_counts(report) if len(images) != 1 else ""
    if len(images) == 1 and report.verdicts:
        broken = rule_counts(report.verdicts[0])
    yield f"## {MARKS[report.status]} image-gate: {what}: {report.status}\n\n"
    if broken:
        yield f"{broken}\n\n"
    if report.as_of is not None:
        yield f"**As of {report.as_of}: only a look at another day, no verdict.**\n\n"
    if report.partial:
        yield f"**{PARTIAL.capitalize()}.**\n\n"


def _notes(report: Report, size: Size) -> Iterator[str]:
    """Yield what must not be missed about the policy."""
    found = notes(report.run, verbose=False)
    yield from (f"- {code(note)}\n" for note in found[: size.entries])
    if len(found) > size.entries:
        yield f"- and {len(found) - size.entries:,} more\n"
    if found:
        yield "\n"


def _reference(one: object) -> str:
    """Return the reference of what was judged or not."""
    return one.subject.reference if isinstance(one, Verdict) else str(getattr(one, "reference", ""))


def _failed(found: Sequence[Problem]) -> Iterator[str]:
    """Yield a table row for each rule and image that closes the gate or warns."""
    groups = grouped(found)
    if not groups:
        return
    several = len({group.image for group in groups}) > 1
    yield f"| | rule |{' image |' if several else ''} found | fix |\n|-|-|{'-|' if several else ''}-|-|\n"
    for group in groups:
        mark = "⚠️" if not group.closes else "❓" if group.is_unknown else "❌"
        image = f" {code(group.image)} |" if several else ""
        yield f"| {mark} | {code(group.rule)} |{image} {_found(group)} | {_fixes(group)} |\n"
    yield "\n"


def _found(group: Group) -> str:
    """Return what was found, in one cell."""
    messages = list(dict.fromkeys(member.placed for member in group.members))
    shown = "<br>".join(code(message) for message in messages[:3])
    more = f"<br>and {len(messages) - 3:,} more" if len(messages) > 3 else ""
    return f"**{group.counts}**<br>{shown}{more}" if group.counts else f"{shown}{more}"


def _fixes(group: Group) -> str:
    """Return what to do, in one cell."""
    if any(member.vulnerable for member in group.members):
        return "see below"
    return code(group.fixes[0]) if group.fixes else "–"


def _fix_first(verdict: Verdict, size: Size) -> Iterator[str]:
    """Yield what to do about one image, the most urgent first, and what stays after that."""
    found = remedies(verdict)
    steps = [*([_base(found.base)] if found.base else []), *map(_upgrade, found.upgrades)]
    if not steps:
        return
    yield f"**Fix first** in {code(verdict.subject.reference)} ({code(str(verdict.subject.platform))})\n\n"
    for number, step in enumerate(steps[: size.entries], 1):
        yield f"{number}. {step}\n"
    if len(steps) > size.entries:
        yield f"\n{len(steps) - size.entries:,} more upgrades clear less.\n"
    stays = [f"{code(rule)} ({left})" if left else code(rule) for rule, left in what_stays(found)]
    yield f"\nAfter that these stay: {', '.join(stays)}\n\n" if stays else "\n"


def _base(base: BaseUpgrade) -> str:
    """Return the renewal of the base in a line."""
    name = f"{base.name}@{base.digest}" if base.digest else base.name
    return f"a newer build of the base {code(name)}: clears up to {severity_counts(base.cleared)}"


def _upgrade(upgrade: Upgrade) -> str:
    """Return one upgrade in a line."""
    where = f" at {code(upgrade.path)}" if upgrade.path else ""
    to = " or ".join(code(version) for version in upgrade.to)
    step = f"{code(upgrade.package)} {code(upgrade.installed)} → {to}{where}"
    return f"{step}: clears {severity_counts(upgrade.cleared)}"


def _since(report: Report, size: Size) -> Iterator[str]:
    """Yield what changed since an earlier report, where the run compared with one."""
    title, lines = since(report.run, verbose=True)
    if title:
        rows = [f"- {code(f'{lead}{line}')}\n" for lead, line in lines[: size.entries]]
        yield from _folded(
            f"Since an earlier report: {count(len(lines), 'line')}", [f"{code(title)}\n\n"], rows, len(lines)
        )


def _details(report: Report, found: Sequence[Problem], size: Size) -> Iterator[str]:
    """Yield what folds out: every vulnerability, what is excepted, what passed."""
    vulnerable = [problem for problem in found if problem.vulnerable]
    if vulnerable:
        yield from _folded(
            f"{len(vulnerable):,} {'vulnerability' if len(vulnerable) == 1 else 'vulnerabilities'}",
            ["| severity | vulnerability | package | installed | fixed in | found by |\n|-|-|-|-|-|-|\n"],
            [_row(problem) for problem in vulnerable[: size.entries]],
            len(vulnerable),
        )
    others = [
        f"- {code(item.finding.id or item.finding.message)} by {code(result.rule)}, "
        + ("known by the baseline" if item.baseline else f"excepted until {item.until}: {code(item.reason)}")
        + "\n"
        for verdict in report.verdicts
        for result in verdict.results
        for item in result.excepted
    ]
    others += [
        f"- {code(taken.finding.id or taken.finding.message)} by {code(result.rule)}, {code(vex_reason(taken))}\n"
        for verdict in report.verdicts
        for result in verdict.results
        for taken in result.vex
    ]
    if others:
        yield from _folded(
            f"{len(others):,} accepted or known before", [], others[: size.entries], len(others)
        )


def _folded(title: str, head: Sequence[str], rows: Sequence[str], number: int) -> Iterator[str]:
    """Yield one part that folds out, whole, so that a cut cannot leave it open; `number` is how many rows there are."""
    left = number - len(rows)
    more = f"\nand {left:,} more\n" if left else ""
    yield "".join([f"<details><summary>{title}</summary>\n\n", *head, *rows, more, "\n</details>\n\n"])


def _row(problem: Problem) -> str:
    """Return the table row of one vulnerability."""
    known = problem.vulnerable
    assert known is not None
    exploited = " (exploited)" if known.known_exploited else ""
    fixed = " or ".join(code(version) for version in known.fixed) or "no fix"
    scanners = code(", ".join(known.found_by))
    return (
        f"| {problem.severity}{exploited} | {code(problem.id)} | {code(known.package)} "
        f"| {code(known.version)} | {fixed} | {scanners} |\n"
    )


def _foot(report: Report) -> Iterator[str]:
    """Yield what the verdict rests on: digests, policy, scanners and the age of their data."""
    facts = []
    for verdict in report.verdicts:
        scanners = verdict.evidence.get("scanners")
        runs = scanners.items() if isinstance(scanners, Mapping) else ()
        ran = [_scanner(name, run, verdict) for name, run in sorted(runs) if isinstance(run, Mapping)]
        subject = verdict.subject
        facts.append(" · ".join([code(f"{subject.platform} {subject.digest.short}"), *ran]))
        facts += [code(reuse) for reuse in (facts_of_reuse(verdict),) if reuse]
    policy = report.run.get("policy")
    if isinstance(policy, Mapping):
        facts.append(f"policy {code(str(policy.get('origin')))} {code(str(policy.get('digest'))[:19])}")
    facts.append(f"image-gate {code(str(report.run.get('version') or ''))}")
    yield f"<sub>{'<br>'.join(facts[:50])}</sub>\n"


def _scanner(name: str, run: Mapping[str, object], verdict: Verdict) -> str:
    """Return a scanner, its version and how old its data is."""
    database = run.get("database")
    built = age(database.get("built"), verdict.subject.checked_at) if isinstance(database, Mapping) else ""
    version = str(run.get("version") or "did not run")
    return f"{code(f'{name} {version}')}{f', database {built} old' if built else ''}"
