"""GitLab's Code Quality report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gate.reporters import RenderOptions, codequality
from gate.reporters._dockerfile import Dockerfile
from gate.reporters.codequality import render
from gate.verdict import Report
from tests.kit.golden import assert_golden
from tests.kit.reports import based_report, failing_report, hostile_report, passing_report, report

SEVERITIES = {"info", "minor", "major", "critical", "blocker"}

PLAIN = RenderOptions()


def issues(found: Report, options: RenderOptions = PLAIN) -> Any:
    return json.loads(render(found, options))


def test_golden() -> None:
    assert_golden("reporters/golden/fail-codequality.json", render(failing_report(), RenderOptions()))


@pytest.mark.parametrize("of", [passing_report, failing_report, based_report, hostile_report, report])
def test_it_has_what_gitlab_requires(of: Callable[[], Report]) -> None:
    found = issues(of())
    assert len({one["fingerprint"] for one in found}) == len(found)
    for one in found:
        assert one["description"]
        assert one["check_name"]
        assert one["severity"] in SEVERITIES
        assert not one["location"]["path"].startswith(("/", "./"))
        assert one["location"]["lines"]["begin"] >= 1


def test_a_pass_is_an_empty_list() -> None:
    assert issues(passing_report()) == []


def test_issues_stand_at_the_dockerfile() -> None:
    dockerfile = Dockerfile("Dockerfile", ((1, "FROM"), (2, "FROM"), (3, "USER")))
    found = issues(failing_report(), RenderOptions(dockerfile=dockerfile))
    assert {one["check_name"]: one["location"]["lines"]["begin"] for one in found}["non-root"] == 3
    assert {one["location"]["path"] for one in found} == {"Dockerfile"}


def test_the_least_urgent_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codequality, "ISSUES", 2)
    *_, last = issues(failing_report())
    assert last["description"].startswith("14 more problems, none worse")
