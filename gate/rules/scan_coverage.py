"""scan-coverage: the scanners could see what is in the image, and the image does nothing to hide it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from gate.errors import Unavailable, joined
from gate.evidence import ScanRun, ScanRuns
from gate.oci.filesystem import Filesystem
from gate.options import Options, describe
from gate.packages.formats import SYSTEM_TYPES
from gate.packages.hiding import traces
from gate.packages.inventory import Inventory
from gate.rule import Action, Finding, Location, Remark, Rule, Severity
from gate.rules._unseen import unseen

_IDENTIFY = (
    "have it say what it is made of (Rust by cargo auditable, a jar by pom.properties, a package by its own metadata), "
    "install it as a package, or remove it; what is known to be harmless can be excepted by its path"
)


class ScanCoverageOptions(Options):
    """Options of `scan-coverage`."""

    unseen: Annotated[
        Literal["deny", "warn", "ignore"],
        describe(
            "What a file does that speaks of software which no scanner saw (a program of no package, a lock file without its "
            "packages, a package's damaged metadata): make the rule unknown, warn, or nothing."
        ),
    ] = "deny"


def check(
    inventory: Inventory,
    filesystem: Filesystem,
    runs: ScanRuns,
    options: ScanCoverageOptions,
) -> Iterator[Finding | Remark]:
    """Yield what hides packages from scanners; then say what keeps their results from counting.

    What the image does is a finding. What a scanner could not do is unknown, and so is what none saw and what cannot be
    read here.
    """
    for trace in traces(inventory, filesystem):
        place = Location() if trace.entry is None else Location.of(trace.entry, filesystem)
        yield Finding(trace.message, place, id=trace.id)
    yield from _seen_by_one(runs)
    if options.unseen != "ignore":
        yield from _seen_by_none(inventory, filesystem, runs, Action(options.unseen))
    inventory.complete()
    _established(runs)


def _seen_by_one(runs: ScanRuns) -> Iterator[Remark]:
    """Kinds of language packages that one scanner saw and another did not: often harmless, worth knowing."""
    known = {
        name: {package.type for package in run.packages} - SYSTEM_TYPES
        for name, run in sorted(runs.runs.items())
        if isinstance(run, ScanRun)
    }
    for name, types in known.items():
        for other, others in known.items():
            for kind in sorted(types - others):
                yield Remark(f"{name} saw {kind} packages and {other} saw none")


def _seen_by_none(
    inventory: Inventory, filesystem: Filesystem, runs: ScanRuns, action: Action
) -> Iterator[Finding]:
    """What the image holds and no scanner reported; without any that ran there is nothing to compare with."""
    ran = [run for run in runs.runs.values() if isinstance(run, ScanRun)]
    for one in unseen(filesystem, inventory, ran) if ran else ():
        yield Finding(
            one.message,
            Location.of(one.entry, filesystem),
            id=f"unseen-{one.id}",
            action=Action.WARN if action is Action.WARN else None,
            unknown=True,
            remediation=_IDENTIFY,
            details={"ecosystem": one.ecosystem},
        )


def _established(runs: ScanRuns) -> None:
    """Raise what keeps the scanners' results from counting, all of it in one sentence per scanner."""
    reasons: list[Unavailable] = []
    for name, run in sorted(runs.runs.items()):
        if isinstance(run, Unavailable):
            reasons.append(run)
        reasons.extend(Unavailable(f"{name}: {problem}") for problem in runs.problems.get(name, ()))
    if reasons:
        raise joined(reasons)


RULE = Rule(
    id="scan-coverage",
    title="The scanners could see what is in the image",
    rationale=(
        "A scanner that does not recognise a distribution, or finds its package database deleted, reports no findings and "
        "success. Nothing found counts only where something could have been found."
    ),
    remediation=(
        "Keep /etc/os-release and the package database in the image, in their places; use a release that the scanners' "
        "databases know, and renew the databases."
    ),
    severity=Severity.HIGH,
    check=check,
)
