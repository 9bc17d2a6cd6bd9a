"""The bill of materials, checked by CycloneDX's own library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from gate.reporters import RenderOptions
from gate.reporters.cyclonedx import render
from gate.verdict import Report
from tests.kit.full_size import full_size_report
from tests.kit.golden import assert_golden
from tests.kit.reports import (
    DISAGREEMENTS,
    EVIDENCE,
    based_report,
    failing,
    failing_report,
    hostile_report,
    passing_report,
    report,
    result,
    verdict,
    vulnerability,
)
from tests.reporters.test_every_format import MARKUP, marked_report

COMPONENTS = [
    {"type": "deb", "name": "curl", "version": "1.0-1", "purl": "pkg:deb/debian/curl@1.0-1"},
    {"type": "npm", "name": "ws", "version": "8.11.0", "purl": "pkg:npm/ws@8.11.0"},
]


def document(found: Report) -> Any:
    return json.loads(render(found, RenderOptions()))


def assert_valid(found: Report) -> None:
    """Let CycloneDX's library check a document, and check what its schema cannot: references are unique and lead somewhere."""
    text = render(found, RenderOptions())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    references = list(_references(json.loads(text)))
    assert len(set(references)) == len(references)
    told = json.loads(text)
    pointed = [one["ref"] for vulnerability in told["vulnerabilities"] for one in vulnerability["affects"]]
    pointed += [subject for annotation in told["annotations"] for subject in annotation["subjects"]]
    assert set(pointed) <= set(references)


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if "bom-ref" in value:
            yield value["bom-ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_golden() -> None:
    assert_golden("reporters/golden/fail-cyclonedx.json", render(failing_report(), RenderOptions()))


@pytest.mark.parametrize(
    "of", [passing_report, failing_report, based_report, hostile_report, report, lambda: full_size_report(40)]
)
def test_it_is_valid(of: Callable[[], Report]) -> None:
    assert_valid(of())


@pytest.mark.parametrize("text", MARKUP)
def test_it_is_valid_whatever_things_are_called(text: str) -> None:
    assert_valid(marked_report(text))


def test_everything_that_was_seen_is_a_component_of_the_image() -> None:
    found = document(report(verdict(result("non-root"), evidence={**EVIDENCE, "components": COMPONENTS})))
    assert [(one["name"], one["version"], one["purl"]) for one in found["components"]] == [
        ("curl", "1.0-1", "pkg:deb/debian/curl@1.0-1"),
        ("ws", "8.11.0", "pkg:npm/ws@8.11.0"),
    ]
    assert found["metadata"]["component"]["type"] == "container"
    tools = [(one["name"], one["version"]) for one in found["metadata"]["tools"]["components"]]
    assert tools == [("image-gate", "0.1.0"), ("trivy", "0.76.0")]


def test_a_vulnerability_says_who_found_it_and_what_was_decided() -> None:
    counted = vulnerability("CVE-2026-0100", "curl", ("1.0-2",), found_by=("trivy",))
    evidence = {**EVIDENCE, "components": COMPONENTS, "vulnerabilities": DISAGREEMENTS}
    found = document(report(verdict(failing("vulnerabilities", counted), evidence=evidence)))
    first, second = found["vulnerabilities"]
    assert first["properties"] == [
        {"name": "image-gate:decision", "value": "deny by vulnerabilities"},
        {"name": "image-gate:found-by", "value": "trivy"},
    ]
    assert first["affects"] == [{"ref": found["components"][0]["bom-ref"]}]
    assert second["properties"][0]["value"] == "not counted"


def test_several_images_are_components_of_one_document() -> None:
    found = document(failing_report())
    assert [one["type"] for one in found["components"]] == ["container", "container"]
    assert found["metadata"]["component"]["bom-ref"] == "run"


def test_the_same_run_has_the_same_serial_number() -> None:
    assert document(passing_report())["serialNumber"] == document(passing_report())["serialNumber"]
    assert document(passing_report())["serialNumber"] != document(report())["serialNumber"]
