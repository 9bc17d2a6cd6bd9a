"""The table of faults: a scanner that fails in any way is unavailable, for a stated reason, soon, and without leftovers."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.scanners import Scanner, ScannerSettings, ScanTarget, built_in
from samples.databases.archive import rfc3339
from samples.databases.bolt import write_bolt
from tests.kit.fake_scanner import Behaviour, FakeScanner, fake_scanner, honest_grype, honest_trivy
from tests.kit.scans import ends_soon

NAMES = ("grype", "trivy")
SECONDS = 20
"""What no fault may take longer than, with a scanner's own time limit at 3 s; most of it is for a loaded machine."""


@pytest.fixture(params=NAMES)
def scanner(request: pytest.FixtureRequest) -> Scanner:
    """Each scanner."""
    return built_in()[request.param]


@pytest.fixture
def honest(scanner: Scanner, target: ScanTarget, built: datetime) -> Behaviour:
    """What the scanner does when nothing is wrong."""
    return honest_trivy(target) if scanner.name == "trivy" else honest_grype(target, rfc3339(built))


@pytest.fixture
def scan(
    scanner: Scanner, settings: ScannerSettings, target: ScanTarget, tmp_path: Path, own_databases: Path
) -> Callable[[Behaviour], object]:
    """Scan with a program that behaves so, on databases of the test's own."""

    def run(behaviour: Behaviour) -> object:
        path = fake_scanner(tmp_path / "bin" / scanner.name, behaviour).path
        told = replace(settings, timeout=3, trivy=str(path), grype=str(path))
        told = replace(told, trivy_cache=own_databases / "trivy", grype_database=own_databases / "grype")
        return scanner.scan(target, told, time.monotonic() + 60)

    return run


def garbled(honest: Behaviour, text: str) -> Behaviour:
    """The same with another text in place of every report."""
    return honest.but(outputs=dict.fromkeys(honest.outputs, text))


def halved(honest: Behaviour) -> Behaviour:
    """The same with reports that were only written in part."""
    return honest.but(outputs={name: text[: len(text) // 2] for name, text in honest.outputs.items()})


FAULTS: dict[str, Callable[[Behaviour], Behaviour]] = {
    "exit 1": lambda honest: honest.but(exit=1),
    "exit 2": lambda honest: honest.but(exit=2),
    "exit 7": lambda honest: honest.but(exit=7),
    "exit 100": lambda honest: honest.but(exit=100),
    "exit 137": lambda honest: honest.but(exit=137),
    "exit 139": lambda honest: honest.but(exit=139),
    "killed": lambda honest: honest.but(signal=signal.SIGKILL),
    "segmentation fault": lambda honest: honest.but(signal=signal.SIGSEGV),
    "hang": lambda honest: honest.but(sleep=600, child=True, ignore_signals=True),
    "10 GiB of output": lambda honest: honest.but(flood=10_240),
    "10 GiB of errors": lambda honest: honest.but(flood_log=10_240),
    "panic and exit 0": lambda honest: honest.but(log="panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n"),
    "no report": lambda honest: honest.but(outputs={}),
    "empty report": lambda honest: garbled(honest, ""),
    "garbage": lambda honest: garbled(honest, "\x00\x01 all is well"),
    "a web page": lambda honest: garbled(honest, "<html>"),
    "null": lambda honest: garbled(honest, "null"),
    "an empty object": lambda honest: garbled(honest, "{}"),
    "half a report": halved,
    "a report twice": lambda honest: honest.but(outputs={name: text * 2 for name, text in honest.outputs.items()}),
    "deep nesting": lambda honest: garbled(honest, "[" * 500_000),
    "a key twice": lambda honest: garbled(honest, '{"SchemaVersion": 2, "SchemaVersion": 2, "matches": [], "matches": []}'),
}  # fmt: skip


def test_the_honest_behaviour_counts(scan: Callable[[Behaviour], object], honest: Behaviour) -> None:
    assert scan(honest), "else no fault below would prove anything"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_program(
    scan: Callable[[Behaviour], object], honest: Behaviour, fault: str, tmp_path: Path, scanner: Scanner
) -> None:
    behaviour = FAULTS[fault](honest)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        scan(behaviour)
    assert time.monotonic() - began < SECONDS
    assert len(caught.value.message) > 20
    assert caught.value.hint
    fake = FakeScanner(tmp_path / "bin" / scanner.name)
    assert all(ends_soon(start["pid"]) for start in fake.starts)
    if behaviour.child:
        assert ends_soon(fake.child)


@pytest.mark.parametrize("given", [None, "/nowhere/scanner"])
def test_a_missing_program(
    scanner: Scanner,
    settings: ScannerSettings,
    target: ScanTarget,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable) as caught:
        scanner.scan(target, replace(settings, trivy=given, grype=given), time.monotonic() + 60)
    assert f"install {scanner.name.capitalize()}" in caught.value.hint


def test_another_image(
    scanner: Scanner, scan: Callable[[Behaviour], object], honest: Behaviour, target: ScanTarget
) -> None:
    other = {
        name: text.replace(target.config_digest, "sha256:" + "d" * 64)
        for name, text in honest.outputs.items()
    }
    with pytest.raises(Unavailable, match="scanned the image"):
        scan(honest.but(outputs=other))


def empty_databases(folder: Path) -> None:
    """Databases of the right form that hold nothing."""
    write_bolt(folder / "trivy" / "db" / "trivy.db", {"vulnerability": {}, "data-source": {}})
    with closing(sqlite3.connect(folder / "grype" / "6" / "vulnerability.db")) as connection:
        connection.executescript("DELETE FROM affected_package_handles; DELETE FROM providers;")


def cut_databases(folder: Path) -> None:
    """Databases that were only copied in part."""
    for path in (folder / "trivy" / "db" / "trivy.db", folder / "grype" / "6" / "vulnerability.db"):
        path.write_bytes(path.read_bytes()[:4096])


def random_databases(folder: Path) -> None:
    """Files of other bytes."""
    for path in (folder / "trivy" / "db" / "trivy.db", folder / "grype" / "6" / "vulnerability.db"):
        path.write_bytes(bytes(range(256)) * 512)


def no_databases(folder: Path) -> None:
    """No files."""
    (folder / "trivy" / "db" / "trivy.db").unlink()
    (folder / "grype" / "6" / "vulnerability.db").unlink()


def no_metadata(folder: Path) -> None:
    """Databases of unknown age."""
    (folder / "trivy" / "db" / "metadata.json").unlink()
    (folder / "grype" / "6" / "import.json").unlink()


def other_schemas(folder: Path) -> None:
    """Databases of another schema."""
    metadata = folder / "trivy" / "db" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "Version": 3}))
    with closing(sqlite3.connect(folder / "grype" / "6" / "vulnerability.db")) as connection:
        connection.executescript("UPDATE db_metadata SET model = 5;")


@pytest.mark.parametrize(
    "damage", [empty_databases, cut_databases, random_databases, no_databases, no_metadata, other_schemas]
)
def test_a_fault_of_the_database(
    scan: Callable[[Behaviour], object], honest: Behaviour, damage: Callable[[Path], None], own_databases: Path,
    tmp_path: Path, scanner: Scanner,
) -> None:  # fmt: skip
    damage(own_databases)
    with pytest.raises(Unavailable) as caught:
        scan(honest)
    assert caught.value.hint
    assert FakeScanner(tmp_path / "bin" / scanner.name).starts == [], "it is refused before the scanner runs"
