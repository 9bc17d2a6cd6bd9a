"""Both real scanners where the machine gives them too little, and where an update brings what is no database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable, kept
from gate.scanners import Scanner, ScannerSettings, built_in
from samples.databases.grype import grype_archive
from samples.databases.oci_artifact import (
    TITLE,
    TRIVY_LAYER,
    Artifact,
    Served,
    grype_paths,
    registry_paths,
)
from samples.databases.trivy import trivy_archive
from samples.images import debian
from samples.images.builder import Blob
from tests.kit.loopback import serving
from tests.kit.scans import write_target

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_process_left")]

ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}


@pytest.fixture(params=("grype", "trivy"))
def scanner(request: pytest.FixtureRequest) -> Scanner:
    """Each scanner."""
    return built_in()[request.param]


@pytest.mark.parametrize("limit", ["-v 524288", "-f 1", "-n 12"], ids=["memory", "disk", "files"])
def test_a_machine_that_gives_too_little(
    real: ScannerSettings, scanner: Scanner, tmp_path: Path, limit: str
) -> None:
    """It fails with a reason, or finds the same as ever: fewer findings would be a wrong pass."""
    wrapper = tmp_path / "scarce"
    wrapper.write_text(f'#!/bin/sh\nulimit {limit}\nexec {getattr(real, scanner.name)} "$@"\n')
    wrapper.chmod(0o755)
    target = write_target(tmp_path / "image", ROOT)
    expected = scanner.scan(target, real, time.monotonic() + 120)
    assert len(expected.findings) > 50
    scarce = replace(real, **{scanner.name: str(wrapper)})
    found = kept(lambda: scanner.scan(target, scarce, time.monotonic() + 120))
    if isinstance(found, Unavailable):
        assert len(found.message) > 20
        assert found.hint
    else:
        assert limit == "-n 12", "with so little memory or disk it cannot have worked"
        assert {one.opinion.id for one in found.findings} == {one.opinion.id for one in expected.findings}


ANOTHER = "application/vnd.example.layer.v1.tar+gzip"
"""A media type that is none of Trivy's."""


def another_type(archive: bytes) -> Mapping[str, Served]:
    """Trivy's database as a layer of another type."""
    return registry_paths(Artifact(Blob(ANOTHER, archive), "db.tar.gz"), "trivy-db", "2")


def without_title(archive: bytes) -> Mapping[str, Served]:
    """Trivy's database as a layer that has no file name."""
    artifact = Artifact(Blob(TRIVY_LAYER, archive), "")
    plain = artifact.manifest.data.replace(f'"{TITLE}"'.encode(), b'"com.example.title"')
    manifest = Blob(artifact.manifest.media_type, plain)
    served = registry_paths(artifact, "trivy-db", "2")
    names = ("2", manifest.digest)
    return served | {
        f"/v2/trivy-db/manifests/{name}": Served(manifest.media_type, manifest.data) for name in names
    }


@pytest.mark.parametrize("change", [another_type, without_title])
def test_what_is_no_database_of_trivy(
    real: ScannerSettings,
    databases: Path,
    built: datetime,
    tmp_path: Path,
    change: Callable[[bytes], Mapping[str, Served]],
) -> None:
    with serving(change(trivy_archive(databases / "trivy" / "db", built))) as server:
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "new",
            trivy_sources=(f"{server.host}/trivy-db:2",),
        )
        with pytest.raises(Unavailable, match="download failed"):
            built_in()["trivy"].scan(write_target(tmp_path / "image", ROOT), told, time.monotonic() + 120)
        assert any("manifests" in request for request in map(str, server.requests))


@pytest.mark.parametrize("fault", ["garbled listing", "no listing", "no archive"])
def test_what_is_no_database_of_grype(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path, fault: str
) -> None:
    served = grype_paths(grype_archive(databases / "grype" / "6" / "vulnerability.db", built), built)
    listing, archive = "/v6/latest.json", next(path for path in served if path.endswith(".tar.gz"))
    if fault == "garbled listing":
        served[listing] = Served("application/json", b"<html>")
    else:
        del served[listing if fault == "no listing" else archive]
    with serving(served) as server:
        told = replace(
            real,
            offline=False,
            grype_database=tmp_path / "new",
            grype_sources=(f"http://{server.host}",),
        )
        with pytest.raises(Unavailable, match="download failed"):
            built_in()["grype"].scan(write_target(tmp_path / "image", ROOT), told, time.monotonic() + 120)
        assert any("latest.json" in request for request in map(str, server.requests))
