from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evidence import Opinion
from gate.rule import Severity
from gate.rules._rating import Preferred, RatedBy, Rating, rate
from tests.kit.vulnerabilities import opinion, vulnerability

TRIVY = opinion("high", "trivy", severity_source="nvd", severities={"nvd": "high", "redhat": "low"})
GRYPE = opinion(
    "medium", "grype", severity_source="debian", severities={"debian": "medium", "nvd": "critical"}
)
NOBODY = opinion("unknown", "grype", severity_source="debian")


def prefer(*sources: str) -> Preferred:
    return Preferred(prefer=sources)


@pytest.mark.parametrize(
    ("rated_by", "severity", "rule", "scanner", "source"),
    [
        ("highest", Severity.HIGH, "highest", "trivy", "nvd"),
        ("agreed", Severity.MEDIUM, "agreed", "grype", "debian"),
        (prefer("vendor", "nvd"), Severity.MEDIUM, "prefer vendor", "grype", "debian"),
        (prefer("nvd"), Severity.CRITICAL, "prefer nvd", "grype", "nvd"),
        (prefer("NVD"), Severity.CRITICAL, "prefer NVD", "grype", "nvd"),
        (prefer("ghsa", "redhat"), Severity.LOW, "prefer redhat", "trivy", "redhat"),
        (prefer("ghsa"), Severity.HIGH, "highest, because no preferred source rates it", "trivy", "nvd"),
    ],
)
def test_the_severity_that_is_used_and_by_which_rule(
    rated_by: RatedBy, severity: Severity, rule: str, scanner: str, source: str
) -> None:
    for opinions in permutations((TRIVY, GRYPE)):
        assert rate(vulnerability(*opinions), rated_by) == Rating(severity, rule, scanner, source)


def test_sources_are_the_same_whatever_a_scanner_calls_them() -> None:
    found = vulnerability(
        opinion("high", "trivy", severities={"ghsa": "low"}),
        opinion("high", "grype", severity_source="github", severities={"github": "critical"}),
    )
    assert rate(found, prefer("ghsa")) == Rating(Severity.CRITICAL, "prefer ghsa", "grype", "github")
    assert rate(found, prefer("vendor")).rule.startswith("highest")


def test_whoever_rates_nothing_has_no_say_in_what_is_agreed() -> None:
    assert rate(vulnerability(TRIVY, NOBODY), "agreed").severity is Severity.HIGH
    assert rate(vulnerability(NOBODY), "agreed") == Rating(Severity.UNKNOWN, "highest")
    passed_on = opinion("unknown", "grype", severities={"nvd": "low"})
    assert rate(vulnerability(passed_on), "agreed") == Rating(Severity.LOW, "highest", "grype", "nvd")


def test_a_scanner_that_says_it_twice_means_the_higher() -> None:
    twice = vulnerability(opinion("low", "trivy"), opinion("critical", "trivy"), opinion("high", "grype"))
    assert rate(twice, "agreed").severity is Severity.HIGH


WORDS = st.sampled_from(["critical", "high", "medium", "low", "negligible", "unknown", "odd"])
OPINIONS = st.lists(
    st.builds(
        lambda word, scanner, source, severities: opinion(
            word, scanner, severity_source=source, severities=severities
        ),
        WORDS,
        st.sampled_from(["grype", "trivy"]),
        st.sampled_from(["", "nvd", "debian", "github"]),
        st.dictionaries(st.sampled_from(["nvd", "debian", "ghsa"]), WORDS, max_size=3),
    ),
    max_size=5,
)


@given(OPINIONS, st.randoms())
def test_the_order_of_opinions_does_not_matter(opinions: list[Opinion], random: Any) -> None:
    shuffled = opinions.copy()
    random.shuffle(shuffled)
    for rated_by in ("highest", "agreed", prefer("nvd", "vendor")):
        one = rate(vulnerability(*opinions), rated_by)
        assert rate(vulnerability(*shuffled), rated_by) == one


@given(OPINIONS)
def test_what_any_source_rates_is_rated_whoever_is_asked(opinions: list[Opinion]) -> None:
    found = vulnerability(*opinions)
    highest = rate(found, "highest")
    agreed = rate(found, "agreed")
    assert agreed.severity <= highest.severity
    for other in (agreed, rate(found, prefer("ghsa", "vendor"))):
        assert (other.severity is Severity.UNKNOWN) == (highest.severity is Severity.UNKNOWN)
