"""A report that is read back is the one that was written, or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.reporters import RenderOptions
from gate.reporters._document import report_document
from gate.reporters._reading import read_report
from gate.reporters._restoring import restored
from gate.reporters.json import json_text, render
from gate.verdict import Report
from tests.kit.reports import (
    based_report,
    failing_report,
    hostile_report,
    passing_report,
    unseen_report,
    vexed_report,
)

REPORTS = (passing_report, failing_report, based_report, hostile_report, unseen_report, vexed_report)


def read_back(document: Any, folder: Path) -> Report:
    path = folder / "report.json"
    path.write_text(json_text(document))
    return restored(read_report(str(path)), "report.json")


@pytest.mark.parametrize("of", REPORTS)
def test_what_is_written_of_it_is_the_same(of: Callable[[], Report], tmp_path: Path) -> None:
    found = read_back(report_document(of()), tmp_path)
    assert render(found, RenderOptions()) == render(of(), RenderOptions())
    assert found.status is of().status


def test_a_report_of_the_first_releases_says_when_for_the_whole_run(tmp_path: Path) -> None:
    document = json.loads(render(passing_report(), RenderOptions()))
    del document["verdicts"][0]["subject"]["checked_at"]
    assert (
        read_back(document, tmp_path).verdicts[0].subject.checked_at.isoformat()
        == "2026-11-23T12:00:00+00:00"
    )
    del document["run"]["started"]
    with pytest.raises(InvalidInput, match="is no report"):
        read_back(document, tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "fail"),
        (("verdicts", 0, "status"), "unknown"),
        (("verdicts", 0, "results"), []),
        (("verdicts", 0, "results", 0, "outcome"), "unknown"),
        (("verdicts", 0, "subject", "digest"), "sha256:1"),
        (("verdicts", 0, "subject", "digest"), None),
        (("verdicts", 0, "subject", "names"), ["not a name!"]),
        (("verdicts", 0, "results", 1, "rule"), "max-age"),
        (("as_of",), "2026-12-31"),
        (("verdicts",), []),
    ],
)
def test_a_report_that_contradicts_itself_is_none(
    path: tuple[str | int, ...], value: Any, tmp_path: Path
) -> None:
    document = json.loads(render(passing_report(), RenderOptions()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InvalidInput, match=r"report\.json"):
        read_back(document, tmp_path)
