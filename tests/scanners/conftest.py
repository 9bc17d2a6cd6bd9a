"""What the tests of the scanners share: databases of the shipped advisories, settings, one target, and a look for leftovers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.scanners import ScannerSettings, ScanTarget
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from tests.kit.scans import run_files

TARGET = ScanTarget(Path("/layout"), "sha256:" + "a" * 64, "sha256:" + "c" * 64)


@pytest.fixture(scope="session")
def built() -> datetime:
    """The moment at which both databases were built."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, built: datetime) -> Path:
    """A folder with `trivy/db`, `trivy/java-db`, `grype/6` and `feeds`; do not change it."""
    folder = tmp_path_factory.mktemp("databases")
    write_trivy_database(folder / "trivy", load(), built)
    write_grype_database(folder / "grype", load(), built)
    write_feeds(folder / "feeds", load(), built)
    return folder


@pytest.fixture
def settings(tmp_path: Path, databases: Path) -> ScannerSettings:
    """Offline settings with both databases, no programs, and a work folder of their own."""
    return ScannerSettings(
        work_dir=tmp_path / "work",
        trivy_cache=databases / "trivy",
        grype_database=databases / "grype",
        feeds=databases / "feeds",
        trivy="/nowhere/trivy",
        grype="/nowhere/grype",
        timeout=60,
        offline=True,
    )


@pytest.fixture
def own_databases(tmp_path: Path, databases: Path) -> Path:
    """A copy of the databases that a test may change."""
    return Path(shutil.copytree(databases, tmp_path / "own"))


@pytest.fixture
def target() -> ScanTarget:
    """A target that only simulated scanners can take."""
    return TARGET


@pytest.fixture
def deadline() -> float:
    """Far away."""
    return time.monotonic() + 120


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Whatever a test does, no run leaves a file in its work folder."""
    yield
    assert run_files(tmp_path / "work") == []


@pytest.fixture
def real(settings: ScannerSettings, trivy_binary: Path, grype_binary: Path) -> ScannerSettings:
    """Settings with both real programs."""
    return replace(settings, trivy=str(trivy_binary), grype=str(grype_binary))


@pytest.fixture
def no_process_left(tmp_path: Path) -> Iterator[None]:
    """No process of a test runs on: each has its work folder in its environment."""
    yield
    mark = str(tmp_path).encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert mark not in entry.read_bytes(), f"process {entry.parent.name} was left"
        except OSError:
            continue
