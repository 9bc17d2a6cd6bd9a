from __future__ import annotations

from typing import Any

import pytest

from gate.evidence import Vulnerabilities, Vulnerability
from gate.rule import Action, Finding
from gate.rules._tolerating import settle
from gate.rules._vulnerability_options import AtMost, Grace, VulnerabilitiesOptions
from gate.rules.vulnerabilities import RULE, check
from tests.kit.reports import subject
from tests.kit.vulnerabilities import CONFIG, opinion, scan_runs, vulnerability


def numbered(count: int, severity: str = "high", **more: Any) -> list[Vulnerability]:
    return [vulnerability(opinion(severity, **more), id_=f"CVE-2023-{number}") for number in range(count)]


def settled(*found: Vulnerability, **options: Any) -> list[Finding]:
    """What the rule finds, and makes of it when all of that counts."""
    given = VulnerabilitiesOptions(**options)
    said = check(Vulnerabilities(found), scan_runs("grype", "trivy"), CONFIG, subject(), given)
    return list(settle([item for item in said if isinstance(item, Finding)], given))


@pytest.mark.parametrize(("number", "action"), [(1, Action.WARN), (2, Action.WARN), (3, None)])
def test_a_number_of_findings_is_tolerated_and_one_more_makes_all_of_them_deny(
    number: int, action: Action | None
) -> None:
    found = settled(*numbered(number), *numbered(1, "critical"), at_most=AtMost(high=2))
    assert [one.action for one in found] == [None, *[action] * number]
    assert {one.details["decided_by"] for one in found[1:]} == {"at-most" if action else "threshold"}
    told = "; at most 2 of this severity are tolerated"
    assert [one.message.endswith(told) for one in found] == [False, *[action is Action.WARN] * number]


def test_what_is_in_its_grace_is_not_counted() -> None:
    fresh = numbered(3, published="2026-11-22")
    found = settled(*numbered(2), *fresh, at_most=AtMost(high=2), grace=Grace(high=7))
    assert [one.action for one in found] == [Action.WARN] * 5


def test_what_is_known_to_be_exploited_is_never_tolerated() -> None:
    exploited = vulnerability(opinion(known_exploited=True))
    assert [one.action for one in settled(exploited, known_exploited="deny", at_most=AtMost(high=5))] == [
        None
    ]
    assert [one.action for one in settled(exploited, at_most=AtMost(high=5))] == [Action.WARN]


def test_what_nobody_rates_is_never_tolerated() -> None:
    (found,) = settled(vulnerability(opinion("unknown")), unrated="deny", at_most=AtMost(negligible=5))
    assert (found.action, found.details["decided_by"]) == (None, "unrated")


def test_the_rule_settles_its_findings_so() -> None:
    assert RULE.settle is settle
