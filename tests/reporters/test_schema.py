"""The published schema is what the code writes, is fresh, and describes every field of real reports."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from docs.generate import report_schema_text
from gate.reporters import RenderOptions
from gate.reporters.json import render
from gate.verdict import Report
from tests.kit.reports import based_report, failing_report, hostile_report, passing_report

SCHEMA = Path(__file__).parent.parent.parent / "gate" / "schemas" / "report.json"
REPORTS = [passing_report, failing_report, based_report, hostile_report, lambda: Report(())]


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_it_is_fresh() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == report_schema_text(), "run `make generate`"


def test_it_is_a_schema(schema: Any) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("of", REPORTS)
def test_reports_are_valid(schema: Any, of: Callable[[], Report]) -> None:
    jsonschema.Draft202012Validator(schema).validate(json.loads(render(of(), RenderOptions())))


@pytest.mark.parametrize("of", REPORTS)
def test_no_field_is_undocumented(schema: Any, of: Callable[[], Report]) -> None:
    strict = copy.deepcopy(schema)
    for definition in (strict, *strict["$defs"].values()):
        if "properties" in definition:
            definition["additionalProperties"] = False
    jsonschema.Draft202012Validator(strict).validate(json.loads(render(of(), RenderOptions())))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], 2),
        (["status"], "ok"),
        (["verdicts", 0, "results", 0, "outcome"], "skipped"),
        (["verdicts", 0, "results", 0, "severity"], "5"),
        (["verdicts", 0, "subject", "digest"], 7),
        (["verdicts", 0, "results", 0, "findings"], None),
    ],
)
def test_it_refuses_other_documents(schema: Any, path: list[str | int], value: object) -> None:
    document = json.loads(render(failing_report(), RenderOptions()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(document)


def test_an_older_reader_accepts_a_newer_report(schema: Any) -> None:
    document = json.loads(render(passing_report(), RenderOptions()))
    document["verdicts"][0]["added_later"] = document["added_later"] = 1
    jsonschema.Draft202012Validator(schema).validate(document)
