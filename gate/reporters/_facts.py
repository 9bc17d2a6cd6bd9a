"""Facts in few words: what ran, what was judged, how many, how old, where. Everything returned is safe to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from gate import __version__
from gate.printable import age, byte_size, count, shown
from gate.remedies import Remedies
from gate.reporters._words import items, mapping, word
from gate.rule import Location, Severity
from gate.verdict import Outcome, Report, RuleResult, Status, Verdict, Vexed

_FEW = 3
PARTIAL = "partial: platforms were left out"
"""Said first, because a verdict on some platforms must not be taken for one on all."""


def version_of(report: Report) -> str:
    """Return the version of image-gate that judged."""
    return word(report.run, "version") or __version__


def severity_counts(severities: Iterable[Severity] | Mapping[Severity, int]) -> str:
    """Return `2 critical, 3 high`: counts by severity, the worst first."""
    counts = Counter(severities)
    return ", ".join(f"{counts[severity]:,} {severity}" for severity in sorted(counts, reverse=True))


def outcome_counts(report: Report) -> str:
    """Return `3 pass · 1 fail · 1 unknown` over all that was to be judged."""
    counts = Counter(verdict.status for verdict in report.verdicts)
    counts.update(undecided.status for undecided in report.undecided)
    return " · ".join(f"{counts[status]} {status}" for status in Status if counts[status])


def what_stays(found: Remedies) -> Iterator[tuple[str, str]]:
    """Yield each rule that still closes the gate or warns after all steps, and what of it stays; the ones that close first.

    Many that only warn are one entry, so that they do not hide those that close.
    """
    closing = [one for one in found.stays if one.closes]
    warning = [one for one in found.stays if not one.closes]
    many = len(warning) > _FEW
    for stays in sorted(closing if many else found.stays, key=lambda one: (not one.closes, one.rule)):
        left = severity_counts(stays.counts)
        warns = "" if stays.closes else "only warns"
        undecided = "" if left else "could not be told"
        yield stays.rule, ", ".join(part for part in (left, undecided, warns) if part)
    if many:
        yield f"{len(warning)} rules that only warn", ""


def notes(run: Mapping[str, object], *, verbose: bool) -> list[str]:
    """Return what must not be missed about the policy of a run: its baseline, exceptions that end, and VEX."""
    return [
        *facts_of_baseline(run),
        *facts_of_exceptions(run, verbose=verbose),
        *facts_of_vex(run, verbose=verbose),
    ]


def vex_reason(taken: Vexed) -> str:
    """Say what a VEX document says of a finding that it takes away."""
    statement = taken.claim.statement
    why = f" ({statement.justification})" if statement.justification else ""
    return shown(f"{statement.status}{why} by VEX document {taken.claim.document.name}")


def place(location: Location) -> str:
    """Return where something is: the path and its layer, or the package; and whether it comes from the base."""
    layer = "" if location.layer_index is None else f"layer {location.layer_index}"
    whence = "" if location.base is None else "base" if location.base else "own"
    if location.path:
        facts = ", ".join(fact for fact in (layer, whence) if fact)
        return f"{shown(location.path)} ({facts})" if facts else shown(location.path)
    what = layer or shown((location.package or "").partition("?")[0])
    return ", ".join(fact for fact in (what, whence) if fact)


def facts_of_run(report: Report, *, verbose: bool) -> str:
    """Return our version, whether the report is partial, and the policy, on one line."""
    run = report.run
    policy = mapping(run, "policy")
    digest = word(policy, "digest")
    parts = [word(policy, "origin"), digest if verbose else digest[: len("sha256:") + 12]]
    selected = policy.get("rules")
    parts += [count(selected, "rule")] if isinstance(selected, int) else []
    scanners = [shown(str(name)) for name in items(policy, "scanners")]
    parts += [f"requires {' and '.join(scanners)}"] if scanners else []
    facts = [
        version_of(report),
        *([PARTIAL] if report.partial else []),
        f"policy {', '.join(part for part in parts if part)}",
    ]
    if proxied := [shown(str(host)) for host in items(run, "proxied")]:
        facts.append(f"{', '.join(proxied)} asked through a proxy, so only literal addresses were checked")
    if verbose:
        facts += [f"started {word(run, 'started')}", f"{word(run, 'seconds')} s"]
    return " · ".join(facts if policy else facts[: 1 + bool(report.partial)])


def facts_of_image(verdict: Verdict, *, partial: bool = False) -> tuple[str, str]:
    """Return two lines: what the image is, and which image it is with how many rules said what.

    `partial` says in the first that other platforms of it were not judged.
    """
    evidence, now = verdict.evidence, verdict.subject.checked_at
    built, bytes_ = age(evidence.get("created"), now), evidence.get("size")
    what = [
        _came_from(mapping(evidence, "origin")),
        shown(str(verdict.subject.platform)),
        word(evidence, "distribution"),
        byte_size(bytes_) if isinstance(bytes_, int) else "",
        f"built {built} ago" if built else "",
        PARTIAL if partial else "",
    ]
    return " · ".join(
        part for part in what if part
    ), f"{verdict.subject.digest.short}  {rule_counts(verdict)}"


def _came_from(origin: Mapping[str, object]) -> str:
    """Say which source had the image that a name stands for; of a file its reference tells."""
    source = word(mapping(origin, "engine"), "name") or word(origin, "served_by")
    return f"from {source}" if source else ""


def facts_of_base(verdict: Verdict) -> str:
    """Return what the image is built on, and how many findings come from there; empty where that is not known."""
    if not verdict.bases:
        return ""
    names = list(dict.fromkeys(str(base.name) for base in verdict.bases))
    base, counts = verdict.bases[0], verdict.findings_by_base
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    parts = [f"{counts[True]:,} from the base", f"{counts[False]:,} from above it"]
    parts += [f"{counts[None]:,} not placed"] if counts[None] else []
    found = f" · findings: {', '.join(parts)}" if sum(counts.values()) else ""
    return (
        f"built on {shown(names[0])}{more} ({base.digest.short}, {count(len(base.diff_ids), 'layer')}){found}"
    )


def rule_counts(verdict: Verdict) -> str:
    """Return `2 rules failed · 1 warning · 3 excepted · 8 passed`; what there is none of is left out."""
    results = verdict.results
    failed = sum(result.closes and result.outcome is Outcome.FAIL for result in results)
    unknown = sum(result.closes and result.outcome is Outcome.UNKNOWN for result in results)
    warnings = sum(result.warns for result in results)
    accepted = [item for result in results for item in result.excepted]
    known = sum(item.baseline for item in accepted)
    excepted = len(accepted) - known
    vex = sum(len(result.vex) for result in results)
    parts = (
        (failed, f"{count(failed, 'rule')} failed"),
        (unknown, f"{count(unknown, 'rule')} unknown"),
        (warnings, count(warnings, "warning")),
        (excepted, f"{excepted:,} excepted"),
        (known, f"{known:,} known"),
        (vex, f"{vex:,} taken away by VEX"),
        (passed := sum(map(passed_as_such, results)), f"{count(passed, 'rule')} passed"),
    )
    return " · ".join(text for number, text in parts if number)


def passed_as_such(result: RuleResult) -> bool:
    """Whether a rule passed, and not because the baseline knows what it found."""
    return result.outcome is Outcome.PASS and not any(item.baseline for item in result.excepted)


def facts_of_reuse(verdict: Verdict, *, brief: bool = False) -> str:
    """Say which signed verdict spared the scanners, or why none did; empty where nobody asked. `brief` says only that one did."""
    found = mapping(verdict.evidence, "reused_verdict")
    if not found or (brief and found.get("used") is not True):
        return ""
    if brief:
        return "not scanned now"
    if found.get("used") is not True:
        return f"no earlier verdict is reused, so the image was scanned: {word(found, 'reason')}"
    made = age(found.get("judged"), verdict.subject.checked_at)
    old = f"{made} old, " if made else ""
    return (
        f"not scanned now: what scanners said is of a verdict of {word(found, 'verifier')} ({old}{word(found, 'status')}), "
        f"signed by {word(found, 'signer')} ({word(found, 'manifest')})"
    )


def facts_of_scanners(verdict: Verdict, *, verbose: bool) -> list[str]:
    """Return one line per scanner: what ran, how old its data is, and what it saw; or why it did not run."""
    lines = []
    for name, run in sorted(mapping(verdict.evidence, "scanners").items()):
        if not isinstance(run, Mapping):
            continue
        database = mapping(run, "database")
        built = age(database.get("built"), verdict.subject.checked_at)
        facts = [
            f"{shown(name)} {word(run, 'version')}".rstrip(),
            f"database {built} old{_bundled(database)}" if built else "",
            f"saw {count(run['packages'], 'package')}" if isinstance(run.get("packages"), int) else "",
            word(run, "distribution"),
            f"reused from {word(run, 'reused')}" if word(run, "reused") else "",
            word(run, "unavailable"),
        ]
        if verbose:
            facts += [
                word(run, "path"),
                word(run, "sha256"),
                word(database, "built"),
                word(database, "digest"),
                ", ".join(shown(str(part)) for part in items(run, "confinement")),
            ]
        lines.append(" · ".join(fact for fact in facts if fact))
        lines += [f"  ! {shown(str(problem))}" for problem in items(run, "problems")]
    return [*lines, *_facts_of_feeds(verdict, verbose=verbose)]


def _bundled(database: Mapping[str, object]) -> str:
    """Say which bundle a database or feed came from, if one."""
    digest = word(database, "bundle")
    return f", from bundle {digest[: len('sha256:') + 12]}" if digest else ""


def _facts_of_feeds(verdict: Verdict, *, verbose: bool) -> Iterator[str]:
    """Yield one line per feed: how old it is and where it comes from; or why there is none."""
    for name, feed in sorted(mapping(verdict.evidence, "feeds").items()):
        if isinstance(feed, Mapping):
            published = age(feed.get("built"), verdict.subject.checked_at)
            facts = [
                f"{shown(name)} feed",
                f"{published} old{_bundled(feed)}" if published else "",
                word(feed, "source"),
                word(feed, "unavailable"),
                *((word(feed, "built"), word(feed, "digest")) if verbose else ()),
            ]
            yield " · ".join(fact for fact in facts if fact)
            yield from (f"  ! {shown(str(warning))}" for warning in items(feed, "warnings"))


def facts_of_exceptions(run: Mapping[str, object], *, verbose: bool) -> list[str]:
    """Return one line for each exception of the policy that has expired, ends soon or is broad, and which covered nothing.

    Those may be for images of other runs, so they are named only if `verbose`.
    """
    policy = mapping(run, "policy")
    lines = [f"no longer excepted: {shown(str(item))}" for item in items(policy, "expired_exceptions")]
    for item in items(policy, "expiring_exceptions"):
        if isinstance(item, Mapping) and isinstance(days := item.get("days"), int):
            owner = f", owner {word(item, 'owner')}" if item.get("owner") else ""
            ends = f"ends in {count(days, 'day')} ({word(item, 'until')}{owner})"
            lines.append(f"exception {ends}: {word(item, 'exception')}")
    lines += [
        f"exception covers {count(number, 'finding')}, if all are meant: {word(item, 'exception')}"
        for item in items(policy, "broad_exceptions")
        if isinstance(item, Mapping) and isinstance(number := item.get("findings"), int)
    ]
    unused = [shown(str(item)) for item in items(policy, "unused_exceptions")]
    if unused and not verbose:
        verb = "covers" if len(unused) == 1 else "cover"
        return [
            *lines,
            f"{count(len(unused), 'exception')} {verb} nothing here (--verbose or the page names them)",
        ]
    return lines + [f"exception covers nothing here: {item}" for item in unused]


def facts_of_baseline(run: Mapping[str, object]) -> list[str]:
    """Return what is said of the policy's baseline, nothing where it names none."""
    baseline = mapping(mapping(run, "policy"), "baseline")
    if not baseline:
        return []
    name = f"baseline {word(baseline, 'file')} of {word(baseline, 'created')}"
    if baseline.get("in_force") is not True:
        return [f"{name} ended on {word(baseline, 'until')} and covers nothing any more"]
    missing = [shown(str(item)) for item in items(baseline, "not_for")]
    lines = [f"{name}: what it knows does not count, until {word(baseline, 'until')}"]
    return lines + [f"{name} says nothing of {item}" for item in missing]


