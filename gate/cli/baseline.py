"""`image-gate baseline`: record the findings that are known, so that a policy lets only new ones count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import click
from msgspec.structs import replace

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.output import write_file, write_stdout
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.policy import recognition
from gate.policy.baseline import HINT, Image, Known, KnownAs, baseline_text, read_baseline
from gate.policy.recognition import Key, fingerprint
from gate.printable import shown
from gate.reporters._document import FindingDocument, ReportDocument, ResultDocument, VerdictDocument
from gate.reporters._reading import day_of, label, read_report, severity_of
from gate.verdict import Outcome

Findings = dict[Key, KnownAs]


@click.group(
    "baseline", epilog=EXIT_CODES, no_args_is_help=False, short_help="Record the findings that are known."
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Record the findings that are known, so that only new ones count.

    A policy names the file and the last day: `baseline: {file: baseline.json, until: 2026-12-31}`. No option does, because
    whoever starts a run could then let everything pass. What the baseline knows stays in the report, and says so; what
    could not be told, and content that contradicts its digest, is never known.
    """


@COMMAND.command(epilog=EXIT_CODES, short_help="Write a baseline from a report.")
@click.argument("report", metavar="REPORT.json")
@click.option("-o", "--output", metavar="FILE", required=True, help="The baseline to write.")
def create(report: str, output: str) -> Exit:
    """Write the findings of a JSON report as a baseline, also those that only warn, but not what exceptions or VEX cover.

    Every image in the report must have been judged and have a name. A finding is recognised by rule, id, package, path and,
    without an id, message; a vulnerability also by another of its names; not by its layer or the package's version. It is
    new again if it is worse than it was.
    """
    document = read_report(report)
    known: dict[Image, Findings] = {}
    for verdict in document.verdicts:
        for image in _images(verdict):
            for result in verdict.results:
                _refuse_blocking(result, verdict)
                for finding in _counting(result):
                    _add(known.setdefault(image, {}), result, finding)
            known.setdefault(image, {})
    if not known:
        raise InvalidInput(f"{report} judges no image", hint="make the report anew")
    write_file(output, baseline_text(day_of(document, report), known))
    write_stdout(f"{shown(output)}: {_count(known)}\n" + "".join(_unknown_rules(document)))
    return Exit.PASS


@COMMAND.command(epilog=EXIT_CODES, short_help="Take out what is fixed.")
@click.argument("report", metavar="REPORT.json")
@click.argument("baseline", metavar="FILE")
def update(report: str, baseline: str) -> Exit:
    """Take out of the baseline FILE what a newer JSON report does not find any more; nothing is ever added.

    What the report does not tell stays: images that are not in it, rules that did not run or could not be decided.
    """
    document = read_report(report)
    created, known = _read(baseline)
    if day_of(document, report) < created:
        raise InvalidInput(f"{report} is older than the baseline of {created}", hint="make the report anew")
    left = {image: dict(_still(findings, _found(document, image))) for image, findings in known.items()}
    write_file(baseline, baseline_text(created, left))
    fixed = sum(map(len, known.values())) - sum(map(len, left.values()))
    write_stdout(f"{shown(baseline)}: {fixed} fixed and taken out, {_count(left)}\n")
    return Exit.PASS


@COMMAND.command(epilog=EXIT_CODES, short_help="Print what a baseline knows.")
@click.argument("baseline", metavar="FILE")
@click.option(
    "--against",
    "report",
    metavar="REPORT.json",
    help="Say what this JSON report has no more, and has beside.",
)
def show(baseline: str, report: str | None) -> Exit:
    """Print what the baseline FILE knows, by image.

    With --against a report: what it does not find any more (-), what is new or worse in it (+), and what it does not tell
    (?), because a rule did not run or could not be decided.
    """
    created, known = _read(baseline)
    document = None if report is None else read_report(report)
    lines = [f"made from a report of {created}: {_count(known)}\n"]
    for image, findings in sorted(known.items(), key=lambda item: item[0]):
        lines.append(f"{shown(image[0])} ({shown(image[1])})\n")
        rows = (
            [("  ", key, one) for key, one in findings.items()]
            if document is None
            else _differences(findings, document, image)
        )
        lines += [_line(*row) for row in sorted(rows, key=lambda row: row[1])]
    write_stdout("".join(lines))
    return Exit.PASS


def _differences(
    known: Mapping[Key, KnownAs], document: ReportDocument, image: Image
) -> Iterator[tuple[str, Key, KnownAs]]:
    """Yield what a report has no more, does not tell, or has beside what is known; each with its mark."""
    found = _found(document, image)
    still = dict(_still(known, found))
    for key, one in known.items():
        if found.get(key[0]) is None:
            yield "? ", key, one
        elif key not in still:
            yield "- ", key, one
    before = recognition.Findings({key: one.aliases for key, one in known.items()})
    for key, one in _counted(document, image).items():
        if not any(one.severity <= known[same].severity for same in before.same_as(key, one.aliases)):
            yield "+ ", key, one


