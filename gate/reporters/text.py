"""text: the report for people at a terminal or in a build log: the verdict first, then what to do, then what failed.

No meaning rests on colour alone: every status is a mark and a word. Everything shown passes `shown`, which takes
credentials out and escapes what could act on a terminal or a build system.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.printable import count, shown
from gate.remedies import Remedies, remedies
from gate.reporters import RenderOptions, Reporter
from gate.reporters._against import since
from gate.reporters._disagreements import agreement, disagreements
from gate.reporters._facts import (
    facts_of_base,
    facts_of_image,
    facts_of_reuse,
    facts_of_run,
    facts_of_scanners,
    notes,
    outcome_counts,
    passed_as_such,
    place,
    severity_counts,
    what_stays,
)
from gate.reporters._problems import is_denied, is_explained
from gate.reporters._vulnerable import is_vulnerability
from gate.rule import Finding
from gate.verdict import Excepted, Outcome, Report, RuleResult, Status, Undecided, Verdict, Vexed

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.PASS: ("✓ PASS", "bold green"),
    Status.FAIL: ("✗ FAIL", "bold red"),
    Status.UNKNOWN: ("? UNKNOWN", "bold yellow"),
}
ENDINGS: Mapping[Status, str] = {
    Status.PASS: "exit 0: pass",
    Status.FAIL: "exit 1: fail, the policy is broken",
    Status.UNKNOWN: "exit 3: unknown, the gate could not decide and stays closed",
}
SEVERITY_STYLES: Mapping[str, str] = {"critical": "bold red", "high": "red", "medium": "yellow"}
NO_VERDICT = "only a look at another day, no verdict; the gate stays closed"
CODES = "0 pass · 1 fail · 2 wrong request · 3 could not decide"

NEXT = ("image-gate explain {rule}", "image-gate except add {rule} {what} --until DATE --reason TEXT")

NARROW = 72
"""Columns below which tables have fewer: rules stand over their severities, and what a step clears stands under it."""

FINDINGS_PER_RULE = 5
LINES_PER_SECTION = 10
LONGEST_MESSAGE = 400
"""What is shown without --verbose: enough to see what is wrong, while one image fits a screen."""

_UNBROKEN = "\ue000"
"""Stands for a space at which no line is broken; texts that are safe to show have no such character."""

Row = tuple[RuleResult, Finding]
Line = tuple[Text, str, str, str]
"""What a table of findings has on one line: rule, severity, what was found and where; safe to show."""


def render(report: Report, options: RenderOptions) -> str:
    """Render the report; the last line says what the exit code means."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=options.width,
        force_terminal=options.color,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    sheet = _Sheet(console, options)
    sheet.report(report)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().replace(_UNBROKEN, " ").split("\n")[:-1])


