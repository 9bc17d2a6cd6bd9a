"""vulnerabilities: no package has a known vulnerability of the severity that a policy does not accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gate.errors import Unavailable, joined
from gate.evidence import ScanRun, ScanRuns, Subject, Vulnerabilities, Vulnerability
from gate.oci.manifest import ImageConfig
from gate.rule import Action, Finding, Location, Remark, Rule, Severity
from gate.rules._deciding import ALARMS, Circumstances, Decision, decide_all, undecided
from gate.rules._exploitation import Exploitation, Question
from gate.rules._fixes import fixed_version
from gate.rules._tolerating import settle
from gate.rules._vulnerability_options import VulnerabilitiesOptions

_ASKED: Mapping[Question, str] = {
    "kev": "known to be exploited",
    "epss": "likely to be exploited (EPSS)",
}


def check(
    vulnerabilities: Vulnerabilities,
    runs: ScanRuns,
    config: ImageConfig,
    subject: Subject,
    options: VulnerabilitiesOptions,
) -> Iterator[Finding | Remark]:
    """Yield one finding per joined vulnerability that counts, the worst first."""
    scanners = sorted(name for name, run in runs.runs.items() if isinstance(run, ScanRun))
    _check_scanners(options, scanners)
    exploitation = Exploitation.of(vulnerabilities.feeds, runs)
    known = Circumstances(options, scanners, subject.day, exploitation)
    diff_ids = [str(digest) for digest in config.diff_ids]
    left_out = 0
    decisions = decide_all(vulnerabilities.found, known)
    for decision in decisions:
        if decision.action is None:
            left_out += 1
        else:
            yield _finding(decision, diff_ids, known)
    if left_out:
        yield Remark(f"{left_out} more are below the threshold, or of a kind that the policy does not count")
    yield from _untold(decisions, known)


def _untold(decisions: list[Decision], known: Circumstances) -> Iterator[Finding]:
    """Warn of what could not be told where an option only warns; raise `Unavailable` where it denies."""
    errors = []
    for question, found in undecided(decisions, known).items():
        reason = known.exploitation.why_untold(question)
        text = f"whether {_one_of(found)} is {_ASKED[question]} cannot be told: {reason.message}"
        if question == "kev" and known.options.known_exploited == "warn" and not reason.blocks:
            yield Finding(text, action=Action.WARN, remediation=reason.hint)
            continue
        error = Unavailable(text, hint=reason.hint or f"fetch the list with: image-gate db update {question}")
        error.blocks = reason.blocks
        errors.append(error)
    if errors:
        raise joined(errors)


def _check_scanners(options: VulnerabilitiesOptions, scanners: list[str]) -> None:
    """Raise `Unavailable` where the scanners whose findings are to count were not asked: nothing would ever count."""
    lacking = options.counts in ("both", "review") and len(scanners) < 2
    if lacking or (options.counts in ("trivy", "grype") and options.counts not in scanners):
        raise Unavailable(
            f"`counts: {options.counts}` needs scanners that did not run; what ran: {', '.join(scanners) or 'none'}",
            hint="scanners: {required: [trivy, grype]} in the policy, or another `counts`",
        )


def _one_of(found: Sequence[Vulnerability]) -> str:
    """Name the first of several, and say how many there are."""
    return found[0].id + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")


def _finding(decision: Decision, diff_ids: list[str], circumstances: Circumstances) -> Finding:
    """Build the finding of one vulnerability that counts."""
    found, severity = decision.found, decision.rating.severity
    index = diff_ids.index(found.layer) if found.layer in diff_ids else None
    exploitation = circumstances.exploitation
    known = ", known to be exploited" if any(exploitation.known(found).values()) else ""
    target = fixed_version(found)
    spared = circumstances.options.in_base == "warn" and decision.by not in ALARMS
    facts = [f"fixed in {target}" if target else "no fix is published", decision.told]
    return Finding(
        f"{found.id} ({severity}{known}) in {found.package_name} {found.package_version}, "
        + "; ".join(fact for fact in facts if fact),
        Location(
            layer=found.layer or None, layer_index=index, path=found.path or None, package=found.purl or None
        ),
        id=found.id,
        severity=severity,
        action=Action.WARN if decision.action is Action.WARN else None,
        action_in_base=Action.WARN if spared else None,
        remediation=_remediation(found, target),
        details=_details(decision, exploitation),
    )


def _remediation(found: Vulnerability, target: str) -> str:
    """Say what to do about one vulnerability."""
    if target:
        return f"Upgrade {found.package_name} from {found.package_version} to {target} or later."
    return f"No fix is published: remove {found.package_name} if nothing needs it, or accept it by a dated exception."


def _details(decision: Decision, exploitation: Exploitation) -> dict[str, object]:
    """Return what a machine may want to know."""
    found, rating = decision.found, decision.rating
    return {
        "aliases": list(found.aliases),
        "decided_by": decision.by,
        "denied_from": None if decision.denied_from is None else str(decision.denied_from),
        "epss": max(exploitation.chances(found).values(), default=None),
        "fixed": sorted({version for opinion in found.opinions for version in opinion.fixed_versions}),
        "fix_states": {opinion.scanner: opinion.fix_state for opinion in found.opinions},
        "found_by": list(found.found_by),
        "known_exploited": any(exploitation.known(found).values()),
        "opinions": [opinion.facts for opinion in found.opinions],
        "package": found.package_name,
        "purls": list(found.purls),
        "rated_by": {"rule": rating.rule, "scanner": rating.scanner, "source": rating.source},
        "title": next((opinion.title for opinion in found.opinions if opinion.title), ""),
        "type": found.package_type,
        "version": found.package_version,
    }


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
    settle=settle,
)
