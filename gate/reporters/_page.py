"""What the HTML page shows, as plain values: every text is safe to show, and the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from gate.printable import byte_size, count, shown
from gate.remedies import Remedies, remedies
from gate.reporters._against import since
from gate.reporters._disagreements import agreement, disagreements
from gate.reporters._facts import (
    PARTIAL,
    facts_of_base,
    facts_of_image,
    facts_of_reuse,
    facts_of_scanners,
    notes,
    outcome_counts,
    passed_as_such,
    severity_counts,
    version_of,
    vex_reason,
    what_stays,
)
from gate.reporters._groups import Group, grouped
from gate.reporters._problems import Kind, Problem, problems, subject_of
from gate.reporters._words import told
from gate.rule import Severity
from gate.verdict import Report, Status, Verdict

ROWS = 3_000
"""Vulnerabilities that are listed: with them a page has some 3 MB, and browsers still scroll it without a delay."""
DETAILED = 500
"""Of those, the ones whose scanners' opinions fold out."""
FINDINGS = 200
"""Findings of one other rule that are listed."""
CHANGES = 500
"""Lines of what changed since an earlier report."""
MEANINGS: Mapping[Status, str] = {
    Status.PASS: "It may go further.",
    Status.FAIL: "The policy is broken; it goes no further.",
    Status.UNKNOWN: "The gate could not decide, and stays closed.",
}


class Bar(Struct, frozen=True):
    """One bar of a chart: what it counts, and its parts in percent of the longest."""

    label: str
    number: int
    of_base: int
    own: float
    base: float


class Layer(Struct, frozen=True):
    """One layer: where it begins in the image and how much of that it is, in percent of the image's size."""

    label: str
    start: float
    share: float
    base: bool


class Step(Struct, frozen=True):
    """One thing to do and what it clears."""

    what: str
    clears: str
    note: str


class Opinion(Struct, frozen=True):
    """What one scanner says of a vulnerability, in words."""

    scanner: str
    told: str


class Row(Struct, frozen=True):
    """One vulnerability, and what folds out under it."""

    problem: Problem
    scanners: str
    opinions: tuple[Opinion, ...]


class Chapter(Struct, frozen=True):
    """One rule that did not pass: its problems as far as they are listed, and how many are not."""

    group: Group
    mark: str
    word: str
    listed: tuple[Problem, ...]
    left: int
    vulnerable: int


class Image(Struct, frozen=True):
    """Everything on one image."""

    anchor: str
    reference: str
    platform: str
    digest: str
    status: Status
    facts: tuple[str, ...]
    tiles: tuple[tuple[str, str, int], ...]
    bars: tuple[Bar, ...]
    based: bool
    layers: tuple[Layer, ...]
    layers_told: str
    steps: tuple[Step, ...]
    stays: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    rows: tuple[Row, ...]
    rows_left: int
    excepted: tuple[tuple[str, str, str, str], ...]
    passed: tuple[tuple[str, str], ...]
    not_run: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...]
    scanners: tuple[str, ...]
    disagreements: tuple[tuple[str, str, str], ...]
    evidence: tuple[tuple[str, str], ...]


class Page(Struct, frozen=True):
    """The whole page."""

    title: str
    status: Status
    meaning: str
    outcomes: str
    notes: tuple[str, ...]
    since: tuple[str, tuple[str, ...]]
    images: tuple[Image, ...]
    undecided: tuple[Problem, ...]
    run: tuple[tuple[str, str], ...]
    version: str
    several_names: bool


def page(report: Report) -> Page:
    """Return what the page of a report shows."""
    found: dict[tuple[str, str], list[Problem]] = {}
    undecided = []
    for problem in problems(report):
        if problem.kind is Kind.NOT_JUDGED:
            undecided.append(problem)
        else:
            found.setdefault((problem.image, problem.platform), []).append(problem)
    images, room = [], ROWS
    for number, verdict in enumerate(report.verdicts, 1):
        image = _image(verdict, found.get(subject_of(verdict), []), number, room)
        room -= len(image.rows)
        images.append(image)
    judged = [verdict.subject.reference for verdict in report.verdicts]
    named = [*dict.fromkeys([*judged, *(one.reference for one in report.undecided)])]
    several = len(report.verdicts) + len(report.undecided)
    title = told(named[0], 200) if len(named) == 1 else count(several, "image")
    changes, changed = since(report.run, verbose=True)
    return Page(
        title=title,
        status=report.status,
        meaning=MEANINGS[report.status],
        outcomes=outcome_counts(report) if several > 1 else "" if several else "nothing was judged",
        notes=tuple(_notes(report)),
        since=(changes, tuple(f"{lead.strip()} {line}".strip() for lead, line in changed[:CHANGES])),
        images=tuple(images),
        undecided=tuple(undecided),
        run=tuple(_run(report)),
        version=version_of(report),
        several_names=len(named) > 1,
    )


