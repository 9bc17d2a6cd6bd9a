"""Rules x evidence -> Verdict. Pure: no I/O, no clock, and no way for an error to become a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import Fault, Unavailable
from gate.evidence import Base, Bases, Evidence, Subject, Vulnerabilities
from gate.oci.filesystem import Filesystem
from gate.packages.formats import SYSTEM_TYPES
from gate.policy.policy import Policy, RuleSetting
from gate.rule import Action, Finding, Remark
from gate.verdict import Excepted, Outcome, RuleResult, Verdict, Vexed
from gate.vex import Vex

if TYPE_CHECKING:
    from gate.vex.matching import Claims

_Packages = frozenset[tuple[str, str, str]]
_EXAMPLES = 5
"""Findings that the reason of an unknown names; all of them are in the result."""


class _Said(Struct):
    """What a check said before it ended, and the error that ended it, if one did."""

    findings: list[Finding] = []
    excepted: list[Excepted] = []
    vex: list[Vexed] = []
    remarks: list[Remark] = []
    error: Unavailable | None = None


def evaluate(
    policy: Policy, evidence: Evidence, subject: Subject, facts: Mapping[str, object] | None = None
) -> Verdict:
    """Ask every selected rule and return the verdict; `facts` is what the report tells of the evidence.

    VEX statements and exceptions are applied as of the day of the check, in UTC. Where the image's base is recognised by
    its layers, each finding says whether it comes from there.
    """
    claims = _claims(evidence, subject)
    said = [_ask(setting, policy, evidence, subject, claims) for setting in policy.settings]
    known, filesystem = evidence.values.get(Bases), evidence.values.get(Filesystem)
    found: tuple[Base, ...] = ()
    if isinstance(known, Bases) and isinstance(filesystem, Filesystem):
        found = known.under(filesystem.diff_ids)
        if found:
            said = [_traced(one, len(found[0].diff_ids), known.packages) for one in said]
    return Verdict(
        subject=subject,
        selected=tuple(setting.rule.id for setting in policy.settings),
        results=tuple(_result(setting, one) for setting, one in zip(policy.settings, said, strict=True)),
        not_run=policy.not_selected,
        evidence=facts or {},
        bases=found,
    )


def _claims(evidence: Evidence, subject: Subject) -> Claims | None:
    """Return what VEX documents say of this image; None where none count, or what they say could not be had."""
    vex = evidence.values.get(Vex)
    if not isinstance(vex, Vex):
        return None
    from gate.vex.matching import Claims  # here, because few policies name any

    return Claims(vex, subject)


def _ask(
    setting: RuleSetting, policy: Policy, evidence: Evidence, subject: Subject, claims: Claims | None
) -> _Said:
    """Run one check. Whatever it raises is kept as a value: a rule that breaks is unknown, never silent.

    Only what scanners find is taken away by VEX, which speaks of nothing else.
    """
    if Vulnerabilities not in setting.rule.evidence:
        claims = None
    said = _Said()
    today = subject.day
    try:
        values: list[object] = [evidence.get(kind) for kind in setting.rule.evidence]
        for item in setting.rule.check(*values, setting.options):
            if isinstance(item, Remark):
                said.remarks.append(item)
            elif not isinstance(item, Finding):
                raise TypeError(f"it yielded a {type(item).__name__}")
            elif claims is not None and (claim := claims.about(item)):
                said.vex.append(Vexed(item, claim))
            elif exception := policy.exception_for(setting.rule.id, item, subject, today):
                said.excepted.append(Excepted(item, exception.reason, exception.until))
            elif not item.unknown and (known := policy.baseline_for(setting, item, subject, today)):
                said.excepted.append(Excepted(item, known.reason, known.until, baseline=True))
            else:
                said.findings.append(item)
        said.findings = _settled(setting, said.findings)
    except Unavailable as error:
        said.error = error
    except Exception as error:  # noqa: BLE001 -- of whatever kind, what the rule should have said is unknown
        said.error = Fault(f"the rule {setting.rule.id}", error)
    return said


def _settled(setting: RuleSetting, findings: list[Finding]) -> list[Finding]:
    """Return the findings that count as the rule judges them all together; it can lose none."""
    if setting.rule.settle is None:
        return findings
    settled = list(setting.rule.settle(findings, setting.options))
    if len(settled) != len(findings):
        raise RuntimeError(f"it settled {len(findings)} findings as {len(settled)}")
    return settled


def _result(setting: RuleSetting, said: _Said) -> RuleResult:
    """Decide what a rule's words amount to.

    1. Contradicted or malformed content, and bugs, are unknown under every action, whatever else was found.
    2. A finding that denies is a failure, also if the check could not finish.
    3. A check that could not finish, or that found what it could not tell, is unknown, with the policy's action for that.
    4. Findings that only warn are a failure that warns.
    5. Nothing found is a pass.
    """
    action = _strongest(setting, [one for one in said.findings if not _is_open(one)])
    error = said.error or _open([one for one in said.findings if _is_open(one)])
    if error is not None and error.blocks:  # 1
        outcome, action = Outcome.UNKNOWN, setting.action
    elif action is Action.DENY:  # 2
        outcome = Outcome.FAIL
    elif error is not None:  # 3
        outcome, action = Outcome.UNKNOWN, setting.on_unknown
    elif said.findings:  # 4
        outcome, action = Outcome.FAIL, Action.WARN
    else:  # 5
        outcome, action = Outcome.PASS, setting.action
    return RuleResult(
        rule=setting.rule.id,
        outcome=outcome,
        action=action,
        severity=setting.severity,
        findings=tuple(said.findings),
        excepted=tuple(said.excepted),
        vex=tuple(said.vex),
        remarks=tuple(said.remarks),
        reason="" if error is None else error.message,
        hint="" if error is None else error.hint,
        blocking=error is not None and error.blocks,
        title=setting.rule.title,
        rationale=setting.rule.rationale,
        remediation=setting.rule.remediation,
    )


def _is_open(finding: Finding) -> bool:
    """Whether a finding says that something could not be told, and does not only warn of it."""
    return finding.unknown and finding.action is not Action.WARN


def _open(unknown: list[Finding]) -> Unavailable | None:
    """Return what findings come to that say what could not be told; None where there are none."""
    if not unknown:
        return None
    named = [": ".join(filter(None, (one.location.path, one.message))) for one in unknown[:_EXAMPLES]]
    more = len(unknown) - len(named)
    return Unavailable("; ".join(named) + (f"; and {more} more" if more else ""), hint=unknown[0].remediation)


def _strongest(setting: RuleSetting, findings: list[Finding]) -> Action | None:
    """Return the strongest action that findings ask for; none can go beyond the rule's own."""
    if not findings:
        return None
    asked = {finding.action or setting.action for finding in findings}
    return Action.DENY if setting.action is Action.DENY and Action.DENY in asked else Action.WARN


def _traced(said: _Said, layers: int, packages: _Packages | None) -> _Said:
    """Return what a check said with findings that say whether they come from the lowest `layers`, which are the base's."""

    def traced(finding: Finding) -> Finding:
        base = _from_base(finding, layers, packages)
        action = finding.action_in_base if base and finding.action_in_base else finding.action
        return replace(finding, location=replace(finding.location, base=base), action=action)

    return _Said(
        [traced(finding) for finding in said.findings],
        [replace(item, finding=traced(item.finding)) for item in said.excepted],
        [replace(item, finding=traced(item.finding)) for item in said.vex],
        said.remarks,
        said.error,
    )


def _from_base(finding: Finding, layers: int, packages: _Packages | None) -> bool | None:
    """Whether a finding comes from the base; None where that cannot be told.

    A package of the distribution comes from there if it is in the base's own database. Its layer does not tell: scanners
    name the layer that holds the database, which is written anew with every package that is installed.
    """
    details = finding.details
    if details.get("type") in SYSTEM_TYPES and "package" in details:
        version = str(details.get("version", "")).removeprefix("0:")
        return None if packages is None else (details["type"], details["package"], version) in packages
    index = finding.location.layer_index
    return None if index is None else index < layers
