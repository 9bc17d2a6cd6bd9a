"""eol-distribution: the distribution still gets security updates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from gate.errors import Unavailable
from gate.evidence import ScanRun, ScanRuns, Subject
from gate.options import Options, describe
from gate.packages.inventory import Inventory
from gate.packages.os_release import OsRelease
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._releases import AS_OF, ROLLING, last_day


class EolDistributionOptions(Options):
    """What `eol-distribution` can be told."""

    remaining_days: Annotated[
        int,
        describe(
            "How many days of updates must be left; 0 accepts a release until its last day.", ge=0, le=3650
        ),
    ] = 0


def check(
    subject: Subject, inventory: Inventory, runs: ScanRuns, options: EolDistributionOptions
) -> Iterator[Finding | Remark]:
    """Compare the last day of the release with the day of the check; what the table does not know, scanners may."""
    inventory.complete()
    release = inventory.os_release
    if release is None:
        if inventory.packages:
            raise Unavailable(
                "the image has packages of a distribution and no os-release, so its release is not known",
                hint="keep /etc/os-release in the image",
            )
        return
    name = release.pretty_name or f"{release.id} {release.version_id}".strip()
    if release.id in ROLLING:
        return
    end, source = _end(release)
    ended = tuple(
        sorted(run.scanner for run in runs.runs.values() if isinstance(run, ScanRun) and run.end_of_life)
    )
    today = subject.day
    if end is None:
        yield from _by_scanners(name, ended)
    elif end < today + timedelta(days=options.remaining_days):
        yield Finding(
            f"{name} {_when(end, today)}, by {source}",
            details={
                "distribution": release.id,
                "end": end.isoformat(),
                "release": release.version_id,
                "source": source,
            },
            remediation=f"Rebuild on a release of {release.id} that is supported.",
        )
    elif ended:
        yield Remark(f"{' and '.join(ended)} take {name} for unsupported; by {source} it is until {end}")


def _end(release: OsRelease) -> tuple[date | None, str]:
    """Return the last day with updates, and who says so; our table goes before what the image says of itself."""
    known = last_day(release.id, release.version_id)
    if known is not None:
        return known, f"the table of {AS_OF}"
    return release.support_end, "SUPPORT_END in its os-release"


def _when(end: date, today: date) -> str:
    """Say when updates end or ended."""
    return (
        f"has had no security updates since {end}"
        if end < today
        else f"gets security updates only until {end}"
    )


def _by_scanners(name: str, ended: tuple[str, ...]) -> Iterator[Finding]:
    """Judge a release that is in no table here; that a scanner does not call it ended means nothing."""
    if not ended:
        raise Unavailable(
            f"until when {name} gets updates is not known; the table is of {AS_OF}",
            hint="update image-gate, or let this rule only warn when it is unknown",
        )
    yield Finding(
        f"{name} has reached its end of life, by {' and '.join(ended)}", details={"source": list(ended)}
    )


RULE = Rule(
    id="eol-distribution",
    title="The distribution still gets security updates",
    rationale=(
        "After its end of life a release gets no fixes, and soon no advisories either: scanners then find less and less "
        "in it, while it gets worse."
    ),
    remediation="Rebuild on a base image of a supported release.",
    severity=Severity.HIGH,
    check=check,
    without_scanners=True,
)