class _Sheet:
    """Writes the sections of one report."""

    def __init__(self, console: Console, options: RenderOptions) -> None:
        self.console = console
        self.verbose = options.verbose and not options.quiet
        self.brief = options.quiet
        self.spaced = False

    def report(self, report: Report) -> None:
        """Write everything."""
        if report.as_of is not None:
            self.line(f"as of {report.as_of}: {NO_VERDICT}", "yellow", lead="! ")
        if not self.brief:
            self.line(facts_of_run(report, verbose=self.verbose), "dim", lead="image-gate ")
            self.left_out(report.left_out)
            for note in notes(report.run, verbose=self.verbose):
                self.line(note, "yellow", lead="! ")
        for verdict in report.verdicts:
            self.verdict(verdict, partial=verdict.subject.reference in report.partial)
        for undecided in report.undecided:
            self.undecided(undecided)
        if self.brief:
            return
        self.section(*since(report.run, verbose=self.verbose))
        judged = len(report.verdicts) + len(report.undecided)
        if judged > 1 or self.spaced:
            self.line()
        if judged > 1:
            self.line(f"{judged} images: {outcome_counts(report)}")
        if worst := _worst(report):
            known = {"rule": shown(worst.rule), "what": _selectors(worst)}
            self.joined([command.format(**known) for command in NEXT], " · ", "dim")
        looks = report.as_of is not None and report.status is Status.UNKNOWN
        ending = f"exit 3: {NO_VERDICT}" if looks else ENDINGS[report.status]
        if len(f"{ending}   ({CODES})") <= self.console.width:
            ending = f"{ending}   ({CODES})"
        else:
            self.line(CODES, "dim")
        self.console.print(ending, soft_wrap=True)

    def left_out(self, left_out: Mapping[str, Mapping[str, str]]) -> None:
        """Say what was not judged on purpose, before any verdict can be mistaken for one on everything."""
        for reference in sorted(left_out):
            for name, reason in sorted(left_out[reference].items()):
                what = f"not judged: {shown(name)} of {shown(reference)}: {shown(reason, self.limit)}"
                self.line(what, "yellow", lead="! ")

    def verdict(self, verdict: Verdict, *, partial: bool) -> None:
        """Write one verdict and its sections; where a line is all there is, it says that the report is `partial`."""
        subject = verdict.subject
        image, rules = facts_of_image(verdict, partial=partial and self.brief)
        base = "" if self.brief else facts_of_base(verdict)
        more = [fact for fact in (base, facts_of_reuse(verdict, brief=self.brief)) if fact]
        self.heading(verdict.status, subject.reference, image, rules, *more)
        if self.brief:
            return
        rows = [(result, finding) for result in _by_severity(verdict.results) for finding in result.findings]
        closing = [row for row in rows if is_denied(*row)]
        self.fix_first(verdict)
        self.findings("WHAT FAILED", "✗", "red", [row for row in closing if not row[1].unknown])
        unseen = [row for row in closing if row[1].unknown]
        self.findings("WHAT NOBODY SAW", "?", "yellow", unseen)
        for hint in dict.fromkeys(finding.remediation for _, finding in unseen if finding.remediation):
            self.line(shown(hint, self.limit), "yellow", lead="   → ")
        self.findings("WARNINGS", "!", "yellow", [row for row in rows if not is_denied(*row)])
        unknown = [result for result in verdict.results if result.outcome is Outcome.UNKNOWN]
        self.unknown([result for result in unknown if not is_explained(result)])
        self.excepted(verdict)
        if self.verbose:
            self.disagreements(verdict)
            self.remarks(verdict)
            self.other_rules(verdict)
        if self.verbose or verdict.status is not Status.PASS:
            scanners = [*facts_of_scanners(verdict, verbose=self.verbose), agreement(verdict)]
            self.section("SCANNERS", [("", line) for line in scanners if line])

    def heading(self, status: Status, reference: str, *facts: str) -> None:
        """Write mark, word, reference and the first fact on one line, the others below; or all on one line."""
        mark, style = MARKS[status]
        first, *others = facts
        head = Text.assemble((shown(reference), "bold"), f"  {first}" if first else "")
        if self.brief:
            rest = "".join(f"  {fact}" for fact in others)
            self.console.print(Text.assemble((mark, style), "  ", head, rest), soft_wrap=True)
            return
        if self.spaced:
            self.line()
        self.console.print(_hanging(Text(f"{mark}  ", style), head))
        for fact in others:
            self.line(fact, lead=f"{'':{len(mark)}}  ")

    def undecided(self, undecided: Undecided) -> None:
        """Write one reference that was not judged, and why."""
        reason = shown(undecided.reason, self.limit)
        hint = f"→ {shown(undecided.hint, self.limit)}" if undecided.hint else ""
        self.heading(
            undecided.status,
            undecided.reference,
            shown(undecided.platform),
            reason,
            *([hint] if hint else []),
        )

    def findings(self, title: str, mark: str, style: str, rows: Sequence[Row]) -> None:
        """Write a table of findings: the worst few of each rule, or all with --verbose."""
        if not rows:
            return
        lines: list[Line] = []
        for rule, unordered in _by_rule(rows).items():
            members = sorted(unordered, key=lambda row: -(row[1].severity or row[0].severity))
            name = Text(f"{mark} {shown(rule)}", style)
            vulnerable = {
                str(finding.details["package"]) for _, finding in members if is_vulnerability(finding)
            }
            if len(members) > 1 and vulnerable:
                counts = severity_counts(finding.severity or result.severity for result, finding in members)
                lines.append((name, "", f"{counts}, in {count(len(vulnerable), 'package')}", ""))
                name = Text()
            limit = len(members) if self.verbose else FINDINGS_PER_RULE
            for result, finding in members[:limit]:
                severity = str(finding.severity or result.severity)
                where = place(finding.location).replace("layer ", f"layer{_UNBROKEN}")
                lines.append((name, severity, shown(finding.message, self.limit), where))
                name = Text()
            if len(members) > limit:
                lines.append((Text(), "", f"and {len(members) - limit} more (--verbose lists all)", ""))
        self.gap()
        self.console.print(_laid_out(title, lines, narrow=self.narrow))

    def fix_first(self, verdict: Verdict) -> None:
        """Write which steps clear what, the most urgent first, and what stays after them."""
        found = remedies(verdict)
        steps = [*_base_step(found), *_upgrade_steps(found)]
        limit = len(steps) if self.verbose else LINES_PER_SECTION
        if not steps:
            return
        table = _table(("FIX FIRST", 1), *(() if self.narrow else (("CLEARS", None), ("FOUND BY", None))))
        digits = len(str(min(len(steps), limit)))
        for number, (what, clears, found_by) in enumerate(steps[:limit], 1):
            lead, who = Text(f"{number:>{digits}}. "), shown(found_by, 30)
            if self.narrow:
                table.add_row(_hanging(lead, Text(shown(what))))
                by = f", found by {who}" if who else ""
                table.add_row(_hanging(Text(" " * (digits + 2)), Text(f"clears {clears}{by}", "dim")))
            else:
                table.add_row(_hanging(lead, Text(shown(what))), clears, who)
        if len(steps) > limit:
            more = Text(f"and {len(steps) - limit} more (--verbose lists all)", "dim")
            table.add_row(_hanging(Text(" " * (digits + 2)), more))
        self.gap()
        self.console.print(table)
        stays = "; ".join(
            f"{shown(name)} ({left})" if left else shown(name) for name, left in what_stays(found)
        )
        if stays:
            self.line(f"after that these stay: {stays}", lead=" " * (digits + 3))

    def unknown(self, results: Iterable[RuleResult]) -> None:
        """Write what could not be told and why, one line per reason, integrity errors first."""
        reasons: dict[tuple[bool, bool, str, str], list[str]] = {}
        for result in results:
            key = (not result.blocking, not result.closes, result.reason, result.hint)
            reasons.setdefault(key, []).append(result.rule)
        lines = []
        for (_, warns, reason, hint), rules in sorted(reasons.items()):
            names = ", ".join(sorted(rules)[:4]) + (f" and {len(rules) - 4} more" if len(rules) > 4 else "")
            why = f"{shown(reason, self.limit)}{' (only warns)' if warns else ''}"
            lines.append(("! " if warns else "? ", f"{shown(names)}: {why}"))
            lines += [("  → ", shown(hint, self.limit))] if hint else []
        self.section("COULD NOT TELL", lines, "yellow")

    def excepted(self, verdict: Verdict) -> None:
        """Write the findings that exceptions cover, those that end soonest first, and those that the baseline knows."""
        today = verdict.subject.day
        found = [(excepted, result.rule) for result in verdict.results for excepted in result.excepted]
        found.sort(key=lambda pair: (pair[0].until, pair[1]))
        said = [_exception(excepted, rule, today) for excepted, rule in found if not excepted.baseline]
        self.some("EXCEPTIONS", said)
        known = [
            f"{rule}: {_called(excepted.finding, placed=True)}"
            for excepted, rule in found
            if excepted.baseline
        ]
        self.some("KNOWN BEFORE (BASELINE), NOT PASSED", known)
        taken = [_vexed(item, result.rule) for result in verdict.results for item in result.vex]
        self.some("TAKEN AWAY BY VEX", taken)

    def some(self, title: str, texts: Sequence[str]) -> None:
        """Write a titled list of texts, the first few or all with --verbose."""
        limit = len(texts) if self.verbose else LINES_PER_SECTION
        lines = [("", shown(text, self.limit)) for text in texts[:limit]]
        lines += [("", f"and {len(texts) - limit} more (--verbose lists all)")] if len(texts) > limit else []
        self.section(title, lines)

    def disagreements(self, verdict: Verdict) -> None:
        """Write what one scanner has and another has not, and why as far as that is known."""
        rows = list(disagreements(verdict))
        if not rows:
            return
        table = _table(("ONE SCANNER ALONE", 2), ("FOUND BY", None), ("WHY THE OTHER HAS IT NOT", 3))
        for row in rows:
            table.add_row(*row)
        self.gap()
        self.console.print(table)

    def remarks(self, verdict: Verdict) -> None:
        """Write what rules remarked."""
        lines = [
            (f"{shown(result.rule)}: ", f"{shown(remark.message)} {place(remark.location)}".rstrip())
            for result in verdict.results
            for remark in result.remarks
        ]
        self.section("REMARKS", lines)

    def other_rules(self, verdict: Verdict) -> None:
        """Write which rules passed and which did not run."""
        passed = [shown(result.rule) for result in verdict.results if passed_as_such(result)]
        self.section("PASSED", [("", ", ".join(passed))] if passed else [])
        not_run = sorted(verdict.not_run.items())
        self.section("NOT RUN", [(f"{shown(rule)}: ", shown(reason)) for rule, reason in not_run])

    def section(self, title: str, lines: Sequence[tuple[str, str]], style: str = "") -> None:
        """Write a titled list of lines that are safe to show, each with what it starts with."""
        if not lines:
            return
        self.gap()
        self.line(title, "bold", lead=" ")
        for lead, line in lines:
            self.line(line, style, lead=f" {lead}")

    def joined(self, parts: Sequence[str], between: str, style: str) -> None:
        """Write parts on one line where they fit, else each on its own, so that none is broken in the middle."""
        whole = between.join(parts)
        for line in [whole] if len(whole) <= self.console.width else parts:
            self.line(line, style)

    def gap(self) -> None:
        """Write an empty line, and remember that the report is no longer a few lines."""
        self.spaced = True
        self.line()

    def line(self, line: str = "", style: str = "", *, lead: str = "") -> None:
        """Write one line. Where it folds, the rest is indented: nothing that an image wrote can pass for a line of ours."""
        self.console.print(_hanging(Text(lead, style), Text(line, style)))

    @property
    def narrow(self) -> bool:
        """Whether there is little room beside each other."""
        return self.console.width < NARROW

    @property
    def limit(self) -> int:
        """The longest message shown; 0 is no limit."""
        return 0 if self.verbose else LONGEST_MESSAGE


