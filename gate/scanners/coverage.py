"""Whether a scanner could have seen what is in the image: its finding nothing counts only if it could.

Pure functions over what was collected. What keeps a scanner from counting is a sentence; no sentence, no objection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain

from msgspec import Struct

from gate.errors import Unavailable, joined
from gate.evidence import ScanRun, ScanRuns, Vulnerabilities
from gate.oci.filesystem import Filesystem
from gate.packages.file_lists import Owned, is_of_system, owned
from gate.packages.hiding import traces
from gate.packages.identity import package_type_of
from gate.packages.inventory import Inventory
from gate.packages.languages import ENDINGS, has_go_modules, language_of
from gate.scanners import ScannerReport
from gate.scanners.merge import merge

DATABASE_MAX_AGE = timedelta(days=5)
"""How old a database may be unless the policy says otherwise; both are published daily, and Grype itself says five days."""
_CLOCK_SKEW = timedelta(days=1)
_EXAMPLES = 3
_NUMBER = re.compile(r"(\d+)")


class Seen(Struct, frozen=True):
    """What the gate itself saw in the image, and when it looked.

    `languages` maps purl types of language packages to one path that shows such a package. `programs` are the programs
    with Go modules inside, each by all its paths. Both are of no package of the distribution: its own advisories cover the
    others, and scanners leave them out. Paths have a leading slash. `hidden` are sentences on packages that are in the
    image and that nobody can see.
    """

    inventory: Inventory
    now: datetime
    languages: Mapping[str, str]
    programs: tuple[tuple[str, ...], ...] = ()
    hidden: tuple[str, ...] = ()


def look(
    filesystem: Filesystem | Unavailable, inventory: Inventory | Unavailable, now: datetime
) -> Seen | Unavailable:
    """Gather what the gate saw itself; an inventory that could not be read whole is no measure, and said to be so."""
    if isinstance(filesystem, Unavailable):
        return filesystem
    if isinstance(inventory, Unavailable):
        return inventory
    try:
        inventory.complete()
        programs = [
            (entry.path, *entry.links)
            for entry in filesystem.marked()
            if has_go_modules(entry.marks, entry.path)
        ]
        shown = {f"/{path}": kind for path in filesystem.paths(ends=ENDINGS) if (kind := language_of(path))}
        by_distribution = owned(filesystem, inventory, chain(shown, *programs))
        hidden = tuple(trace.message for trace in traces(inventory, filesystem) if trace.unseen)
    except Unavailable as error:
        return error
    return Seen(
        inventory,
        now,
        _languages(shown, by_distribution),
        tuple(paths for paths in programs if by_distribution.paths.isdisjoint(paths)),
        hidden,
    )


def _languages(shown: Mapping[str, str], by_distribution: Owned) -> dict[str, str]:
    """Return, by purl type, the first path that shows a package of a language which the distribution did not bring.

    Lists that name what is in no folder of the distribution are not believed: they can hide a package from scanners.
    """
    found: dict[str, str] = {}
    for path, kind in shown.items():
        if kind not in found and not (is_of_system(path) and path in by_distribution):
            found[kind] = path
    return found


def scan_runs(
    reports: Mapping[str, ScannerReport | Unavailable],
    seen: Seen | Unavailable,
    max_age: Mapping[str, timedelta],
) -> ScanRuns:
    """Return the evidence of all scanners that were asked for, with what speaks against counting each.

    `max_age` is the greatest age of a database by scanner; `DATABASE_MAX_AGE` where it names none.
    """
    runs = {
        name: report.run if isinstance(report, ScannerReport) else report for name, report in reports.items()
    }
    problems: dict[str, tuple[str, ...]] = {}
    for name, run in sorted(runs.items()):
        if isinstance(run, Unavailable):
            continue
        if isinstance(seen, Unavailable):
            problems[name] = (f"the image's own packages are not known: {seen.message}",)
        else:
            problems[name] = tuple(_problems(run, seen, max_age.get(name, DATABASE_MAX_AGE)))
    return ScanRuns(runs, problems)


def vulnerabilities(
    reports: Mapping[str, ScannerReport | Unavailable],
    runs: ScanRuns,
    required: Iterable[str],
    seen: Seen | Unavailable,
) -> Vulnerabilities:
    """Join the findings of all scanners that ran.

    Raises what kept the gate itself from seeing the image; else `Unavailable` if one of `required` did not run or does not
    count, with every reason, which blocks if one of them does.
    """
    if isinstance(seen, Unavailable):
        raise seen
    reasons: list[Unavailable] = []
    for name in sorted(set(required)):
        run = runs.runs.get(name)
        if run is None:
            reasons.append(Unavailable(f"{name} was not run"))
        elif isinstance(run, Unavailable):
            reasons.append(run)
        reasons.extend(Unavailable(f"{name}: {problem}") for problem in runs.problems.get(name, ()))
    if reasons:
        raise joined(reasons)
    return merge({name: report for name, report in reports.items() if isinstance(report, ScannerReport)})


def _problems(run: ScanRun, seen: Seen, max_age: timedelta) -> Iterator[str]:
    """Yield what speaks against counting a scanner's run."""
    yield from _database_problems(run, seen.now, max_age)
    yield from _release_problems(run, seen.inventory)
    yield from seen.hidden
    yield from _unseen(run, seen)


