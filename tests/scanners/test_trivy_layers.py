"""What Trivy found in layers: given back to it for this image alone, sealed, and equal to reading them again."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.scanners import Basis, ScannerReport, ScannerSettings, ScanTarget, trivy
from gate.scanners.trivy_layers import AnalysedLayers
from samples.databases.advisories import load
from samples.databases.trivy import write_trivy_database
from samples.images import debian
from samples.images.languages import java_library, node_package
from tests.kit.fake_scanner import fake_scanner, honest_trivy
from tests.kit.scans import write_target

BASIS = Basis("sha256:1", ("trivy",), (None,))


@pytest.fixture
def memory(tmp_path: Path) -> ScanStore:
    return ScanStore(tmp_path / "scans", b"k" * 32)


def left_by_trivy(folder: Path, content: bytes) -> Path:
    (folder / "fanal").mkdir(parents=True)
    (folder / "fanal/fanal.db").write_bytes(content)
    return folder


def given(layers: AnalysedLayers, folder: Path) -> bytes | None:
    """What Trivy would find in its cache folder."""
    folder.mkdir()
    layers.give(folder)
    path = folder / "fanal/fanal.db"
    return path.read_bytes() if path.exists() else None


def test_what_was_kept_is_given_for_the_same_image_and_basis_alone(
    memory: ScanStore, target: ScanTarget, tmp_path: Path
) -> None:
    AnalysedLayers(memory, target, BASIS).keep(left_by_trivy(tmp_path / "left", b"layers"))
    others = {
        "same": (AnalysedLayers(memory, target, BASIS), b"layers"),
        "manifest": (AnalysedLayers(memory, replace(target, manifest_digest="sha256:2"), BASIS), None),
        "config": (AnalysedLayers(memory, replace(target, config_digest="sha256:2"), BASIS), None),
        "program": (AnalysedLayers(memory, target, replace(BASIS, program="sha256:2")), None),
        "options": (AnalysedLayers(memory, target, replace(BASIS, command=("trivy", "--x"))), None),
        "machine": (AnalysedLayers(ScanStore(tmp_path / "scans", b"o" * 32), target, BASIS), None),
        "nothing": (AnalysedLayers(None, target, BASIS), None),
    }
    for name, (layers, expected) in others.items():
        assert given(layers, tmp_path / name) == expected, name


def test_what_somebody_wrote_into_it_is_not_given(
    memory: ScanStore, target: ScanTarget, tmp_path: Path
) -> None:
    """A cache that a build restores may come from a change under test: in it, Trivy would see what that wants."""
    AnalysedLayers(memory, target, BASIS).keep(left_by_trivy(tmp_path / "left", b"layers"))
    (path,) = (tmp_path / "scans").iterdir()
    path.write_bytes(path.read_bytes().replace(b"layers", b"nought"))
    assert given(AnalysedLayers(memory, target, BASIS), tmp_path / "cache") is None


def test_nothing_or_too_much_is_not_kept(memory: ScanStore, target: ScanTarget, tmp_path: Path) -> None:
    layers = AnalysedLayers(memory, target, BASIS)
    layers.keep(tmp_path / "nowhere")
    layers.keep(left_by_trivy(tmp_path / "large", bytes(LIMITS.cached_scan + 1)))
    assert not (tmp_path / "scans").exists()


@pytest.mark.parametrize("fails", [False, True])
def test_only_a_scan_that_counts_leaves_something(
    fails: bool, settings: ScannerSettings, target: ScanTarget, memory: ScanStore, tmp_path: Path
) -> None:
    tries = (
        "import os, sys\ncache = sys.argv[sys.argv.index('--cache-dir') + 1] + '/fanal'\nresult = os.path.exists(cache)\n"
        "os.makedirs(cache, exist_ok=True)\nopen(cache + '/fanal.db', 'w').close()"
    )
    behaviour = honest_trivy(target).but(tries=tries)
    fake = fake_scanner(tmp_path / "trivy", behaviour.but(outputs={}) if fails else behaviour)
    told = replace(settings, trivy=str(fake.path), memory=memory)
    time.sleep(0.06)
    found = []
    for _ in range(2):
        try:
            trivy.scan(target, told, time.monotonic() + 60)
        except Unavailable:
            assert fails
        found.append(fake.result)
    assert found == [False, not fails]


@pytest.mark.real
def test_with_a_new_database_the_real_one_finds_what_a_full_scan_does(
    settings: ScannerSettings, memory: ScanStore, trivy_binary: Path, tmp_path: Path
) -> None:
    target = write_target(
        tmp_path / "image",
        {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)},
        {
            **node_package("jquery", "3.4.1"),
            **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"),
        },
    )
    manifest = target.layout / "blobs/sha256" / target.manifest_digest.removeprefix("sha256:")
    layers = [layer["digest"] for layer in json.loads(manifest.read_bytes())["layers"]]
    assert len(layers) == 2
    new = shutil.copytree(settings.trivy_cache, tmp_path / "new")
    write_trivy_database(tmp_path / "part", load()[:100], datetime.now(UTC))
    told = replace(settings, trivy=str(trivy_binary), memory=memory, trivy_cache=tmp_path / "part")
    for name in ("trivy-java.db", "metadata.json"):
        (told.trivy_cache / "java-db").mkdir(exist_ok=True)
        shutil.copy(new / "java-db" / name, told.trivy_cache / "java-db" / name)
    time.sleep(0.1)

    def scan(told: ScannerSettings) -> ScannerReport:
        report = trivy.scan(target, told, time.monotonic() + 60)
        return replace(report, basis=None, run=replace(report.run, seconds=0))

    old = scan(told)
    for name in ("trivy.db", "metadata.json"):
        shutil.copy(new / "db" / name, told.trivy_cache / "db" / name)
    time.sleep(0.1)
    full = scan(replace(told, memory=None))
    for layer in layers:
        (target.layout / "blobs/sha256" / layer.removeprefix("sha256:")).unlink()
    assert scan(told) == full, "and it does so without the layers"
    assert len(full.findings) > len(old.findings) > 0
