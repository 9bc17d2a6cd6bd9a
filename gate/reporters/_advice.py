"""What to fix first: package findings grouped by the one upgrade that clears them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gate.packages.version_order import order_of
from gate.rule import Finding, Severity
from gate.verdict import Outcome, Verdict

_DISTRIBUTION_TYPES = frozenset({"deb", "apk", "rpm", "alpm"})
"""Packages that all stand in one database, whose path says nothing about where they are."""
_LONGEST_VERSION = 128
"""Characters of a version that is compared: real ones stay below 60, and the library's patterns are slow on long ones."""


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


def upgrades(verdict: Verdict) -> tuple[Upgrade, ...]:
    """Return the upgrades that clear what keeps the gate closed or warns, the most urgent first.

    A finding counts if its details name a `package`, its `type` and `version`, and either the version to go to (`fix`) or
    all that are known to be `fixed`. Binary packages of one `source` and version are one upgrade.
    """
    groups: dict[tuple[str, str, str], list[tuple[Finding, Severity]]] = {}
    for result in verdict.results:
        if result.outcome is not Outcome.FAIL:
            continue
        for finding in result.findings:
            details = finding.details
            if details.get("package") and _fixed(finding):
                key = (
                    str(details.get("source") or details["package"]),
                    _word(finding, "type"),
                    _word(finding, "version"),
                )
                groups.setdefault(key, []).append((finding, finding.severity or result.severity))
    found = [_upgrade(key, members) for key, members in groups.items()]
    return tuple(sorted(found, key=_urgency))


def _urgency(upgrade: Upgrade) -> tuple[object, ...]:
    """Order by what is cleared, the worst severities first, then by name."""
    counts = tuple(-upgrade.cleared.get(severity, 0) for severity in sorted(Severity, reverse=True))
    return (*counts, upgrade.package, upgrade.type, upgrade.installed)


def _upgrade(key: tuple[str, str, str], members: Sequence[tuple[Finding, Severity]]) -> Upgrade:
    """Build the upgrade of one group; a vulnerability of several binary packages counts once."""
    package, kind, installed = key
    worst: dict[str, Severity] = {}
    for finding, severity in members:
        worst[finding.id] = max(severity, worst.get(finding.id, severity))
    paths = sorted({finding.location.path or "" for finding, _ in members})
    found_by = {scanner for finding, _ in members for scanner in _words(finding, "found_by")}
    return Upgrade(
        package=package,
        type=kind,
        installed=installed,
        to=_target(kind, installed, [_fixed(finding) for finding, _ in members]),
        path=paths[0] if len(paths) == 1 and kind not in _DISTRIBUTION_TYPES else "",
        cleared=Counter(worst.values()),
        found_by=tuple(sorted(found_by)),
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