def _base_step(found: Remedies) -> Iterator[tuple[str, str, str]]:
    """Yield the step that renews the base, if there is one."""
    if found.base is not None:
        digest = f"@{found.base.digest}" if found.base.digest else ""
        what = f"a newer build of the base {found.base.name}{digest}"
        if found.base.packages:
            what += f" ({count(len(found.base.packages), 'package')} with a published fix)"
        yield what, f"up to {severity_counts(found.base.cleared)}", ""


def _upgrade_steps(found: Remedies) -> Iterator[tuple[str, str, str]]:
    """Yield the upgrades of packages: what to do, what it clears, and who found that."""
    for upgrade in found.upgrades:
        where = f" ({upgrade.path})" if upgrade.path else ""
        what = f"{upgrade.package} {upgrade.installed} → {' or '.join(upgrade.to)}{where}"
        yield what, severity_counts(upgrade.cleared), ", ".join(upgrade.found_by)


def _hanging(lead: Text, line: Text) -> Table:
    """Lay out a line whose continuation is indented as far as `lead` is long, and at least a little."""
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, width=lead.cell_len)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(lead, line)
    return grid


def _laid_out(title: str, lines: Sequence[Line], *, narrow: bool) -> Table:
    """Lay out findings, each with its place after it."""
    table = _table((title, None), *(() if narrow else (("SEVERITY", None),)), ("FOUND", 1))
    for name, severity, message, where in lines:
        found = Text.assemble(
            (message, "" if name or severity else "dim"), (f"  {where}" if where else "", "dim")
        )
        word = Text(severity, SEVERITY_STYLES.get(severity, ""))
        if not narrow:
            table.add_row(name, word, found)
        elif name and severity:
            table.add_row(name)
            table.add_row(Text.assemble("  ", word), found)
        else:
            table.add_row(name or Text.assemble("  ", word), found)
    return table


