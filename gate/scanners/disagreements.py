"""Why one scanner has a finding that another has not, as far as their reports tell.

Pure functions over what was collected. A scanner does not say what it left out, so the last answer is that it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from msgspec import Struct

from gate.evidence import ScanRun, Vulnerability
from gate.packages.file_lists import is_of_system
from gate.packages.formats import SYSTEM_TYPES
from gate.scanners.purls import key_of

_DAY = 24 * 3600
_SHOWN = 3
_DISTRIBUTION = "; if a package of the distribution owns it, the distribution's advisories count for it, and do not list this"

Package = tuple[str, str]
"""Type and name, with the namespace before it, as joined findings have them."""


class Seen(Struct, frozen=True):
    """What one scanner has to say beside its findings: the versions of every package that it saw, and where its ids are."""

    run: ScanRun
    versions: Mapping[Package, frozenset[str]]
    elsewhere: Mapping[str, tuple[Vulnerability, ...]]


def reasons(found: Sequence[Vulnerability], runs: Mapping[str, ScanRun]) -> list[Mapping[str, str]]:
    """Return for each finding why each of the scanners that ran and do not have it does not, by scanner."""
    if all(one.found_by == tuple(sorted(runs)) for one in found):
        return [{} for _ in found]
    seen = {name: _seen(run, found) for name, run in sorted(runs.items())}
    return [
        {name: _reason(one, seen[name], runs) for name in seen if name not in one.found_by} for one in found
    ]


def _seen(run: ScanRun, found: Iterable[Vulnerability]) -> Seen:
    """Sort what a scanner saw and found by what it is looked up by."""
    versions: dict[Package, set[str]] = {}
    for package in run.packages:
        key = key_of(package.purl, package.type, package.name, package.version)
        name = f"{key.namespace}/{key.name}" if key.namespace else key.name
        versions.setdefault((key.type, name), set()).add(key.version)
    elsewhere: dict[str, list[Vulnerability]] = {}
    for one in found:
        if run.scanner in one.found_by:
            elsewhere.setdefault(one.id, []).append(one)
    return Seen(
        run,
        {package: frozenset(texts) for package, texts in versions.items()},
        {id_: tuple(places) for id_, places in elsewhere.items()},
    )


def _reason(one: Vulnerability, seen: Seen, runs: Mapping[str, ScanRun]) -> str:
    """Say why a scanner does not have a finding: the package, another version, its data, or that it is not known."""
    if seen.run.scanner in one.named_by:
        return "it has it under another id, of an advisory on several or of one of those"
    versions = seen.versions.get((one.package_type, one.package_name))
    if versions is None:
        return "it did not see the package" + (_DISTRIBUTION if _may_be_distributions(one, seen.run) else "")
    if one.package_version not in versions:
        return f"it saw the package as {_few(sorted(versions))}"
    if one.package_type in seen.run.uncovered:
        return f"its database holds no advisories for {one.package_type}"
    if places := seen.elsewhere.get(one.id):
        names = sorted({f"{place.package_name} {place.package_version}" for place in places})
        fixed = sorted({text for place in places for text in _fixed(place, seen.run.scanner)})
        known = f", fixed in {_few(fixed)}" if fixed else ""
        return f"it has it in {_few(names)}{known}, and takes this one for not affected"
    return _dates(one, seen.run, runs)


def _may_be_distributions(one: Vulnerability, run: ScanRun) -> bool:
    """Whether it lies where a distribution installs, and the scanner saw packages of one: Trivy leaves out what those own."""
    return is_of_system(one.path) and any(package.type in SYSTEM_TYPES for package in run.packages)


def _dates(one: Vulnerability, run: ScanRun, runs: Mapping[str, ScanRun]) -> str:
    """Say what the dates of the databases explain, else that the reason is not known."""
    built = run.database.built
    published = [day for opinion in one.opinions if (day := _day(opinion.published)) is not None]
    if published and built.date() < min(published):
        return f"its database is of {built:%Y-%m-%d}, from before the publication on {min(published)}"
    theirs = max(runs[name].database.built for name in one.found_by if name in runs)
    if (theirs - built).total_seconds() >= _DAY:
        return f"its database is of {built:%Y-%m-%d}, older than that of {theirs:%Y-%m-%d}, which lists it"
    return "it saw the package and does not list this for it; why cannot be told"


def _fixed(one: Vulnerability, scanner: str) -> Iterable[str]:
    """Return the versions that fix a finding, as one scanner has them."""
    return (text for given in one.opinions if given.scanner == scanner for text in given.fixed_versions)


def _few(texts: Sequence[str]) -> str:
    """Return the first few of some texts."""
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")


def _day(text: str) -> date | None:
    """Read the day of a date or time; None for what is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).date() if text else None
    except (ValueError, OverflowError):
        return None
