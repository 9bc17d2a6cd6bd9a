from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evidence import Vulnerability
from gate.rule import Action, Severity
from gate.rules._deciding import Circumstances, Decision, decide_all
from gate.rules._vulnerability_options import Grace, Metrics, Refinement, VulnerabilitiesOptions
from tests.kit.vulnerabilities import opinion, vulnerability

TODAY = date(2026, 11, 23)
BOTH = vulnerability(opinion(), opinion(scanner="grype"))
ALONE = vulnerability(opinion(), id_="CVE-2023-1")


def decide(*found: Vulnerability, today: date = TODAY, **options: Any) -> list[Decision]:
    known = Circumstances(VulnerabilitiesOptions(**options), ("grype", "trivy"), today)
    return decide_all(found, known)


def actions(*found: Vulnerability, **options: Any) -> list[Action | None]:
    return [one.action for one in decide(*found, **options)]


@pytest.mark.parametrize(
    ("counts", "both", "alone"),
    [
        ("any", Action.DENY, Action.DENY),
        ("both", Action.DENY, None),
        ("trivy", Action.DENY, Action.DENY),
        ("grype", Action.DENY, None),
        ("review", Action.DENY, Action.WARN),
    ],
)
def test_which_findings_count(counts: str, both: Action, alone: Action | None) -> None:
    assert actions(BOTH, ALONE, counts=counts) == [both, alone]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [("both", Action.DENY), ("review", Action.DENY), ("trivy", Action.DENY), ("grype", None)],
)
def test_what_the_other_scanner_has_under_another_id_is_found_by_both(
    counts: str, expected: Action | None
) -> None:
    named = vulnerability(opinion(), named_by=("grype",))
    assert actions(named, counts=counts) == [expected]


def test_what_is_to_be_reviewed_has_a_threshold_of_its_own_and_says_who_found_it() -> None:
    medium = vulnerability(opinion("medium", "grype"))
    assert actions(medium, counts="review") == [None]
    (found,) = decide(medium, counts="review", review_threshold="low")
    assert (found.action, found.by, found.told) == (Action.WARN, "review", "found by grype alone")
    assert actions(ALONE, counts="review", review_threshold="critical") == [None]
    assert actions(vulnerability(opinion("unknown")), counts="review", unrated="deny") == [Action.WARN]


@pytest.mark.parametrize(("option", "action"), [("deny", Action.DENY), ("warn", Action.WARN), ("off", None)])
def test_what_is_known_to_be_exploited_counts_whatever_else_is_said(
    option: str, action: Action | None
) -> None:
    low = vulnerability(opinion("low", known_exploited=True, fixed_versions=(), fix_state="not-fixed"))
    (found,) = decide(low, known_exploited=option, only_fixable=True, counts="both")
    assert found.action is action
    assert found.by == ("counts" if option == "off" else "known-exploited")


def test_a_warning_about_exploitation_excuses_nothing() -> None:
    high = vulnerability(opinion(known_exploited=True), opinion(scanner="grype"))
    assert actions(high, known_exploited="warn") == [Action.DENY]


def test_what_is_known_to_be_exploited_has_no_grace() -> None:
    fresh = vulnerability(opinion(known_exploited=True, published="2026-11-22T10:00:00Z"))
    assert actions(fresh, known_exploited="deny", grace=Grace(high=30)) == [Action.DENY]
    assert actions(fresh, grace=Grace(high=30)) == [Action.WARN]


@pytest.mark.parametrize(
    ("epss", "action"), [(0.4, Action.DENY), (0.41, None), (0.0, Action.DENY), (None, None)]
)
def test_what_is_likely_to_be_exploited(epss: float | None, action: Action | None) -> None:
    likely = vulnerability(opinion("low", epss=0.1), opinion("low", "grype", epss=0.4))
    (found,) = decide(likely, epss=epss)
    assert found.action is action
    if action:
        assert (found.by, found.told) == (
            "epss",
            "exploited with a probability of 0.40 (grype 0.400, trivy 0.100)",
        )


def test_one_without_a_prediction_is_not_taken_for_a_likely_one() -> None:
    assert actions(vulnerability(opinion("low")), epss=0.0) == [None]


