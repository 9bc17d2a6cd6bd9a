"""JUnit results, as CI systems read them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from gate.reporters import RenderOptions, junit
from gate.reporters.junit import render
from gate.rule import Finding
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
)


def suites(found: Report) -> ElementTree.Element:
    return ElementTree.fromstring(render(found, RenderOptions()).encode())


def test_golden() -> None:
    assert_golden("reporters/golden/fail-junit.xml", render(failing_report(), RenderOptions()))


@pytest.mark.parametrize("of", [passing_report, failing_report, based_report, hostile_report, report])
def test_counts_are_right_and_a_case_has_one_outcome(of: Callable[[], Report]) -> None:
    root = suites(of())
    assert root.tag == "testsuites"
    for suite in [root, *root]:
        cases = list(suite.iter("testcase"))
        assert suite.get("tests") == str(len(cases))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(name) == str(len(list(suite.iter(tag))))
    for case in root.iter("testcase"):
        assert case.get("name")
        assert case.get("classname")
        assert sum(case.find(tag) is not None for tag in ("failure", "error", "skipped")) <= 1


def test_a_rule_that_only_warns_passes_and_says_so() -> None:
    root = suites(failing_report())
    case = next(case for case in root.iter("testcase") if case.get("name") == "max-age")
    assert case.find("failure") is None
    assert str(case.findtext("system-out")).startswith("warning: built 97 days ago")


def test_a_very_long_name_does_not_part_a_rule_from_its_findings() -> None:
    found = verdict(failing("no-shell", Finding("shell sh")), subject=subject("oci:" + "x" * 5_000))
    (suite,) = suites(report(found))
    assert suite.get("failures") == "1"


def test_many_findings_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "FINDINGS", 2)
    many = [Finding(f"shell number {number}") for number in range(5)]
    (failure,) = suites(report(verdict(failing("no-shell", *many)))).iter("failure")
    assert "and 3 more, which the JSON report has" in str(failure.text)
    assert failure.get("message") == "shell number 0 (and 4 more)"
