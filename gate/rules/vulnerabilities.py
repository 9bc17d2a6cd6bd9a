"""vulnerabilities: no package has a known vulnerability of the severity that a policy does not accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from gate.evidence import Opinion, Vulnerabilities, Vulnerability
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Action, Finding, Location, Remark, Rule, Severity


class VulnerabilitiesOptions(Options):
    """What `vulnerabilities` can be told."""

    threshold: Annotated[
        Literal["negligible", "low", "medium", "high", "critical"],
        describe("The lowest severity that breaks the rule; the highest that any scanner gives counts."),
    ] = "high"
    only_fixable: Annotated[bool, describe("Let pass what has no published fix.")] = False
    unrated: Annotated[
        Literal["deny", "warn", "ignore"],
        describe("What a vulnerability does that no source rates: break the rule, warn, or nothing."),
    ] = "warn"


def check(
    vulnerabilities: Vulnerabilities, config: ImageConfig, options: VulnerabilitiesOptions
) -> Iterator[Finding | Remark]:
    """Yield one finding per joined vulnerability that is severe enough, the worst first."""
    threshold = Severity[options.threshold.upper()]
    rated = [(severity_of(found), found) for found in vulnerabilities.found]
    left_out = 0
    for severity, found in sorted(rated, key=lambda pair: -pair[0]):
        if severity is Severity.UNKNOWN:
            counts = options.unrated != "ignore"
        else:
            counts = severity >= threshold
        if counts and options.only_fixable and not _is_fixable(found):
            counts = False
        if counts:
            yield _finding(found, severity, config, options)
        else:
            left_out += 1
    if left_out:
        yield Remark(f"{left_out} more are below the threshold, or of a kind that the policy does not count")


def severity_of(found: Vulnerability) -> Severity:
    """Return the highest severity that a scanner gives; where none rates it, the highest of any source they pass on."""
    chosen = max((_severity(opinion.severity) for opinion in found.opinions), default=Severity.UNKNOWN)
    if chosen is not Severity.UNKNOWN:
        return chosen
    words = (word for opinion in found.opinions for word in opinion.severities.values())
    return max(map(_severity, words), default=Severity.UNKNOWN)


def _severity(word: str) -> Severity:
    """Read a scanner's word; one that is none rates nothing."""
    try:
        return Severity[word.upper()]
    except KeyError:
        return Severity.UNKNOWN


def _is_fixable(found: Vulnerability) -> bool:
    """Whether any scanner knows a version that fixes it."""
    return any(opinion.fixed_versions for opinion in found.opinions)


def _finding(
    found: Vulnerability, severity: Severity, config: ImageConfig, options: VulnerabilitiesOptions
) -> Finding:
    """Build the finding of one vulnerability."""
    diff_ids = [str(digest) for digest in config.diff_ids]
    index = diff_ids.index(found.layer) if found.layer in diff_ids else None
    known = " known to be exploited" if any(opinion.known_exploited for opinion in found.opinions) else ""
    target = fixed_version(found)
    fix = f"fixed in {target}" if target else "no fix is published"
    warns = severity is Severity.UNKNOWN and options.unrated == "warn"
    return Finding(
        f"{found.id} ({severity}{known}) in {found.package_name} {found.package_version}, {fix}",
        Location(
            layer=found.layer or None, layer_index=index, path=found.path or None, package=found.purl or None
        ),
        id=found.id,
        severity=severity,
        action=Action.WARN if warns else None,
        remediation=_remediation(found, target),
        details=_details(found),
    )


def _remediation(found: Vulnerability, target: str) -> str:
    """Say what to do about one vulnerability."""
    if target:
        return f"Upgrade {found.package_name} from {found.package_version} to {target} or later."
    return f"No fix is published: remove {found.package_name} if nothing needs it, or accept it by a dated exception."


def _details(found: Vulnerability) -> dict[str, object]:
    """Return what a machine may want to know."""
    scores = [opinion.epss for opinion in found.opinions if opinion.epss is not None]
    return {
        "aliases": list(found.aliases),
        "epss": max(scores, default=None),
        "fixed": sorted({version for opinion in found.opinions for version in opinion.fixed_versions}),
        "fix_states": {opinion.scanner: opinion.fix_state for opinion in found.opinions},
        "found_by": list(found.found_by),
        "known_exploited": any(opinion.known_exploited for opinion in found.opinions),
        "opinions": [_opinion(opinion) for opinion in found.opinions],
        "package": found.package_name,
        "title": next((opinion.title for opinion in found.opinions if opinion.title), ""),
        "type": found.package_type,
        "version": found.package_version,
    }


def _opinion(opinion: Opinion) -> dict[str, object]:
    """Return one scanner's opinion as JSON."""
    return {
        "id": opinion.id,
        "scanner": opinion.scanner,
        "scores": dict(sorted(opinion.scores.items())),
        "severities": dict(sorted(opinion.severities.items())),
        "severity": opinion.severity,
        "severity_source": opinion.severity_source,
        "url": opinion.url,
    }


def fixed_version(found: Vulnerability) -> str:
    """Return the smallest version that satisfies every scanner that knows a fix; empty where none does.

    Advisories list one fixed version per maintained line (2.3.1, 2.12.2, 2.15.0): each scanner is satisfied by the first
    that is newer than the installed one. Where versions cannot be compared, all are returned.
    """
    per_scanner = {opinion.fixed_versions for opinion in found.opinions if opinion.fixed_versions}
    versions = sorted({version for group in per_scanner for version in group})
    if len(versions) < 2:
        return "".join(versions)
    try:
        return _smallest(found, per_scanner)
    except ValueError:
        return " or ".join(versions)


def _smallest(found: Vulnerability, per_scanner: Iterable[tuple[str, ...]]) -> str:
    """Choose by the order of versions of the package's own kind; raises `ValueError` where that does not work."""
    from univers.version_range import (
        RANGE_CLASS_BY_SCHEMES,
    )  # here: it takes 0.1 s, and most fixes are one version

    kind = RANGE_CLASS_BY_SCHEMES.get(found.package_type)
    version_of: Any = getattr(kind, "version_class", None)
    if version_of is None:
        raise ValueError(f"no order of versions is known for {found.package_type}")
    try:
        installed = version_of(found.package_version)
        needed = []
        for group in per_scanner:
            newer = [version for text in group if (version := version_of(text)) > installed]
            if not newer:
                raise ValueError("no fixed version is newer than the installed one")
            needed.append(min(newer))
        return str(max(needed).string)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"versions cannot be compared: {error}") from None


RULE = Rule(
    id="vulnerabilities",
    title="No package has a severe known vulnerability",
    rationale=(
        "Most intrusions through a container use a vulnerability that was published, and fixed, months before. Two "
        "scanners are asked because each misses what the other knows; what cannot have been seen counts as unknown."
    ),
    remediation=(
        "Upgrade the packages that the findings name, usually by rebuilding on a newer base image. What cannot be fixed "
        "yet is accepted by an exception with a reason and an end date."
    ),
    severity=Severity.HIGH,
    check=check,
)
