from __future__ import annotations

from typing import Any

import pytest

from gate.errors import InvalidInput, Unavailable
from gate.evidence import Database, Feed, Opinion, Vulnerabilities, Vulnerability
from gate.options import decode
from gate.policy.document import parse
from gate.rule import Action, Finding, Remark, Severity
from gate.rules._fixes import fixed_version
from gate.rules._rating import Preferred, rate
from gate.rules._vulnerability_options import Grace, VulnerabilitiesOptions
from gate.rules.vulnerabilities import RULE, check
from tests.kit.reports import subject
from tests.kit.vulnerabilities import BUILT, CONFIG, LAYERS, opinion, scan_runs, vulnerability

LISTS = dict.fromkeys(("kev", "epss"), Feed(Database("1", BUILT)))
"""Feeds that list nothing of what is found here."""


def run(*found: Vulnerability, **options: Any) -> list[Finding | Remark]:
    given = VulnerabilitiesOptions(**options)
    return list(check(Vulnerabilities(found, LISTS), scan_runs("grype", "trivy"), CONFIG, subject(), given))


def findings(*found: Vulnerability, **options: Any) -> list[Finding]:
    return [item for item in run(*found, **options) if isinstance(item, Finding)]


def test_nothing_found_passes() -> None:
    assert run() == []


def test_a_severe_vulnerability_is_a_finding() -> None:
    (found,) = findings(vulnerability(opinion(), opinion("medium", "grype", known_exploited=True, epss=0.4)))
    assert found.message == (
        "CVE-2023-5363 (high, known to be exploited) in libssl3 3.0.9-1, fixed in 3.0.11-1~deb12u2"
    )
    assert (found.id, found.severity, found.action) == ("CVE-2023-5363", Severity.HIGH, None)
    place = found.location
    assert (place.layer, place.layer_index, place.path) == (LAYERS[1], 1, "/var/lib/dpkg/status")
    assert place.package == "pkg:deb/debian/libssl3@3.0.9-1"
    assert found.remediation == "Upgrade libssl3 from 3.0.9-1 to 3.0.11-1~deb12u2 or later."
    details = found.details
    assert details["found_by"] == ["grype", "trivy"]
    assert details["aliases"] == ["GHSA-a"]
    assert (details["known_exploited"], details["epss"]) == (True, 0.4)
    assert details["fixed"] == ["3.0.11-1~deb12u2"]


def test_one_below_the_threshold_is_counted_only() -> None:
    (remark,) = run(vulnerability(opinion("medium")))
    assert isinstance(remark, Remark)
    assert remark.message.startswith("1 more ")


@pytest.mark.parametrize(
    ("threshold", "count"), [("critical", 1), ("high", 2), ("medium", 3), ("low", 4), ("negligible", 5)]
)
def test_thresholds(threshold: str, count: int) -> None:
    words = ("critical", "high", "medium", "low", "negligible")
    assert len(findings(*(vulnerability(opinion(word)) for word in words), threshold=threshold)) == count


def test_the_worst_comes_first() -> None:
    words = ("low", "critical", "medium", "high")
    found = findings(*(vulnerability(opinion(word)) for word in words), threshold="low")
    assert [str(item.severity) for item in found] == ["critical", "high", "medium", "low"]


@pytest.mark.parametrize(
    ("opinions", "expected"),
    [
        ((opinion("low"), opinion("critical", "grype")), Severity.CRITICAL),
        ((opinion("unknown"), opinion("negligible", "grype")), Severity.NEGLIGIBLE),
        ((opinion("unknown", severities={"nvd": "high", "ghsa": "low"}),), Severity.HIGH),
        ((opinion("low", severities={"nvd": "high"}),), Severity.LOW),
        (
            (opinion("unknown"), opinion("unknown", "grype", severities={"debian": "unknown"})),
            Severity.UNKNOWN,
        ),
        ((opinion("<script>"),), Severity.UNKNOWN),
        ((), Severity.UNKNOWN),
    ],
)
def test_the_severity_that_counts(opinions: tuple[Opinion, ...], expected: Severity) -> None:
    assert rate(vulnerability(*opinions), "highest").severity is expected


