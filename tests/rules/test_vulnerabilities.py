from __future__ import annotations

from typing import Any

import pytest

from gate.evidence import Opinion, Vulnerabilities, Vulnerability
from gate.rule import Action, Finding, Remark, Severity
from gate.rules.vulnerabilities import RULE, VulnerabilitiesOptions, check, fixed_version, severity_of
from tests.kit import trees

CONFIG = trees.config(layers=3)
LAYERS = [str(digest) for digest in CONFIG.diff_ids]


def opinion(severity: str = "high", scanner: str = "trivy", **more: Any) -> Opinion:
    fields: dict[str, Any] = {
        "id": "CVE-2023-5363", "aliases": (), "severity_source": "nvd", "severities": {}, "scores": {},
        "fixed_versions": ("3.0.11-1~deb12u2",), "fix_state": "fixed", **more,
    }  # fmt: skip
    return Opinion(scanner=scanner, severity=severity, **fields)


def vulnerability(*opinions: Opinion, id_: str = "CVE-2023-5363", **more: Any) -> Vulnerability:
    fields: dict[str, Any] = {
        "package_type": "deb",
        "package_name": "libssl3",
        "package_version": "3.0.9-1",
        "purl": "pkg:deb/debian/libssl3@3.0.9-1",
        "layer": LAYERS[1],
        "path": "/var/lib/dpkg/status",
        **more,
    }
    return Vulnerability(id=id_, aliases=("GHSA-a",), opinions=opinions, **fields)


def run(*found: Vulnerability, **options: Any) -> list[Finding | Remark]:
    return list(check(Vulnerabilities(found), CONFIG, VulnerabilitiesOptions(**options)))


def findings(*found: Vulnerability, **options: Any) -> list[Finding]:
    return [item for item in run(*found, **options) if isinstance(item, Finding)]


def test_nothing_found_passes() -> None:
    assert run() == []


def test_a_severe_vulnerability_is_a_finding() -> None:
    (found,) = findings(vulnerability(opinion(), opinion("medium", "grype", known_exploited=True, epss=0.4)))
    assert found.message == (
        "CVE-2023-5363 (high known to be exploited) in libssl3 3.0.9-1, fixed in 3.0.11-1~deb12u2"
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
    assert severity_of(vulnerability(*opinions)) is expected


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


def test_the_rule_itself() -> None:
    assert RULE.id == "vulnerabilities"
    assert RULE.options is VulnerabilitiesOptions
