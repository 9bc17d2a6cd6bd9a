"""Both unmodified scanners read the databases that the samples write, and report the same on every sample image."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.scanners import ScannerSettings, ScanTarget, built_in
from gate.scanners.merge import merge
from samples.databases.advisories import load
from samples.databases.grype import VERSION, grype_archive, write_grype_database
from samples.databases.oci_artifact import (
    TRIVY_JAVA_LAYER,
    Artifact,
    grype_paths,
    registry_paths,
    trivy_paths,
)
from samples.databases.trivy import trivy_archive, trivy_java_archive, write_trivy_database
from samples.images.builder import Blob
from samples.images.catalogue import CATALOGUE
from samples.images.layout import oci_layout, write_directory
from tests.kit.loopback import serving
from tests.samples.scans import TRIVY_OFFLINE, grype, grype_findings, trivy, trivy_findings

pytestmark = pytest.mark.real

EXPECTED = {
    "alpine": 54,
    "bad": 216,
    "go-on-scratch": 3,
    "good": 0,
    "languages": 14,
    "multi-platform": 0,
    "wolfi-like": 0,
}
"""Findings per image: what the advisory list says of the versions in it."""


def layout_of(name: str, built: datetime, directory: Path) -> Path:
    return write_directory(oci_layout({"": CATALOGUE[name](built)}), directory / name)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_same_findings(
    name: str,
    built: datetime,
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
) -> None:
    layout = layout_of(name, built, tmp_path)
    by_trivy = trivy_findings(trivy_binary, layout, trivy_cache)
    assert len(by_trivy) == EXPECTED[name]
    assert grype_findings(grype_binary, layout, grype_cache) == by_trivy


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - {"multi-platform"}))
def test_every_raw_finding_is_an_opinion_of_one_joined_finding(
    name: str,
    built: datetime,
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
) -> None:
    """In the gate's own reading of both reports, in either order, and joined a second time."""
    layout = layout_of(name, built, tmp_path)
    settings = ScannerSettings(
        tmp_path, trivy_cache, grype_cache, str(trivy_binary), str(grype_binary), offline=True
    )
    reports = {
        name: scanner.scan(target_of(layout), settings, time.monotonic() + 120)
        for name, scanner in built_in().items()
    }
    found = merge(reports).found
    went_in = Counter(id(raw.opinion) for report in reports.values() for raw in report.findings)
    assert Counter(id(opinion) for item in found for opinion in item.opinions) == went_in
    assert {item.found_by for item in found} <= {("grype", "trivy")}
    assert len(found) >= EXPECTED[name]
    turned = {
        name: replace(report, findings=report.findings[::-1]) for name, report in reversed(reports.items())
    }
    assert merge(turned).found == found