def _database_problems(run: ScanRun, now: datetime, max_age: timedelta) -> Iterator[str]:
    """Judge the age of the database; one of the future says that a clock is wrong, and then no age can be told."""
    built = run.database.built
    if now - built > max_age:
        yield f"its database is of {built:%Y-%m-%d}, {(now - built).days} days old; at most {max_age.days} are accepted"
    elif built - now > _CLOCK_SKEW:
        yield f"its database is of {built:%Y-%m-%d %H:%M}, which is in the future; a clock is wrong"


def _release_problems(run: ScanRun, inventory: Inventory) -> Iterator[str]:
    """Judge whether it took the image for what it is, and whether its database knows that."""
    for name in run.uncovered:
        yield f"its database holds no advisories for {name}"
    stated = inventory.os_release
    if not inventory.packages:
        if stated is not None and package_type_of(stated) is not None and not inventory.unread:
            yield (
                f"os-release says {stated.id} {stated.version_id}".strip()
                + ", but no package of it is listed anywhere"
            )
        return
    if not run.os_family:
        yield "it did not recognise the distribution" + (
            f" {stated.id!r}" if stated else ": the image has no os-release"
        )
    elif stated is not None:
        own, theirs = _NUMBER.match(stated.version_id), _NUMBER.match(run.os_version)
        if own and theirs and int(own[1]) != int(theirs[1]):
            yield f"it took the image for {run.os_family} {run.os_version}; its os-release says {stated.id} {stated.version_id}"


def _unseen(run: ScanRun, seen: Seen) -> Iterator[str]:
    """Name what is in the image and not among the packages that the scanner saw."""
    reported = {(package.type, package.name, package.version.removeprefix("0:")) for package in run.packages}
    for database in seen.inventory.databases:
        missing = [
            package
            for package in database.packages
            if (package.type, package.name, package.version.removeprefix("0:")) not in reported
        ]
        if missing:
            names = ", ".join(f"{package.name} {package.version}" for package in missing[:_EXAMPLES])
            more = ", …" if len(missing) > _EXAMPLES else ""
            yield (
                f"it did not see {len(missing)} of the {len(database.packages)} packages in /{database.path} ({names}{more})"
            )
    for name, path in seen.inventory.unread:
        yield f"/{path} is a package database of {name}, which is not read here, so it is not known what it should have seen"
    types = {package.type for package in run.packages}
    for kind, path in sorted(seen.languages.items()):
        if kind not in types:
            yield f"it saw no {kind} package, and {path} is one"
    places = {package.path for package in run.packages if package.type == "golang"}
    for paths in seen.programs:
        if places.isdisjoint(paths):
            yield f"it did not see the Go modules in {paths[0]}"
