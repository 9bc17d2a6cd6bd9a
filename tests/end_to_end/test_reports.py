"""One check with both real scanners, in every format: what platforms require, and the same from the JSON alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from gate.cli.exits import Exit, run
from gate.reporters import formats
from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.images import debian
from samples.images.builder import Settings, build_image
from samples.images.entries import with_parents
from samples.images.languages import node_package
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from tests.conftest import Tools
from tests.reporters.test_gitlab import assert_valid

pytestmark = pytest.mark.real

POLICY = """schema: 1
scanners: {required: [trivy, grype]}
rules: {vulnerabilities: {threshold: high}, scan-coverage: {}, non-root: {action: warn}}
"""
FILES = {
    **debian.release_files(),
    **debian.status_file(debian.RELEASE_12_0),
    **node_package("minimist", "1.2.5"),
}


def test_every_format_of_a_real_run(
    trivy_binary: Path, grype_binary: Path, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    write_trivy_database(tmp_path / "trivy", load(), now)
    write_grype_database(tmp_path / "grype", load(), now)
    image = build_image([layer_of(with_parents(FILES))], Settings(None))
    write_directory(oci_layout({"": image}), tmp_path / "image")
    (tmp_path / "policy.yaml").write_text(POLICY)
    scanners = [
        f"--trivy={trivy_binary}",
        f"--grype={grype_binary}",
        "--trivy-cache=trivy",
        "--grype-db=grype",
    ]
    first = [f"--output={name}=first.{name}" for name in formats()]
    assert run(["check", "oci:image", "--offline", "--policy", "policy.yaml", *scanners, *first]) is Exit.FAIL
    second = [f"--output={name}=second.{name}" for name in formats()]
    assert run(["report", "first.json", *second]) is Exit.PASS
    assert run(["verdict", "first.json"]) is Exit.FAIL
    made = {name: (tmp_path / f"first.{name}").read_text() for name in formats()}
    assert made == {name: (tmp_path / f"second.{name}").read_text() for name in formats()}

    schema = json.loads(tools.path("sarif_schema").read_text())
    jsonschema.validate(json.loads(made["sarif"]), schema, jsonschema.Draft7Validator)
    assert_valid(json.loads(made["gitlab"]))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made["cyclonedx"]) is None
    components = {one["name"]: one.get("purl", "") for one in json.loads(made["cyclonedx"])["components"]}
    assert components["minimist"] == "pkg:npm/minimist@1.2.5"
    assert components["openssl"].startswith("pkg:deb/debian/openssl@")
    assert {name for name in formats() if "CVE-2021-44906" not in made[name]} == {"openmetrics"}
    assert " 1. " in made["text"]
    assert "glibc 2.36-9" in made["text"]
