"""GitLab's container scanning report: one wrong field, and GitLab drops all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gate.reporters import RenderOptions
from gate.reporters.gitlab import render
from gate.verdict import Report
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

SEVERITIES = {"Info", "Unknown", "Low", "Medium", "High", "Critical"}
TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"


def rendered(found: Report) -> Any:
    return json.loads(render(found, RenderOptions()))


def assert_valid(document: Any) -> None:
    """Check what the schema of 15.0.7 requires of the fields that we write."""
    assert document["version"] == "15.0.7"
    scan = document["scan"]
    for name in ("analyzer", "scanner"):
        program = scan[name]
        assert all(program[key] for key in ("id", "name", "version"))
        assert program["vendor"]["name"]
    assert scan["type"] == "container_scanning"
    assert scan["status"] in ("success", "failure")
    assert re.fullmatch(TIME, scan["start_time"])
    assert re.fullmatch(TIME, scan["end_time"])
    assert all(one["level"] in ("info", "warn", "fatal") and one["value"] for one in scan["messages"])
    identifiers = [one["id"] for one in document["vulnerabilities"]]
    assert len(set(identifiers)) == len(identifiers)
    for one in document["vulnerabilities"]:
        assert_valid_entry(one)


def assert_valid_entry(one: Any) -> None:
    """Check one vulnerability."""
    assert one["id"]
    assert len(one["name"]) <= 255
    assert len(one["description"]) <= 1_048_576
    assert len(one["solution"]) <= 7_000
    assert one["severity"] in SEVERITIES
    assert 1 <= len(one["identifiers"]) <= 20
    for name in one["identifiers"]:
        assert all(name[key] for key in ("type", "name", "value"))
        assert re.match("https?://.+", name.get("url", "https://x"))
    assert all(re.match("https?://.+", link["url"]) for link in one["links"])
    location = one["location"]
    assert location["image"]
    assert location["operating_system"]
    assert isinstance(location["dependency"]["package"]["name"], str)
    assert isinstance(location["dependency"]["version"], str)
    vectors = one.get("cvss_vectors")
    assert vectors is None or 1 <= len(vectors) <= 10


def test_golden() -> None:
    assert_golden("reporters/golden/fail-gitlab.json", render(failing_report(), RenderOptions()))


@pytest.mark.parametrize("of", [passing_report, failing_report, based_report, hostile_report, report])
def test_it_has_what_the_schema_requires(of: Callable[[], Report]) -> None:
    assert_valid(rendered(of()))


def test_vectors_that_would_void_the_report_are_left_out() -> None:
    vectors = {
        "nvd": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "old": "AV:N/AC:L/Au:N/C:P/I:P/A:P",
        "new": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "odd": "CVSS:3.1/AV:N",
    }
    found = vulnerability("CVE-2026-0001", "curl", ("2",), opinions=[{"vectors": vectors}])
    (one,) = rendered(report(verdict(failing("vulnerabilities", found))))["vulnerabilities"]
    assert {vector["vendor"] for vector in one["cvss_vectors"]} == {"nvd", "old"}


@pytest.mark.parametrize(
    ("url", "links"),
    [
        ("https://avd.example.com/CVE-2026-0001", 1),
        ("http://example.com", 1),
        ("javascript:alert(1)", 0),
        ("avd.example.com/x", 0),
        ("https://", 0),
        ('https://x"><b>', 0),
    ],
)
def test_only_addresses_become_links(url: str, links: int) -> None:
    found = vulnerability("CVE-2026-0001", "curl", ("2",), opinions=[{"url": url}])
    (one,) = rendered(report(verdict(failing("vulnerabilities", found))))["vulnerabilities"]
    assert len(one["links"]) == links


def test_it_is_tracked_by_the_cve_first() -> None:
    found = vulnerability("CVE-2026-0001", "curl", ("2",), aliases=["GHSA-2222-3333-4444", "DSA-1-1"])
    (one,) = rendered(report(verdict(failing("vulnerabilities", found))))["vulnerabilities"]
    assert [name["type"] for name in one["identifiers"]] == ["cve", "ghsa", "image_gate_vulnerability_id"]


def test_an_image_without_a_distribution_is_said_to_be_of_an_unknown_one() -> None:
    found = verdict(failing("vulnerabilities", vulnerability("CVE-2026-0001", "x", ())), evidence={})
    assert rendered(report(found))["vulnerabilities"][0]["location"]["operating_system"] == "unknown"


def test_times_have_no_zone_and_are_of_the_run_or_else_of_the_check() -> None:
    run = {"started": "2026-11-23T14:00:00+02:00", "seconds": 90.5}
    scan = rendered(replace(passing_report(), run=run))["scan"]
    assert (scan["start_time"], scan["end_time"]) == ("2026-11-23T12:00:00", "2026-11-23T12:01:30")
    late = verdict(failing("no-shell"), subject=subject(checked_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert rendered(report(late, run={}))["scan"]["start_time"] == "2026-01-01T00:00:00"


def test_what_was_not_judged_makes_the_scan_a_failure() -> None:
    assert rendered(failing_report())["scan"]["status"] == "failure"
    assert rendered(passing_report())["scan"]["status"] == "success"