def _line(mark: str, key: Key, one: KnownAs) -> str:
    """Return what is told of one finding."""
    rule, id_, package, path, message = key
    what = " ".join(part for part in (id_ or message, package, path) if part)
    return f"{mark}{one.severity!s:10}  {shown(f'{rule}: {what}')}\n"


def _read(path: str) -> tuple[date, Known]:
    """Read a baseline; raises `InvalidInput`."""
    try:
        with open(path, "rb") as file:
            return read_baseline(file.read(LIMITS.baseline + 1), path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"the baseline {path!r} cannot be read: {reason}", hint=HINT) from None


def _images(verdict: VerdictDocument) -> list[Image]:
    """Return what an image is called in a baseline; raises `InvalidInput` for one that was not judged or has no name."""
    subject = verdict.subject
    if not verdict.results or subject.platform is None:
        raise InvalidInput(
            f"{label(verdict)} was not judged: {verdict.reason}",
            hint="a baseline is made from what was found",
        )
    if not subject.names:
        raise InvalidInput(
            f"{label(verdict)} has no name, so a baseline could not be told to be its own",
            hint="check it with --as NAME, and make the report anew",
        )
    return list(dict.fromkeys((Reference.parse(name).name, subject.platform) for name in subject.names))


def _refuse_blocking(result: ResultDocument, verdict: VerdictDocument) -> None:
    """Refuse content that contradicts its digest, and the like."""
    if result.blocking:
        raise InvalidInput(
            f"{label(verdict)}: {result.rule} was stopped: {result.reason}",
            hint="nothing of that can be known",
        )


def _counting(result: ResultDocument) -> Iterator[FindingDocument]:
    """Yield the findings that count, or that the baseline of that run knew; not what could not be told."""
    yield from (one for one in result.findings if not one.unknown)
    yield from (item.finding for item in result.excepted if item.baseline)


def _key(result: ResultDocument, finding: FindingDocument) -> Key:
    """Return what recognises a finding of a report."""
    place = finding.location
    return fingerprint(result.rule, finding.id, place.package, place.path, finding.message)


def _add(findings: Findings, result: ResultDocument, finding: FindingDocument) -> None:
    """Add a finding, as bad as the worst of those that are recognised as the same."""
    key, severity = _key(result, finding), severity_of(finding.severity)
    one = KnownAs.of(severity, finding.id, finding.details.get("aliases"))
    findings[key] = max(one, findings.get(key, one), key=lambda known: known.severity)


def _found(document: ReportDocument, image: Image) -> Mapping[str, Findings | None]:
    """Return what each rule found in an image, under all its tags together; None where one of them could not be decided."""
    found: dict[str, Findings | None] = {}
    for verdict in document.verdicts:
        if not verdict.results or image not in _images(verdict):
            continue
        for result in verdict.results:
            into = None if result.outcome is Outcome.UNKNOWN else found.setdefault(result.rule, {})
            if into is None:
                found[result.rule] = None
                continue
            for finding in [*result.findings, *result.set_aside]:
                _add(into, result, finding)
    return found


def _counted(document: ReportDocument, image: Image) -> Findings:
    """Return what counts in an image, under all its tags together, whether a baseline knew it or not."""
    counted: Findings = {}
    for verdict in document.verdicts:
        if verdict.results and image in _images(verdict):
            for result in verdict.results:
                for finding in _counting(result):
                    _add(counted, result, finding)
    return counted


def _still(
    known: Mapping[Key, KnownAs], found: Mapping[str, Findings | None]
) -> Iterator[tuple[Key, KnownAs]]:
    """Yield what is known without what its rule does not find any more; none of it gets worse."""
    now = {
        rule: recognition.Findings({key: one.aliases for key, one in told.items()})
        for rule, told in found.items()
        if told is not None
    }
    for key, one in known.items():
        told = found.get(key[0])
        if told is None:
            yield key, one
        elif same := now[key[0]].same_as(key, one.aliases):
            yield key, replace(one, severity=min(one.severity, max(told[key].severity for key in same)))


def _unknown_rules(document: ReportDocument) -> Iterable[str]:
    """Say which rules could not be decided, so that nothing of theirs is known."""
    for verdict in document.verdicts:
        rules = [result.rule for result in verdict.results if result.outcome is Outcome.UNKNOWN]
        if rules:
            yield f"! {shown(label(verdict))}: {shown(', '.join(rules))} could not be decided; that is not covered\n"


def _count(known: Known) -> str:
    """Return `3 findings of 2 images`."""
    findings = sum(map(len, known.values()))
    words = ("finding" if findings == 1 else "findings", "image" if len(known) == 1 else "images")
    return f"{findings} {words[0]} of {len(known)} {words[1]}"
