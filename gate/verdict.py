"""Outcome, RuleResult, Verdict, Report: what was decided, built so that silence cannot read as success."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.evidence import Base, Subject
from gate.rule import Action, Finding, Remark, Severity

if TYPE_CHECKING:
    from gate.vex import Claim


class Outcome(enum.StrEnum):
    """What one rule says."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Status(enum.StrEnum):
    """What the gate says. Only `PASS` opens it."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Excepted(Struct, frozen=True):
    """A finding that a dated exception of the policy, or its `baseline`, covers: it stays visible and does not decide."""

    finding: Finding
    reason: str
    until: date
    baseline: bool = False


class Vexed(Struct, frozen=True):
    """A finding that a VEX statement takes away: it stays visible and does not decide."""

    finding: Finding
    claim: Claim


class RuleResult(Struct, frozen=True):
    """What one selected rule says of one image.

    `action` is what the outcome does. `blocking` marks an unknown that no policy may excuse: contradicted or malformed
    content, or a bug. `reason` says why an unknown is one; `hint` what to do. `title`, `rationale` and `remediation` are
    the rule's own, so that a report explains itself wherever it is read.
    """

    rule: str
    outcome: Outcome
    action: Action
    severity: Severity
    findings: tuple[Finding, ...] = ()
    excepted: tuple[Excepted, ...] = ()
    vex: tuple[Vexed, ...] = ()
    remarks: tuple[Remark, ...] = ()
    reason: str = ""
    hint: str = ""
    blocking: bool = False
    title: str = ""
    rationale: str = ""
    remediation: str = ""

    @property
    def closes(self) -> bool:
        """Whether this result keeps the gate closed."""
        return self.outcome is not Outcome.PASS and (self.action is Action.DENY or self.blocking)

    @property
    def warns(self) -> bool:
        """Whether this result is a warning only."""
        return self.outcome is not Outcome.PASS and not self.closes


class Verdict(Struct, frozen=True):
    """What the gate says of one image for one platform.

    `selected` are the rules that had to answer: building a verdict without exactly one result for each, or with none at
    all, raises `ValueError`. `not_run` says of each known rule that was not selected why. `bases` are the listed bases
    that the image is recognised to be built on, all of the same layers.
    """

    subject: Subject
    selected: tuple[str, ...]
    results: tuple[RuleResult, ...]
    not_run: Mapping[str, str] = {}
    evidence: Mapping[str, object] = {}
    bases: tuple[Base, ...] = ()

    def __post_init__(self) -> None:
        answered = tuple(result.rule for result in self.results)
        if not self.selected or answered != self.selected or len(set(answered)) != len(answered):
            raise ValueError(f"a verdict needs one result for each of {self.selected}, and has {answered}")

    @property
    def findings_by_base(self) -> Mapping[bool | None, int]:
        """How many findings come from the recognised base (True), from above it (False), or cannot be placed (None)."""
        places = [finding.location.base for result in self.results for finding in result.findings]
        return {place: places.count(place) for place in (True, False, None)}

    @property
    def status(self) -> Status:
        """FAIL if a rule that denies failed, else UNKNOWN if one is unknown and not excused, else PASS."""
        closing = {result.outcome for result in self.results if result.closes}
        if Outcome.FAIL in closing:
            return Status.FAIL
        return Status.UNKNOWN if closing else Status.PASS


class Undecided(Struct, frozen=True):
    """A reference, or a platform of one, that no rule judged: it could not be, or it is required and is not there.

    The first is unknown, the second a failure; a pass raises `ValueError`.
    """

    reference: str
    platform: str
    reason: str
    hint: str = ""
    status: Status = Status.UNKNOWN

    def __post_init__(self) -> None:
        if self.status is Status.PASS:
            raise ValueError("what was not judged cannot pass")


class Report(Struct, frozen=True):
    """The verdicts of one run, and what could not be judged.

    `run` is the evidence about the run itself: tool versions, databases and their dates, policy digest and origin,
    timings. `left_out` names platforms and entries that were not judged on purpose, with the reason, per reference.
    `partial` are the references of which platforms that could be run are among them. `as_of` is the day that rules and
    exceptions were asked about, where it was chosen: such a report is a look ahead or back, and opens nothing.
    """

    verdicts: tuple[Verdict, ...]
    undecided: tuple[Undecided, ...] = ()
    left_out: Mapping[str, Mapping[str, str]] = {}
    partial: tuple[str, ...] = ()
    run: Mapping[str, object] = {}
    as_of: date | None = None

    @property
    def status(self) -> Status:
        """The worst of all: fail, then unknown, then pass; unknown where nothing was judged, or a pass is of another day."""
        found = {verdict.status for verdict in self.verdicts} | {other.status for other in self.undecided}
        if Status.FAIL in found:
            return Status.FAIL
        return Status.PASS if found == {Status.PASS} and self.as_of is None else Status.UNKNOWN