@pytest.mark.parametrize(
    ("refinement", "fits"),
    [
        ({"types": ("deb",)}, True),
        ({"types": ("npm", "deb")}, True),
        ({"types": ("npm",)}, False),
        ({"packages": ("libssl*",)}, True),
        ({"packages": ("ssl",)}, False),
        ({"paths": ("/var/lib/*",)}, True),
        ({"paths": ("/app/*", "/opt/*")}, False),
        ({"fix_states": ("fixed",)}, True),
        ({"fix_states": ("wont-fix",)}, False),
        ({"types": ("deb",), "packages": ("zlib1g",)}, False),
        ({}, True),
    ],
)
def test_some_packages_have_a_threshold_of_their_own(refinement: dict[str, Any], fits: bool) -> None:
    refine = (Refinement(threshold="critical", **refinement),)
    assert actions(BOTH, refine=refine) == [None if fits else Action.DENY]


@pytest.mark.parametrize(
    ("vectors", "fits"),
    [
        (["CVSS:3.1/AV:L/AC:L/PR:H/UI:N"], True),
        (["CVSS:3.1/AV:P/AC:L/PR:N/UI:N"], True),
        (["CVSS:3.1/AV:L/AC:L/PR:N/UI:N"], False),
        (["CVSS:3.1/AV:L/AC:L/PR:H/UI:N", "CVSS:4.0/AV:P/AC:H"], True),
        (["CVSS:3.1/AV:L/AC:L/PR:H/UI:N", "CVSS:3.1/AV:N/AC:L/PR:H/UI:N"], False),
        (["CVSS:3.1/MAV:P/AC:L"], False),
        ([], False),
    ],
)
def test_metrics_must_be_in_every_vector(vectors: list[str], fits: bool) -> None:
    refine = (Refinement(threshold="critical", cvss=(Metrics("AV:L/PR:H"), Metrics("AV:P"))),)
    opinions = [opinion(vectors={"nvd": vector}) for vector in vectors] or [opinion()]
    assert actions(vulnerability(*opinions), refine=refine) == [None if fits else Action.DENY]


def test_the_first_refinement_that_fits_counts() -> None:
    refine = Refinement(types=("deb",), threshold="low", action="warn"), Refinement(packages=("libssl3",))
    (found,) = decide(vulnerability(opinion("low")), refine=refine)
    assert (found.action, found.by) == (Action.WARN, "refine")
    assert actions(BOTH, refine=refine[::-1]) == [Action.DENY]


def test_brackets_in_a_pattern_are_brackets() -> None:
    found = vulnerability(opinion(), path="/app/[id]/x")
    assert actions(found, refine=(Refinement(paths=("/app/[id]/*",), action="warn"),)) == [Action.WARN]
    other = vulnerability(opinion(), path="/app/i/x")
    assert actions(other, refine=(Refinement(paths=("/app/[id]/*",), action="warn"),)) == [Action.DENY]