@pytest.mark.parametrize(("unrated", "action"), [("deny", None), ("warn", Action.WARN)])
def test_one_that_nobody_rates_is_judged_by_an_option(unrated: str, action: Action | None) -> None:
    (found,) = findings(vulnerability(opinion("unknown")), unrated=unrated, threshold="critical")
    assert (found.severity, found.action) == (Severity.UNKNOWN, action)


def test_one_that_nobody_rates_may_be_passed_over() -> None:
    assert findings(vulnerability(opinion("unknown")), unrated="ignore") == []


def test_by_default_one_that_nobody_rates_warns() -> None:
    assert [item.action for item in findings(vulnerability(opinion("unknown")))] == [Action.WARN]


def test_what_has_no_fix_may_pass() -> None:
    unfixed = vulnerability(opinion(fixed_versions=(), fix_state="not-fixed"))
    (found,) = findings(unfixed)
    assert found.message.endswith("no fix is published")
    assert "exception" in found.remediation
    assert findings(unfixed, only_fixable=True) == []
    assert len(findings(vulnerability(opinion()), only_fixable=True)) == 1
    assert (
        findings(vulnerability(opinion("unknown", fixed_versions=())), unrated="deny", only_fixable=True)
        == []
    )


def test_a_layer_that_is_not_of_the_image() -> None:
    (found,) = findings(vulnerability(opinion(), layer="sha256:" + "f" * 64, path="", purl=""))
    assert (found.location.layer_index, found.location.path, found.location.package) == (None, None, None)


@pytest.mark.parametrize(
    ("package_type", "installed", "fixes", "expected"),
    [
        ("maven", "2.14.1", [("2.12.2", "2.15.0", "2.3.1")], "2.15.0"),
        ("maven", "2.3.0", [("2.12.2", "2.15.0", "2.3.1")], "2.3.1"),
        ("deb", "3.0.9-1", [("3.0.11-1~deb12u1",), ("3.0.11-1~deb12u2",)], "3.0.11-1~deb12u2"),
        ("deb", "3.0.9-1", [("3.0.11-1",), ("3.0.11-1",)], "3.0.11-1"),
        ("deb", "1:2.0-1", [("1:2.0-10",), ("1:2.0-9",)], "1:2.0-10"),
        ("apk", "1.2.5-r0", [("1.2.5-r10", "1.2.5-r9")], "1.2.5-r9"),
        ("pypi", "3.1.2", [("3.1.10", "3.1.3")], "3.1.3"),
        ("npm", "3.4.1", [("3.5.0", "4.0.0-beta.1")], "3.5.0"),
        ("golang", "0.7.0", [("0.17.0", "0.9.0")], "0.9.0"),
        ("rpm", "1:3.0.7-18.el9", [("1:3.0.7-25.el9", "1:3.0.7-24.el9")], "1:3.0.7-24.el9"),
        ("deb", "3.0.9-1", [()], ""),
        ("deb", "9", [("1", "2")], "1 or 2"),
        ("odd", "1", [("2", "3")], "2 or 3"),
        ("npm", "?", [("2", "3")], "2 or 3"),
    ],
)
def test_the_version_to_upgrade_to(
    package_type: str, installed: str, fixes: list[tuple[str, ...]], expected: str
) -> None:
    opinions = [
        opinion(fixed_versions=versions, scanner=f"s{number}") for number, versions in enumerate(fixes)
    ]
    found = vulnerability(*opinions, package_type=package_type, package_version=installed)
    assert fixed_version(found) == expected


@pytest.mark.parametrize(
    ("counts", "ran"),
    [
        ("both", ("trivy",)),
        ("review", ("grype",)),
        ("trivy", ("grype",)),
        ("grype", ("trivy",)),
        ("both", ()),
    ],
)
def test_scanners_that_are_to_count_and_did_not_run_are_no_pass(counts: Any, ran: tuple[str, ...]) -> None:
    runs = scan_runs(*ran, **{name: Unavailable("gone") for name in {"grype", "trivy"} - set(ran)})
    options = VulnerabilitiesOptions(counts=counts)
    with pytest.raises(Unavailable, match=f"counts: {counts}") as raised:
        list(check(Vulnerabilities(()), runs, CONFIG, subject(), options))
    assert "required: [trivy, grype]" in raised.value.hint