def _notes(report: Report) -> Iterator[str]:
    """Yield what must not be missed about the whole run."""
    if report.as_of is not None:
        yield f"as of {report.as_of}: only a look at another day, no verdict"
    if report.partial:
        yield PARTIAL
    for reference, left_out in sorted(report.left_out.items()):
        for name, reason in sorted(left_out.items()):
            yield told(f"not judged: {name} of {reference}: {reason}")
    yield from notes(report.run, verbose=True)


def _run(report: Report) -> Iterator[tuple[str, str]]:
    """Yield facts about the run."""
    policy = report.run.get("policy")
    facts = policy if isinstance(policy, Mapping) else {}
    for name, value in (
        ("policy", facts.get("origin")),
        ("policy digest", facts.get("digest")),
        ("rules", facts.get("rules")),
        ("started", report.run.get("started")),
        ("seconds", report.run.get("seconds")),
    ):
        if value is not None:
            yield name, told(str(value))
    yield "image-gate", version_of(report)


def _image(verdict: Verdict, found: Sequence[Problem], number: int, room: int) -> Image:
    """Return what the page shows of one image; `room` is how many vulnerabilities may still be listed."""
    vulnerable = [problem for problem in found if problem.vulnerable]
    reference, platform = subject_of(verdict)
    remedy = remedies(verdict)
    based = bool(verdict.bases)
    layers, layers_told = _layers(verdict)
    return Image(
        anchor=f"image-{number}",
        reference=reference,
        platform=platform,
        digest=str(verdict.subject.digest),
        status=verdict.status,
        facts=(facts_of_image(verdict)[0], *filter(None, [facts_of_base(verdict)])),
        tiles=tuple(_tiles(verdict)),
        bars=tuple(_bars(found)),
        based=based,
        layers=layers,
        layers_told=layers_told,
        steps=tuple(_steps(remedy)),
        stays=tuple(f"{shown(rule)}: {left}" if left else shown(rule) for rule, left in what_stays(remedy)),
        chapters=tuple(_chapter(group) for group in grouped(found)),
        rows=tuple(_row(problem, at) for at, problem in enumerate(vulnerable[: max(room, 0)])),
        rows_left=max(len(vulnerable) - max(room, 0), 0),
        excepted=tuple(_excepted(verdict)),
        passed=tuple((shown(one.rule), shown(one.title)) for one in verdict.results if passed_as_such(one)),
        not_run=tuple((shown(rule), shown(reason)) for rule, reason in sorted(verdict.not_run.items())),
        remarks=tuple(
            (shown(one.rule), told(remark.message)) for one in verdict.results for remark in one.remarks
        ),
        scanners=tuple(
            line
            for line in (
                facts_of_reuse(verdict),
                *facts_of_scanners(verdict, verbose=True),
                agreement(verdict),
            )
            if line
        ),
        disagreements=tuple(disagreements(verdict))[:FINDINGS],
        evidence=tuple(_evidence(verdict)),
    )


def _tiles(verdict: Verdict) -> Iterator[tuple[str, str, int]]:
    """Yield the number of rules by what they said, each with mark and word."""
    counts: Counter[str] = Counter()
    for result in verdict.results:
        if result.warns:
            counts["warning"] += 1
        elif result.closes:
            counts[str(result.outcome)] += 1
        else:
            counts["passed" if passed_as_such(result) else "known"] += 1
    counts["excepted"] = sum(not item.baseline for result in verdict.results for item in result.excepted)
    counts["vex"] = sum(len(result.vex) for result in verdict.results)
    marks = {
        "fail": "✗", "unknown": "?", "warning": "!", "known": "≈", "excepted": "⊘", "vex": "⊘", "passed": "✓",
    }  # fmt: skip
    words = {"fail": "failed", "warning": "warned", "known": "known before", "vex": "taken away by VEX"}
    for name, mark in marks.items():
        if counts[name] or name in ("fail", "passed"):
            yield mark, words.get(name, name), counts[name]