@pytest.mark.parametrize(
    ("published", "denied_from"),
    [
        ("2026-11-17", date(2026, 11, 24)),
        ("2026-11-17T23:59:59Z", date(2026, 11, 24)),
        ("2026-11-16T00:00:00Z", None),
        ("2026-11-24", date(2026, 12, 1)),
        ("2026-11-25", None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("no date", None),
        ("9999-99-99", None),
    ],
)
def test_a_fresh_finding_warns_and_says_from_when_on_it_denies(
    published: str, denied_from: date | None
) -> None:
    (found,) = decide(vulnerability(opinion(published=published)), grace=Grace(high=7))
    assert found.action is (Action.DENY if denied_from is None else Action.WARN)
    assert found.denied_from == denied_from
    assert found.told == ("" if denied_from is None else f"denied from {denied_from} on")


def test_the_grace_ends_on_the_day_that_was_said() -> None:
    fresh = vulnerability(opinion(published="2026-11-17"))
    days = [date(2026, 11, day) for day in (22, 23, 24, 25)]
    found = [actions(fresh, today=day, grace=Grace(high=7))[0] for day in days]
    assert found == [Action.WARN, Action.WARN, Action.DENY, Action.DENY]


def test_the_earliest_date_counts_and_only_that_which_was_asked_for() -> None:
    fresh = vulnerability(
        opinion(published="2026-11-20", fix_published="2026-11-21"),
        opinion(scanner="grype", published="2026-10-01"),
    )
    assert actions(fresh, grace=Grace(high=7)) == [Action.DENY]
    (found,) = decide(fresh, grace=Grace(high=7, from_="fix"))
    assert found.denied_from == date(2026, 11, 28)
    assert actions(fresh, grace=Grace(critical=7, medium=7)) == [Action.DENY]


def test_what_nobody_rates_has_no_grace() -> None:
    unrated = vulnerability(opinion("unknown", published="2026-11-20"))
    assert actions(unrated, unrated="deny", grace=Grace(negligible=30)) == [Action.DENY]


def numbered(count: int, severity: str = "high", **more: Any) -> list[Vulnerability]:
    return [vulnerability(opinion(severity, **more), id_=f"CVE-2023-{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("versions", "only_fixable", "action", "by"),
    [
        (("2",), True, Action.DENY, "threshold"),
        ((), True, None, "only-fixable"),
        (("2",), False, Action.DENY, "threshold"),
        ((), False, Action.DENY, "threshold"),
    ],
)
def test_what_has_no_fix_counts_unless_the_policy_says_so(
    versions: tuple[str, ...], only_fixable: bool, action: Action | None, by: str
) -> None:
    (found,) = decide(vulnerability(opinion(fixed_versions=versions)), only_fixable=only_fixable)
    assert (found.action, found.by) == (action, by)


@pytest.mark.parametrize(
    ("unrated", "action"), [("deny", Action.DENY), ("warn", Action.WARN), ("ignore", None)]
)
def test_what_nobody_rates_is_decided_by_its_own_option(unrated: str, action: Action | None) -> None:
    (found,) = decide(vulnerability(opinion("unknown")), unrated=unrated)
    assert (found.action, found.by) == (action, "unrated")


def test_what_is_below_the_threshold_says_so() -> None:
    (found,) = decide(vulnerability(opinion("medium")), unrated="ignore")
    assert (found.action, found.by) == (None, "threshold")


def test_the_worst_come_first() -> None:
    found = decide(*numbered(1, "low"), *numbered(1, "critical"), *numbered(1, "medium"))
    assert [one.rating.severity for one in found] == [Severity.CRITICAL, Severity.MEDIUM, Severity.LOW]


OPTIONS = st.builds(
    VulnerabilitiesOptions,
    threshold=st.sampled_from(["low", "high"]),
    counts=st.sampled_from(["any", "both", "trivy", "review"]),
    known_exploited=st.sampled_from(["deny", "warn", "off"]),
    only_fixable=st.booleans(),
    unrated=st.sampled_from(["deny", "warn", "ignore"]),
    grace=st.builds(Grace, high=st.sampled_from([0, 30])),
)
FOUND = st.lists(
    st.builds(
        lambda word, scanners, exploited, day: vulnerability(
            *(opinion(word, name, known_exploited=exploited, published=day) for name in scanners)
        ),
        st.sampled_from(["critical", "high", "low", "unknown"]),
        st.sampled_from([("trivy",), ("grype",), ("grype", "trivy")]),
        st.sampled_from([None, True, False]),
        st.sampled_from(["", "2026-11-20", "2020-01-01"]),
    ),
    max_size=6,
)


@given(FOUND, OPTIONS)
def test_everything_is_decided_once_and_no_denial_is_without_a_reason(
    found: list[Vulnerability], options: VulnerabilitiesOptions
) -> None:
    decisions = decide_all(found, Circumstances(options, ("grype", "trivy"), TODAY))
    assert sorted(id(one.found) for one in decisions) == sorted(map(id, found))
    assert all(one.by for one in decisions)
    for one in decisions:
        if any(given.known_exploited for given in one.found.opinions) and options.known_exploited == "deny":
            assert one.action is Action.DENY
        if one.denied_from is not None:
            assert one.action is Action.WARN
            assert one.denied_from > TODAY
