"""Counts in the text format of OpenMetrics."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gate.reporters import RenderOptions
from gate.reporters.openmetrics import render
from gate.verdict import Report
from tests.kit.golden import assert_golden
from tests.kit.reports import based_report, failing_report, hostile_report, passing_report, report
from tests.reporters.test_every_format import MARKUP, marked_report

SAMPLE = r'image_gate_[a-z]+\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\} [0-9]+'


def assert_well_formed(text: str) -> None:
    """Check what the format's grammar says of what we write; no series stands there twice."""
    *lines, last, end = text.split("\n")
    assert (last, end) == ("# EOF", "")
    samples = [line for line in lines if not line.startswith("# ")]
    assert all(re.fullmatch(SAMPLE, line) for line in samples)
    series = [line.rpartition(" ")[0] for line in samples]
    assert len(set(series)) == len(series)


def test_golden() -> None:
    assert_golden("reporters/golden/fail-openmetrics.txt", render(failing_report(), RenderOptions()))


@pytest.mark.parametrize("of", [passing_report, failing_report, based_report, hostile_report, report])
def test_it_is_well_formed(of: Callable[[], Report]) -> None:
    assert_well_formed(render(of(), RenderOptions()))


@pytest.mark.parametrize("text", [*MARKUP, '"', '"} 1\nx{y="', "\\"])
def test_a_label_ends_where_it_should(text: str) -> None:
    assert_well_formed(render(marked_report(text), RenderOptions()))
