"""Annotations: what the runner of GitHub Actions reads from standard output."""

from __future__ import annotations

import re

import pytest

from gate.reporters import RenderOptions
from gate.reporters._dockerfile import Dockerfile
from gate.reporters.github import SHOWN, render
from gate.rule import Action, Finding
from gate.verdict import Report
from tests.kit.golden import assert_golden
from tests.kit.reports import failing, failing_report, passing_report, report, verdict

PLAIN = RenderOptions()


def annotated(found: Report, kind: str, options: RenderOptions = PLAIN) -> list[str]:
    return [line for line in render(found, options).splitlines() if line.startswith(f"::{kind} ")]


def test_golden() -> None:
    options = RenderOptions(dockerfile=Dockerfile("Dockerfile", ((1, "FROM"), (2, "USER"))))
    assert_golden("reporters/golden/fail-github.txt", render(failing_report(), options))


def test_a_pass_is_a_notice() -> None:
    assert render(passing_report(), RenderOptions()) == "::notice title=image-gate%3A pass::3 rules passed\n"


@pytest.mark.parametrize(("action", "kind"), [(Action.DENY, "error"), (Action.WARN, "warning")])
def test_ten_of_a_kind_are_shown_and_the_last_counts_the_others(action: Action, kind: str) -> None:
    rules = [failing(f"rule-{n:02}", Finding("x"), action=action) for n in range(SHOWN + 3)]
    lines = annotated(report(verdict(*rules)), kind)
    assert len(lines) == SHOWN
    assert "4 more rules and images" in lines[-1]
    assert "rule-12" in lines[-1]
    assert len(annotated(report(verdict(*rules[:SHOWN])), kind)) == SHOWN


def test_what_would_end_a_command_or_a_property_is_escaped() -> None:
    path = "a,b:c%"
    options = RenderOptions(dockerfile=Dockerfile(path, ((1, "FROM"),)))
    (line,) = annotated(
        report(verdict(failing("no-shell", Finding("100% x::y\r\n::error::z")))), "error", options
    )
    assert "file=a%2Cb%3Ac%25,line=1,title=image-gate%3A no-shell (high)::" in line
    assert "100%25 x" in line
    assert not re.search(r"\n|\r", line)


def test_one_annotation_for_a_rule_whatever_the_platform() -> None:
    one = verdict(failing("no-shell", Finding("shell sh")))
    assert len(annotated(report(one, one), "error")) == 1
