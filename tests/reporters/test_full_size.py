"""20,000 findings: every report stays within what its platform takes, and says what it leaves out."""

from __future__ import annotations

import gzip
import json

import pytest

from gate.reporters import RenderOptions, reporter
from gate.verdict import Report
from tests.kit.full_size import full_size_report

FINDINGS = 20_000
KIB, MIB = 1024, 1024 * 1024

LIMITS = {
    "github": 64 * KIB,
    "sarif": 60 * MIB,
    "junit": 30 * MIB,
    "gitlab": 100 * MIB,
    "codequality": 20 * MIB,
    "markdown": 1024 * KIB,
    "comment": 65_536,
    "html": 4 * MIB,
    "cyclonedx": 100 * MIB,
    "openmetrics": 64 * KIB,
    "text": 64 * KIB,
    "json": 200 * MIB,
}
"""Bytes: what the platform takes where it says so (docs/reports.md), else what is still pleasant to handle."""


@pytest.fixture(scope="module")
def full() -> Report:
    return full_size_report(FINDINGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_it_is_within_its_limit(name: str, full: Report) -> None:
    assert len(reporter(name).render(full, RenderOptions()).encode()) <= LIMITS[name]


@pytest.mark.slow
def test_sarif_is_within_what_github_unpacks(full: Report) -> None:
    text = reporter("sarif").render(full, RenderOptions())
    assert len(gzip.compress(text.encode(), 6)) <= 10 * MIB
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) <= 25_000
    assert len(run["tool"]["driver"]["rules"]) <= 25_000
    assert all(len(rule["properties"]["tags"]) <= 10 for rule in run["tool"]["driver"]["rules"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("markdown", "and 18,000 more"),
        ("comment", "and 19,980 more"),
        ("codequality", "more problems, none worse than the ones listed"),
        ("junit", "more, which the JSON report has"),
        ("html", "17,000 more are left out here, and the JSON report has them"),
        ("text", "more (--verbose lists all)"),
        ("github", "and 4,997 more"),
    ],
)
def test_what_is_left_out_is_said(name: str, said: str, full: Report) -> None:
    assert said in reporter(name).render(full, RenderOptions())