def target_of(layout: Path) -> ScanTarget:
    """The one image of a layout, as the gate hands it to scanners."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads((layout / "blobs" / "sha256" / entry["digest"].partition(":")[2]).read_text())
    return ScanTarget(layout, entry["digest"], manifest["config"]["digest"])


def test_databases_are_used_as_written(
    built: datetime,
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
) -> None:
    """Neither scanner changes a file, so that tests and runs may share one folder."""
    files = [
        path for cache in (trivy_cache, grype_cache) for path in sorted(cache.rglob("*")) if path.is_file()
    ]
    before = [path.read_bytes() for path in files]
    layout = layout_of("alpine", built, tmp_path)
    trivy_findings(trivy_binary, layout, trivy_cache)
    grype_findings(grype_binary, layout, grype_cache)
    assert [path.read_bytes() for path in files] == before
    status = grype(grype_binary, ["db", "status", "-o", "json"], grype_cache)
    assert json.loads(status.stdout)["valid"] is True


def test_trivy_downloads_both_databases(
    built: datetime, trivy_binary: Path, trivy_cache: Path, tmp_path: Path
) -> None:
    archive = trivy_archive(trivy_cache / "db", built)
    java = Artifact(
        Blob(TRIVY_JAVA_LAYER, trivy_java_archive(trivy_cache / "java-db", built)), "javadb.tar.gz"
    )
    paths = trivy_paths(archive) | registry_paths(java, "trivy-java-db", "1")
    downloaded = tmp_path / "cache"
    with serving(paths) as server:
        for kind, repository in (("db", "trivy-db:2"), ("java-db", "trivy-java-db:1")):
            options = [f"--download-{kind}-only", f"--{kind}-repository", f"{server.host}/{repository}"]
            run = trivy(trivy_binary, options, downloaded)
            assert run.returncode == 0, run.stderr
    assert (downloaded / "db" / "trivy.db").read_bytes() == (trivy_cache / "db" / "trivy.db").read_bytes()
    assert any(request.startswith("GET /v2/trivy-java-db/blobs/") for request in server.requests)
    layout = layout_of("languages", built, tmp_path)
    assert trivy_findings(trivy_binary, layout, downloaded) == trivy_findings(
        trivy_binary, layout, trivy_cache
    )


def test_trivy_refuses_a_damaged_download(
    built: datetime, trivy_binary: Path, trivy_cache: Path, tmp_path: Path
) -> None:
    paths = trivy_paths(trivy_archive(trivy_cache / "db", built))
    blobs = [path for path, served in paths.items() if "/blobs/" in path and len(served.body) > 2]
    damaged = {
        path: type(served)(served.media_type, served.body[:-1]) if path in blobs else served
        for path, served in paths.items()
    }
    with serving(damaged) as server:
        options = ["--download-db-only", "--db-repository", f"{server.host}/trivy-db:2"]
        run = trivy(trivy_binary, options, tmp_path / "cache")
    assert run.returncode == 1
    assert not (tmp_path / "cache" / "db" / "trivy.db").exists()


def test_grype_downloads_the_database(
    built: datetime, grype_binary: Path, grype_cache: Path, tmp_path: Path
) -> None:
    archive = grype_archive(grype_cache / "6" / "vulnerability.db", built)
    downloaded = tmp_path / "cache"
    with serving(grype_paths(archive, built)) as server:
        run = grype(
            grype_binary, ["db", "update"], downloaded, {"GRYPE_DB_UPDATE_URL": f"http://{server.host}"}
        )
    assert run.returncode == 0, run.stderr
    status = json.loads(grype(grype_binary, ["db", "status", "-o", "json"], downloaded).stdout)
    assert (status["schemaVersion"], status["valid"]) == (VERSION, True)
    assert datetime.fromisoformat(status["built"]) == built
    layout = layout_of("bad", built, tmp_path)
    assert grype_findings(grype_binary, layout, downloaded) == grype_findings(
        grype_binary, layout, grype_cache
    )


def test_grype_imports_the_archive(
    built: datetime, grype_binary: Path, grype_cache: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "vulnerability-db.tar.gz"
    archive.write_bytes(grype_archive(grype_cache / "6" / "vulnerability.db", built))
    run = grype(grype_binary, ["db", "import", str(archive)], tmp_path / "cache")
    assert run.returncode == 0, run.stderr
    layout = layout_of("alpine", built, tmp_path)
    assert len(grype_findings(grype_binary, layout, tmp_path / "cache")) == EXPECTED["alpine"]


def test_grype_refuses_an_old_database(built: datetime, grype_binary: Path, tmp_path: Path) -> None:
    write_grype_database(tmp_path / "cache", load(), built - timedelta(days=30))
    layout = layout_of("good", built, tmp_path)
    run = grype(grype_binary, [f"oci-dir:{layout}", "-o", "json"], tmp_path / "cache")
    assert run.returncode == 1
    assert "max allowed age" in run.stderr


def test_disagreement_by_leaving_out(
    built: datetime, trivy_binary: Path, grype_binary: Path, trivy_cache: Path, tmp_path: Path
) -> None:
    """A record that only one database holds is found by one scanner alone."""
    write_grype_database(tmp_path / "cache", [item for item in load() if item.id != "CVE-2021-44228"], built)
    layout = layout_of("languages", built, tmp_path)
    by_trivy = trivy_findings(trivy_binary, layout, trivy_cache)
    difference = by_trivy - grype_findings(grype_binary, layout, tmp_path / "cache")
    assert {finding.identifier for finding in difference} == {"CVE-2021-44228"}


def test_empty_databases_are_valid(
    built: datetime, trivy_binary: Path, grype_binary: Path, tmp_path: Path
) -> None:
    """Both scanners take an empty database for a clean bill of health: why the gate checks what a database holds."""
    write_trivy_database(tmp_path / "trivy", (), built)
    write_grype_database(tmp_path / "grype", (), built)
    layout = layout_of("bad", built, tmp_path)
    assert trivy_findings(trivy_binary, layout, tmp_path / "trivy") == set()
    assert grype_findings(grype_binary, layout, tmp_path / "grype") == set()


def test_known_exploited_reaches_the_report(
    built: datetime, grype_binary: Path, grype_cache: Path, tmp_path: Path
) -> None:
    layout = layout_of("bad", built, tmp_path)
    run = grype(grype_binary, [f"oci-dir:{layout}", "-o", "json"], grype_cache)
    exploited = {
        entry["cve"]
        for match in json.loads(run.stdout)["matches"]
        for entry in match["vulnerability"].get("knownExploited", ())
    }
    assert exploited == {"CVE-2021-44228", "CVE-2023-4911"}


def test_trivy_needs_the_java_database(built: datetime, trivy_binary: Path, tmp_path: Path) -> None:
    """Why `write_trivy_database` writes an empty Java index: without one a single jar ends the scan."""
    write_trivy_database(tmp_path / "cache", load(), built)
    for file in (tmp_path / "cache" / "java-db").iterdir():
        file.unlink()
    layout = layout_of("bad", built, tmp_path)
    run = trivy(
        trivy_binary, ["--input", str(layout), *TRIVY_OFFLINE, "--format", "json"], tmp_path / "cache"
    )
    assert run.returncode == 1
    assert "--skip-java-db-update" in run.stderr
