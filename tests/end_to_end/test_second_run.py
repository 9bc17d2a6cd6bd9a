"""A second check of the same image, with both real scanners: known, and the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gate.cli.exits import Exit, run
from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.images import debian
from samples.images.builder import Settings, build_image
from samples.images.entries import with_parents
from samples.images.languages import java_library, node_package
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory

pytestmark = pytest.mark.real

POLICY = """schema: 1
scanners: {required: [trivy, grype]}
rules:
  vulnerabilities: {action: deny, threshold: high}
  scan-coverage: {action: deny}
"""
FILES = {
    **debian.release_files(),
    **debian.status_file(debian.RELEASE_12_0),
    **node_package("jquery", "3.4.1"),
    **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"),
}


@pytest.fixture
def arguments(tmp_path: Path, trivy_binary: Path, grype_binary: Path) -> list[str]:
    """A check with both scanners, but for the cache."""
    now = datetime.now(UTC)
    write_trivy_database(tmp_path / "trivy", load(), now)
    write_grype_database(tmp_path / "grype", load(), now)
    image = build_image([layer_of(with_parents(FILES))], Settings(None))
    layout = write_directory(oci_layout({"": image}), tmp_path / "image")
    (tmp_path / "policy.yaml").write_text(POLICY)
    return [
        "check", f"oci:{layout}", "--offline", "--policy", str(tmp_path / "policy.yaml"),
        "--trivy", str(trivy_binary), "--grype", str(grype_binary),
        "--trivy-cache", str(tmp_path / "trivy"), "--grype-db", str(tmp_path / "grype"),
    ]  # fmt: skip


def checked(arguments: list[str], report: Path) -> tuple[Any, dict[str, Any]]:
    """Check, and return the verdict's rules and what is said of the scanners."""
    assert run([*arguments, "--output", f"json={report}"]) is Exit.FAIL
    (verdict,) = json.loads(report.read_text())["verdicts"]
    return verdict["results"], verdict["evidence"]["scanners"]


def test_a_second_check_finds_the_same_without_scanning(arguments: list[str], tmp_path: Path) -> None:
    arguments += ["--cache-dir", str(tmp_path / "cache")]
    first, scanned = checked(arguments, tmp_path / "first.json")
    again, known = checked(arguments, tmp_path / "second.json")
    assert again == first
    for name in ("grype", "trivy"):
        assert scanned[name]["reused"] is None
        assert datetime.fromisoformat(known[name]["reused"]).tzinfo is not None
        assert {**known[name], "reused": None} == scanned[name]


def test_without_a_cache_both_scan_again(arguments: list[str], tmp_path: Path) -> None:
    for name in ("first", "second"):
        _, scanned = checked([*arguments, "--no-cache"], tmp_path / f"{name}.json")
        assert [run["reused"] for run in scanned.values()] == [None, None]
