"""SARIF that OASIS's schema and GitHub's rules accept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from gate.reporters import RenderOptions, sarif
from gate.reporters._dockerfile import Dockerfile
from gate.reporters.sarif import render
from gate.rule import Action, Severity
from gate.verdict import Report
from tests.conftest import Tools
from tests.kit.golden import assert_golden
from tests.kit.reports import (
    based_report,
    failing,
    failing_report,
    hostile_report,
    passing_report,
    report,
    subject,
    verdict,
    vulnerability,
)

PLAIN = RenderOptions()


def run_of(found: Report, options: RenderOptions = PLAIN) -> Any:
    (run,) = json.loads(render(found, options))["runs"]
    return run


def test_golden() -> None:
    assert_golden("reporters/golden/fail.sarif", render(failing_report(), RenderOptions()))


@pytest.mark.real
@pytest.mark.parametrize("of", [passing_report, failing_report, based_report, hostile_report, report])
def test_it_keeps_to_the_schema_of_oasis(of: Callable[[], Report], tools: Tools) -> None:
    schema = json.loads(tools.path("sarif_schema").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(json.loads(render(of(), RenderOptions())))] == []
    broken = json.loads(render(failing_report(), RenderOptions()))
    broken["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator.is_valid(broken)


def test_every_result_names_a_rule_that_is_described() -> None:
    run = run_of(failing_report())
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]


@pytest.mark.parametrize(
    ("severity", "score", "expected"),
    [
        (Severity.CRITICAL, None, "9.5"),
        (Severity.CRITICAL, 7.5, "9.0"),
        (Severity.HIGH, 8.1, "8.1"),
        (Severity.HIGH, 9.8, "8.9"),
        (Severity.MEDIUM, None, "5.5"),
        (Severity.LOW, 0.0, "0.1"),
        (Severity.UNKNOWN, 9.8, "0.1"),
    ],
)
def test_github_shows_the_severity_by_which_the_policy_decided(
    severity: Severity, score: float | None, expected: str
) -> None:
    opinions = [{"scores": {"nvd": score}}] if score is not None else []
    found = vulnerability("CVE-2026-0001", "curl", ("2",), severity, opinions=opinions)
    (rule,) = run_of(report(verdict(failing("vulnerabilities", found))))["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == expected


def test_a_warning_is_one() -> None:
    found = vulnerability("CVE-2026-0001", "curl", ("2",))
    run = run_of(report(verdict(failing("vulnerabilities", found, action=Action.WARN))))
    assert [one["level"] for one in run["results"]] == ["warning"]


def test_fingerprints_outlive_tags_versions_and_days() -> None:
    def fingerprint(reference: str, **facts: Any) -> str:
        found = vulnerability("CVE-2026-0001", "curl", ("2",), **facts)
        one = verdict(failing("vulnerabilities", found), subject=subject(reference, names=()))
        (told,) = run_of(report(one))["results"]
        return str(told["partialFingerprints"]["primaryLocationLineHash"])

    first = fingerprint("oci:build/image:1.0")
    assert fingerprint("oci:build/image:2.0", version="9") == first
    assert fingerprint(f"oci:build/image@sha256:{'a' * 64}") == first
    assert fingerprint("oci:build/other:1.0") != first


def test_fingerprints_of_a_distributions_package_outlive_a_change_of_scanners() -> None:
    """Grype states the path of the package database, and Trivy none."""
    found = vulnerability("CVE-2026-0001", "curl", ("2",))
    stated = replace(found, location=replace(found.location, path="/var/lib/dpkg/status"))
    of_trivy, of_grype = (run_of(report(verdict(failing("vulnerabilities", one)))) for one in (found, stated))
    name = "imageGate/v1"
    assert {one["partialFingerprints"][name] for one in of_trivy["results"]} == {
        one["partialFingerprints"][name] for one in of_grype["results"]
    }


def test_results_that_nothing_tells_apart_have_fingerprints_of_their_own() -> None:
    found = vulnerability("CVE-2026-0001", "curl", ("2",))
    run = run_of(report(verdict(failing("vulnerabilities", found, found))))
    assert len({one["partialFingerprints"]["imageGate/v1"] for one in run["results"]}) == 2


def test_what_goes_beyond_github_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "RESULTS", 3)
    run = run_of(failing_report())
    assert [one["level"] for one in run["results"]] == ["error"] * 3
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("13 results are left out")


def test_a_dockerfile_is_pointed_at() -> None:
    dockerfile = Dockerfile("a b/Dockerfile", ((1, "FROM"), (3, "USER")))
    run = run_of(failing_report(), RenderOptions(dockerfile=dockerfile))
    places = {one["ruleId"]: one["locations"][0]["physicalLocation"] for one in run["results"]}
    assert places["non-root"] == {"artifactLocation": {"uri": "a%20b/Dockerfile"}, "region": {"startLine": 3}}
    assert places["no-shell"]["region"] == {"startLine": 1}