def test_one_scanner_is_enough_where_any_counts() -> None:
    options = VulnerabilitiesOptions()
    assert list(check(Vulnerabilities(()), scan_runs("trivy"), CONFIG, subject(), options)) == []


def test_a_finding_says_whose_severity_was_used_and_what_each_source_says() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
    scored = opinion(
        severities={"nvd": "high", "debian": "low"}, scores={"nvd": 7.5}, vectors={"nvd": vector}
    )
    (found,) = findings(vulnerability(scored, opinion("low", "grype")), rated_by=Preferred(prefer=("nvd",)))
    assert found.details["rated_by"] == {"rule": "prefer nvd", "scanner": "trivy", "source": "nvd"}
    opinions: Any = found.details["opinions"]
    by_trivy = opinions[0]
    assert by_trivy["severities"] == {"debian": "low", "nvd": "high"}
    assert (by_trivy["scores"], by_trivy["vectors"]) == ({"nvd": 7.5}, {"nvd": vector})


def test_a_warning_tells_in_advance_when_it_denies() -> None:
    (found,) = findings(vulnerability(opinion(published="2026-11-20")), grace=Grace(high=7))
    assert found.message.endswith("fixed in 3.0.11-1~deb12u2; denied from 2026-11-27 on")
    assert (found.action, found.details["denied_from"]) == (Action.WARN, "2026-11-27")
    assert found.details["decided_by"] == "grace"


@pytest.mark.parametrize(
    ("exploited", "expected"), [(False, Action.WARN), (True, None)], ids=["usual", "exploited"]
)
def test_what_comes_from_the_base_may_warn_unless_it_is_exploited(
    exploited: bool, expected: Action | None
) -> None:
    (found,) = findings(
        vulnerability(opinion(known_exploited=exploited)), in_base="warn", known_exploited="deny"
    )
    assert (found.action, found.action_in_base) == (None, expected)


def test_the_options_are_read_from_a_policy_and_mistakes_are_named() -> None:
    text = "{counts: review, rated-by: {prefer: [nvd, vendor]}, grace: {high: 7, from: fix}, at-most: {low: 3}, epss: 0.5}"
    options = decode(parse(text.encode(), "p.yaml"), VulnerabilitiesOptions, "rules.vulnerabilities")
    assert options.rated_by == Preferred(prefer=("nvd", "vendor"))
    assert (options.grace.days("high"), options.grace.from_, options.grace.days("unknown")) == (7, "fix", 0)
    assert (options.at_most.of("low"), options.at_most.of("high"), options.epss) == (3, 0, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{counts: all}", "p.yaml:1:10: rules.vulnerabilities.counts is the text 'all'"),
        ("{rated-by: lowest}", "p.yaml:1:12: rules.vulnerabilities.rated-by is the text 'lowest'"),
        ("{rated-by: {prefer: []}}", "p.yaml:1:21: rules.vulnerabilities.rated-by.prefer"),
        ("{rated-by: {order: [nvd]}}", "p.yaml:1:13: rules.vulnerabilities.rated-by"),
        ("{grace: {high: -1}}", "p.yaml:1:16: rules.vulnerabilities.grace.high is -1"),
        ("{grace: {hihg: 1}}", "p.yaml:1:10: rules.vulnerabilities.grace has no key 'hihg'"),
        ("{epss: 2}", "p.yaml:1:8: rules.vulnerabilities.epss is 2"),
        ("{at-most: 5}", "p.yaml:1:11: rules.vulnerabilities.at-most is 5"),
        ("{refine: [{threshold: off}]}", "p.yaml:1:23: rules.vulnerabilities.refine[0].threshold"),
        ("{refine: [{cvss: [network]}]}", "p.yaml:1:19: rules.vulnerabilities.refine[0].cvss[0]"),
    ],
)
def test_a_wrong_option_is_refused_at_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        decode(parse(text.encode(), "p.yaml"), VulnerabilitiesOptions, "rules.vulnerabilities")
    assert raised.value.message.startswith(message)


def test_the_rule_itself() -> None:
    assert RULE.id == "vulnerabilities"
    assert RULE.options is VulnerabilitiesOptions
