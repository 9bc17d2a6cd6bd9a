"""What to fix first, and what stays after that: the findings of one image, grouped by what clears them.

Pure: it reads findings and facts of the report, and knows no package and no registry. Every finding that closes the gate
or warns is cleared by exactly one step or stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gate.packages.version_order import order_of
from gate.rule import Finding, Severity
from gate.verdict import Outcome, RuleResult, Verdict

_DISTRIBUTION_TYPES = frozenset({"deb", "apk", "rpm", "alpm"})
"""Packages that all stand in one database, whose path says nothing about where they are."""
_LONGEST_VERSION = 128
"""Characters of a version that is compared: real ones stay below 60, and the library's patterns are slow on long ones."""
_OUTDATED = "base-outdated"
"""The rule that says what the tag of a base names now."""

Row = tuple[RuleResult, Finding]


class Upgrade(msgspec.Struct, frozen=True):
    """One upgrade of one package, and the findings that it clears, counted by severity.

    `to` is one version, or several where their order could not be told. `found_by` are the scanners of all its findings.
    """

    package: str
    type: str
    installed: str
    to: tuple[str, ...]
    path: str
    cleared: Mapping[Severity, int]
    found_by: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


class BaseUpgrade(msgspec.Struct, frozen=True):
    """A newer build of the base that an image is built on, and the findings with a published fix that come from there.

    `digest` is what the base's tag names now, empty where that was not asked. Whether that build has the fixes is not
    known: `cleared` is what it can clear at most.
    """

    name: str
    digest: str
    packages: tuple[str, ...]
    cleared: Mapping[Severity, int]
    findings: tuple[Finding, ...] = ()


class Stays(msgspec.Struct, frozen=True):
    """What one rule still says after all steps: what it found by severity, nothing where it could not be decided."""

    rule: str
    closes: bool
    counts: Mapping[Severity, int]
    findings: tuple[Finding, ...] = ()


class Remedies(msgspec.Struct, frozen=True):
    """The steps, the most urgent first, and what stays after them."""

    base: BaseUpgrade | None
    upgrades: tuple[Upgrade, ...]
    stays: tuple[Stays, ...]


def remedies(verdict: Verdict) -> Remedies:
    """Return what to do about what keeps the gate closed or warns.

    A finding can be cleared by an upgrade if its details name a `package`, its `type` and `version`, and either the version
    to go to (`fix`) or all that are known to be `fixed`. What comes from the recognised base is cleared there; else the
    binary packages of one source and version are one upgrade.
    """
    rows = [
        (result, finding)
        for result in verdict.results
        if result.outcome is Outcome.FAIL
        for finding in result.findings
    ]
    base = _base_upgrade(verdict, rows)
    cleared = [*base.findings] if base else []
    in_base = {id(finding) for finding in cleared}
    found = _upgrades(verdict, [row for row in rows if id(row[1]) not in in_base])
    cleared += [finding for upgrade in found for finding in upgrade.findings]
    return Remedies(base, found, tuple(_stays(verdict, cleared)))


def _base_upgrade(verdict: Verdict, rows: Sequence[Row]) -> BaseUpgrade | None:
    """Return what a newer build of the base can clear; None where no base is recognised or nothing of it has a fix."""
    if not verdict.bases:
        return None
    outdated = next((finding for result, finding in rows if result.rule == _OUTDATED), None)
    members = [
        row for row in rows if row[1].location.base and row[1].details.get("package") and _fixed(row[1])
    ]
    members += [row for row in rows if row[1] is outdated]
    if not members:
        return None
    packages = {str(finding.details["package"]) for _, finding in members if finding.details.get("package")}
    return BaseUpgrade(
        name=str(verdict.bases[0].name),
        digest=_word(outdated, "now") if outdated else "",
        packages=tuple(sorted(packages)),
        cleared=_counted(members),
        findings=tuple(finding for _, finding in members),
    )