def _table(*columns: tuple[str, int | None]) -> Table:
    """Make a table without borders; a column with a ratio folds, one without never does."""
    table = Table(box=None, pad_edge=True, padding=(0, 1), expand=True, header_style="bold")
    for title, ratio in columns:
        table.add_column(title, ratio=ratio, no_wrap=ratio is None, overflow="fold")
    return table


def _worst(report: Report) -> RuleResult | None:
    """Return the result to look at first: the worst of those that close the gate; None where none does."""
    failed = [
        result
        for verdict in report.verdicts
        for result in _by_severity(verdict.results)
        if result.closes and result.outcome is Outcome.FAIL
    ]
    return failed[0] if failed else None


def _selectors(result: RuleResult) -> str:
    """Return the options that tell an exception from others of its rule; their values are the reader's to choose."""
    finding = next(iter(result.findings), None)
    if finding is None:
        return "--images NAME"
    if finding.location.package:
        return "--id ID --package NAME"
    return "--path PATH" if finding.location.path else "--id ID" if finding.id else "--images NAME"


def _by_severity(results: Iterable[RuleResult]) -> list[RuleResult]:
    """Sort results, the worst first."""
    return sorted(results, key=lambda result: (-result.severity, result.rule))


def _by_rule(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by rule, in their order."""
    groups: dict[str, list[Row]] = {}
    for result, finding in rows:
        groups.setdefault(result.rule, []).append((result, finding))
    return groups


def _exception(excepted: Excepted, rule: str, today: date) -> str:
    """Say what is excepted, until when and why."""
    days = (excepted.until - today).days
    until = f"until {excepted.until} ({count(days, 'day')})"
    return f"{rule}: {_called(excepted.finding)}, {until}: {excepted.reason}"


def _called(finding: Finding, *, placed: bool = False) -> str:
    """Return what a finding is called in one line: a vulnerability with its package, of which each has its own."""
    location = finding.location
    package = (location.package or "").partition("?")[0]
    called = f"{finding.id} in {package}" if finding.id and package else finding.id or finding.message
    known = location.path or location.layer_index is not None or location.base is not None
    return f"{called} {place(location)}" if placed and known else called


def _vexed(item: Vexed, rule: str) -> str:
    """Say what a VEX statement takes away, what it says and whose it is."""
    finding, statement, document = item.finding, item.claim.statement, item.claim.document
    said = ", ".join(part for part in (statement.status, statement.justification, statement.note) if part)
    whose = f"{document.author or 'no author'} in {document.name}, {statement.dated:%Y-%m-%d}"
    return f"{rule}: {_called(finding, placed=True)}: {said} ({whose})"


REPORTER = Reporter("text", "text/plain; charset=utf-8", render)
