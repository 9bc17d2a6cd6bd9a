"""What became of a policy's exceptions: which have expired, which end soon, and which nothing needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from gate.policy.policy import Policy
from gate.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from gate.policy.exceptions import PolicyException


def exception_facts(policy: Policy, verdicts: Iterable[Verdict], today: date) -> Mapping[str, object]:
    """Return what a report tells of the exceptions on the day `today` (UTC).

    `unused_exceptions` names those that covered nothing although they could have: their rule answered for an image that
    they are for. What a run did not judge says nothing of them.
    """
    soon = today + timedelta(days=policy.exceptions_notice_days)
    asked, used = _asked_and_used(policy, verdicts) if policy.exceptions else (set(), set())
    return {
        "expired_exceptions": [exception.summary for exception in policy.expired(today)],
        "expiring_exceptions": [
            {
                "exception": exception.summary,
                "until": exception.until.isoformat(),
                "days": (exception.until - today).days,
                "owner": exception.owner,
            }
            for exception in sorted(policy.exceptions, key=lambda exception: exception.until)
            if today <= exception.until <= soon
        ],
        "unused_exceptions": [
            exception.summary for exception in policy.unused(used, today) if exception in asked
        ],
    }


def baseline_facts(policy: Policy, verdicts: Iterable[Verdict], today: date) -> Mapping[str, object]:
    """Return what a report tells of the baseline, nothing where the policy names none; `not_for` lists images without one."""
    baseline = policy.baseline
    if baseline is None:
        return {}
    subjects = [verdict.subject for verdict in verdicts if not baseline.is_for(verdict.subject)]
    return {
        "baseline": {
            "file": baseline.file,
            "created": baseline.created.isoformat(),
            "until": baseline.until.isoformat(),
            "in_force": baseline.in_force(today),
            "not_for": [f"{subject.reference} ({subject.platform})" for subject in subjects],
        }
    }


def _asked_and_used(
    policy: Policy, verdicts: Iterable[Verdict]
) -> tuple[set[PolicyException], set[PolicyException]]:
    """Return the exceptions whose rule gave a whole answer for an image of theirs, and those that covered a finding."""
    asked: set[PolicyException] = set()
    used: set[PolicyException] = set()
    for verdict in verdicts:
        results = {result.rule: result for result in verdict.results}
        for exception in policy.exceptions:
            result = results.get(exception.rule)
            if result is None:
                continue
            if result.outcome is not Outcome.UNKNOWN and exception.is_for(verdict.subject):
                asked.add(exception)
            if any(exception.covers(excepted.finding, verdict.subject) for excepted in result.excepted):
                used.add(exception)
    return asked, used