def facts_of_vex(run: Mapping[str, object], *, verbose: bool) -> list[str]:
    """Return what is said of VEX documents: those that the run brought, and statements that are refused or unused.

    Of a document's refused statements the first is named, or as many as the report names if `verbose`.
    """
    lines = []
    for document in items(run, "vex"):
        if not isinstance(document, Mapping):
            continue
        name = f"VEX document {word(document, 'name')}"
        if str(document.get("origin")).startswith("attestation of "):
            lines.append(f"{name} counts: {word(document, 'origin')}")
        elif document.get("origin") != "policy":
            lines.append(f"{name} is of this run ({word(document, 'origin')}), not of the policy")
        refused = [item for item in items(document, "refused_statements") if isinstance(item, Mapping)]
        named = refused if verbose else refused[:1]
        lines += [
            f"{name}: statement {word(item, 'number')} on {word(item, 'id')} does not count: {word(item, 'reason')}"
            for item in named
        ]
        total = document.get("refused")
        if isinstance(total, int) and total > len(named):
            lines.append(f"{name}: {total - len(named):,} more do not count")
        unused = document.get("unused")
        if isinstance(unused, int) and unused:
            verb = "takes" if unused == 1 else "take"
            lines.append(f"{name}: {count(unused, 'statement')} {verb} nothing away here")
    return lines + _facts_of_attested_vex(run, verbose=verbose)


def _facts_of_attested_vex(run: Mapping[str, object], *, verbose: bool) -> list[str]:
    """Return what is said of VEX that was looked for among attestations: what is not known, and what does not count.

    Beside a document that counts, what does not is named only if `verbose`: anyone who may push can attach any number.
    """
    lines = []
    for image in items(run, "attested_vex"):
        if not isinstance(image, Mapping):
            continue
        about = f"attested VEX of {word(image, 'image')}"
        lines += [
            f"{about} is not known in full, so nothing of it counts: {shown(str(reason))}"
            for reason in items(image, "no_answer")
        ]
        refused = [item for item in items(image, "refused") if isinstance(item, Mapping)]
        named = refused if verbose else [] if items(image, "documents") else refused[:3]
        lines += [
            f"{about} does not count: {word(item, 'reason')} ({word(item, 'manifest')})" for item in named
        ]
        total = image.get("refused_count")
        if named and isinstance(total, int) and total > len(named):
            lines.append(f"{about}: {total - len(named):,} more do not count")
    return lines
