"""What became of a policy's exceptions: which have expired, which end soon, which nothing needed, and which took in much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from gate.policy.policy import Policy
from gate.verdict import Outcome, Verdict
from gate.vex import WEAKENING, Document, Vex

if TYPE_CHECKING:
    from gate.policy.exceptions import PolicyException

LISTED = 100
"""Statements of one document that are named where they are refused or unused: distributors write tens of thousands."""
BROAD = 10
"""Findings that an exception without an id may cover before a report asks whether all of them were meant."""


def exception_facts(policy: Policy, verdicts: Iterable[Verdict], today: date) -> Mapping[str, object]:
    """Return what a report tells of the exceptions on the day `today` (UTC).

    `unused_exceptions` names those that covered nothing although they could have: their rule answered for an image that
    they are for. What a run did not judge says nothing of them. `broad_exceptions` names those without an id that covered
    more than `BROAD` findings.
    """
    soon = today + timedelta(days=policy.exceptions_notice_days)
    asked, used = _asked_and_used(policy, verdicts) if policy.exceptions else (set(), Counter())
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
        "broad_exceptions": [
            {"exception": exception.summary, "findings": number}
            for exception, number in used.items()
            if number > BROAD and not exception.id
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


def vex_facts(documents: Sequence[Document], verdicts: Sequence[Verdict]) -> Mapping[str, object]:
    """Return what a report tells of VEX documents, nothing where none count.

    A statement is unused that took nothing away although it could have: it is about an image for which the rule on what
    scanners find gave a whole answer.
    """
    if not documents:
        return {}
    used = {
        (item.claim.document.digest, item.claim.statement.number)
        for verdict in verdicts
        for result in verdict.results
        for item in result.vex
    }
    asked = _asked_statements(documents, verdicts)
    return {"vex": [_document_facts(document, asked, used) for document in documents]}


_Numbers = Collection[tuple[str, int]]
"""Statements, each by the digest of its document and its place there."""


def _asked_statements(documents: Sequence[Document], verdicts: Iterable[Verdict]) -> _Numbers:
    """Return the statements that speak of images for which the rule `vulnerabilities` gave a whole answer."""
    from gate.vex.matching import Claims  # here, because few policies name any

    asked: set[tuple[str, int]] = set()
    for verdict in verdicts:
        if any(
            one.rule == "vulnerabilities" and one.outcome is not Outcome.UNKNOWN for one in verdict.results
        ):
            claims = Claims(Vex(tuple(documents)), verdict.subject)
            asked |= {(claim.document.digest, claim.statement.number) for claim in claims}
    return asked


def _document_facts(document: Document, asked: _Numbers, used: _Numbers) -> Mapping[str, object]:
    """Return what a report tells of one document; of its refused and unused statements only the first are named."""
    keys = {(document.digest, statement.number): statement for statement in document.statements}
    unused = [
        {"number": statement.number, "ids": sorted(statement.ids), "status": statement.status}
        for key, statement in keys.items()
        if key in asked and key not in used and statement.status in WEAKENING
    ]
    return {
        "name": document.name,
        "origin": document.origin,
        "digest": document.digest,
        "format": document.format,
        "id": document.id,
        "author": document.author,
        "statements": len(document.statements),
        "used": len(keys.keys() & set(used)),
        "unused": len(unused),
        "unused_statements": unused[:LISTED],
        "refused": len(document.refused),
        "refused_statements": [
            {"number": refused.number, "id": refused.id, "reason": refused.reason}
            for refused in document.refused[:LISTED]
        ],
    }


def _asked_and_used(
    policy: Policy, verdicts: Iterable[Verdict]
) -> tuple[set[PolicyException], Counter[PolicyException]]:
    """Return the exceptions whose rule gave a whole answer for an image of theirs, and how many findings each covered."""
    asked: set[PolicyException] = set()
    used: Counter[PolicyException] = Counter()
    for verdict in verdicts:
        results = {result.rule: result for result in verdict.results}
        for exception in policy.exceptions:
            result = results.get(exception.rule)
            if result is None:
                continue
            if result.outcome is not Outcome.UNKNOWN and exception.is_for(verdict.subject):
                asked.add(exception)
            if number := sum(exception.covers(one.finding, verdict.subject) for one in result.excepted):
                used[exception] += number
    return asked, used