def _upgrades(verdict: Verdict, rows: Sequence[Row]) -> tuple[Upgrade, ...]:
    """Return the upgrades of packages, the most urgent first."""
    sources = verdict.evidence.get("source_packages")
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        finding = row[1]
        if finding.details.get("package") and _fixed(finding):
            kind, package = _word(finding, "type"), _word(finding, "package")
            source = _word(finding, "source") or _source_of(sources, kind, package)
            groups.setdefault((source or package, kind, _word(finding, "version")), []).append(row)
    found = [_upgrade(key, members) for key, members in groups.items()]
    return tuple(sorted(found, key=_urgency))


def _source_of(sources: object, kind: str, package: str) -> str:
    """Return the source of a binary package as the image's own database has it, empty where it has none."""
    of_kind = sources.get(kind) if isinstance(sources, Mapping) else None
    return str(of_kind.get(package) or "") if isinstance(of_kind, Mapping) else ""


def _stays(verdict: Verdict, cleared: Sequence[Finding]) -> Iterable[Stays]:
    """Yield what each rule still says once the findings that can be cleared are."""
    known = {id(finding) for finding in cleared}
    for result in verdict.results:
        left = [(result, finding) for finding in result.findings if id(finding) not in known]
        if result.outcome is Outcome.UNKNOWN or (result.outcome is Outcome.FAIL and left):
            counts = Counter(
                finding.severity or result.severity for _, finding in left if not finding.unknown
            )
            yield Stays(result.rule, result.closes, counts, tuple(finding for _, finding in left))


def _counted(rows: Iterable[Row]) -> Mapping[Severity, int]:
    """Count findings by severity; a vulnerability of several packages counts once, with its worst."""
    worst: dict[object, Severity] = {}
    for result, finding in rows:
        severity = finding.severity or result.severity
        name = finding.id or id(finding)
        worst[name] = max(severity, worst.get(name, severity))
    return Counter(worst.values())


def _urgency(upgrade: Upgrade) -> tuple[object, ...]:
    """Order by what is cleared, the worst severities first, then by name."""
    counts = tuple(-upgrade.cleared.get(severity, 0) for severity in sorted(Severity, reverse=True))
    return (*counts, upgrade.package, upgrade.type, upgrade.installed)


def _upgrade(key: tuple[str, str, str], members: Sequence[Row]) -> Upgrade:
    """Build the upgrade of one group."""
    package, kind, installed = key
    paths = sorted({finding.location.path or "" for _, finding in members})
    found_by = {scanner for _, finding in members for scanner in _words(finding, "found_by")}
    return Upgrade(
        package=package,
        type=kind,
        installed=installed,
        to=_target(kind, installed, [_fixed(finding) for _, finding in members]),
        path=paths[0] if len(paths) == 1 and kind not in _DISTRIBUTION_TYPES else "",
        cleared=_counted(members),
        found_by=tuple(sorted(found_by)),
        findings=tuple(finding for _, finding in members),
    )


def _target(kind: str, installed: str, choices: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the lowest version that clears all: of each finding the nearest fix above `installed`, of those the highest.

    Versions that cannot be ordered (another scheme than the package's, an unknown type) are all returned.
    """
    choices = [tuple(dict.fromkeys(versions)) for versions in choices]
    every = tuple(sorted({version for versions in choices for version in versions}))
    if len(every) == 1 or max(map(len, (installed, *every))) > _LONGEST_VERSION:
        return every
    parse = order_of(kind, (installed, *every))
    if parse is None:
        return every
    try:
        now = parse(installed)
        nearest = []
        for versions in choices:
            ordered = sorted((parse(version), version) for version in versions)
            nearest.append(next((pair for pair in ordered if pair[0] > now), ordered[-1]))
        return (max(nearest)[1],)
    except Exception:  # noqa: BLE001 -- advice only: whatever the library makes of a hostile version, all are shown
        return every


def _fixed(finding: Finding) -> tuple[str, ...]:
    """Return the versions that fix a finding."""
    return (_word(finding, "fix"),) if finding.details.get("fix") else _words(finding, "fixed")


def _word(finding: Finding, name: str) -> str:
    """Return a detail as text, empty where there is none."""
    return str(finding.details.get(name) or "")


def _words(finding: Finding, name: str) -> tuple[str, ...]:
    """Return a detail that is a list of words."""
    value = finding.details.get(name)
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()