def _bars(found: Sequence[Problem]) -> Iterator[Bar]:
    """Yield a bar for each severity of findings, the worst first."""
    findings = [problem for problem in found if problem.kind is Kind.FINDING]
    own = Counter(problem.severity for problem in findings if not problem.base)
    base = Counter(problem.severity for problem in findings if problem.base)
    longest = max((own[severity] + base[severity] for severity in Severity), default=0) or 1
    for severity in sorted(Severity, reverse=True):
        number = own[severity] + base[severity]
        if number:
            yield Bar(
                str(severity),
                number,
                base[severity],
                _percent(own[severity], longest),
                _percent(base[severity], longest),
            )


def _layers(verdict: Verdict) -> tuple[tuple[Layer, ...], str]:
    """Return the layers by their size, and a sentence that says the same."""
    listed = verdict.evidence.get("layers")
    sizes = [
        size
        for one in (listed if isinstance(listed, list | tuple) else ())
        if isinstance(one, Mapping) and isinstance(size := one.get("size"), int) and size >= 0
    ]
    total = sum(sizes)
    if not total:
        return (), ""
    of_base = len(verdict.bases[0].diff_ids) if verdict.bases else 0
    layers, start = [], 0
    for number, size in enumerate(sizes):
        label = f"layer {number}: {byte_size(size)}{' (base)' if number < of_base else ''}"
        layers.append(Layer(label, _percent(start, total), _percent(size, total), number < of_base))
        start += size
    told_base = f", {of_base} of the base with {byte_size(sum(sizes[:of_base]))}" if of_base else ""
    return tuple(layers), f"{count(len(sizes), 'layer')}, {byte_size(total)}{told_base}"


def _percent(part: int, whole: int) -> float:
    """Return a share for a chart."""
    return round(100 * part / whole, 2)


def _steps(found: Remedies) -> Iterator[Step]:
    """Yield what to do first."""
    if found.base is not None:
        digest = f"@{found.base.digest}" if found.base.digest else ""
        packages = (
            f"{count(len(found.base.packages), 'package')} with a published fix"
            if found.base.packages
            else ""
        )
        yield Step(
            told(f"Rebuild on a newer build of {found.base.name}{digest}"),
            f"up to {severity_counts(found.base.cleared)}",
            packages,
        )
    for upgrade in found.upgrades:
        where = f", {upgrade.path}" if upgrade.path else ""
        yield Step(
            told(f"Upgrade {upgrade.package} {upgrade.installed} to {' or '.join(upgrade.to)}"),
            severity_counts(upgrade.cleared),
            told(f"{upgrade.type}{where}, found by {' and '.join(upgrade.found_by) or 'nobody'}"),
        )


def _chapter(group: Group) -> Chapter:
    """Return one rule that did not pass."""
    others = [member for member in group.members if not member.vulnerable]
    mark, word = (
        ("!", "warns") if not group.closes else ("?", "unknown") if group.is_unknown else ("✗", "fails")
    )
    return Chapter(
        group,
        mark,
        word,
        tuple(others[:FINDINGS]),
        max(len(others) - FINDINGS, 0),
        len(group.members) - len(others),
    )


def _row(problem: Problem, at: int) -> Row:
    """Return the row of one vulnerability."""
    assert problem.vulnerable is not None
    opinions = problem.vulnerable.opinions if at < DETAILED else ()
    return Row(
        problem,
        ", ".join(problem.vulnerable.found_by),
        tuple(Opinion(name, text) for name, text in opinions),
    )


def _excepted(verdict: Verdict) -> Iterator[tuple[str, str, str, str]]:
    """Yield what does not count: rule, finding, until when, why."""
    for result in verdict.results:
        for item in result.excepted:
            what = told(item.finding.id or item.finding.message)
            why = "known by the baseline" if item.baseline else told(item.reason)
            yield shown(result.rule), what, str(item.until), why
        for taken in result.vex:
            what = told(taken.finding.id or taken.finding.message)
            yield shown(result.rule), what, "–", told(vex_reason(taken))


def _evidence(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield which image it is, and what could not be had."""
    subject = verdict.subject
    yield "digest", str(subject.digest)
    yield "configuration", str(subject.config_digest)
    yield "read from", told(subject.source)
    for name in subject.names:
        yield "name", shown(str(name))
    missing = verdict.evidence.get("unavailable")
    for kind, reason in sorted(missing.items()) if isinstance(missing, Mapping) else ():
        yield told(f"no {kind}", 100), told(str(reason))
