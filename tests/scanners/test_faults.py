"""The table of faults: a scanner that fails in any way is unavailable, for a stated reason, soon, and without leftovers."""

from __future__ import annotations

import json
import re
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
SECONDS = 40
"""What no fault may take longer than; nearly all of it is for a loaded machine."""


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
        limit = 2 if behaviour.sleep else SECONDS / 2
        told = replace(settings, timeout=limit, trivy=str(path), grype=str(path))
        told = replace(told, trivy_cache=own_databases / "trivy", grype_database=own_databases / "grype")
        return scanner.scan(target, told, time.monotonic() + 60)

    return run


def garbled(honest: Behaviour, text: str) -> Behaviour:
    """The same with another text in place of every report."""
    return honest.but(outputs=dict.fromkeys(honest.outputs, text))


def halved(honest: Behaviour) -> Behaviour:
    """The same with reports that were only written in part."""
    return honest.but(outputs={name: text[: len(text) // 2] for name, text in honest.outputs.items()})


def doubled(honest: Behaviour) -> Behaviour:
    """The same with every report written twice."""
    return honest.but(outputs={name: text * 2 for name, text in honest.outputs.items()})


CRASH = "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n"
TWICE = '{"SchemaVersion": 2, "SchemaVersion": 2, "matches": [], "matches": []}'

FAULTS: dict[str, tuple[Callable[[Behaviour], Behaviour], str]] = {
    "exit 1": (lambda honest: honest.but(exit=1), "failed with exit code 1"),
    "exit 2": (lambda honest: honest.but(exit=2), "failed with exit code 2"),
    "exit 7": (lambda honest: honest.but(exit=7), "failed with exit code 7"),
    "exit 100": (lambda honest: honest.but(exit=100), "failed with exit code 100"),
    "exit 137": (lambda honest: honest.but(exit=137), "failed with exit code 137"),
    "exit 139": (lambda honest: honest.but(exit=139), "failed with exit code 139"),
    "ended": (lambda honest: honest.but(signal=signal.SIGTERM, litter=True), "was ended by SIGTERM"),
    "killed": (lambda honest: honest.but(signal=signal.SIGKILL, litter=True), "was ended by SIGKILL"),
    "segmentation fault": (lambda honest: honest.but(signal=signal.SIGSEGV), "was ended by SIGSEGV"),
    "hang": (lambda honest: honest.but(sleep=600, child=True, ignore_signals=True), "did not end in time"),
    "10 GiB of output": (lambda honest: honest.but(flood=10_240), "writes more than"),
    "10 GiB of errors": (lambda honest: honest.but(flood_log=10_240), "writes more than"),
    "panic and exit 0": (lambda honest: honest.but(log=CRASH), "reports a crash of its own"),
    "no report": (lambda honest: honest.but(outputs={}), "there is no report of"),
    "empty report": (lambda honest: garbled(honest, ""), "is empty"),
    "garbage": (lambda honest: garbled(honest, "\x00\x01 all is well"), "cannot be read"),
    "a web page": (lambda honest: garbled(honest, "<html>"), "cannot be read"),
    "null": (lambda honest: garbled(honest, "null"), "Expected `object`, got `null`"),
    "an empty object": (lambda honest: garbled(honest, "{}"), "missing required field"),
    "half a report": (halved, "cannot be read"),
    "a report twice": (doubled, "cannot be read"),
    "deep nesting": (lambda honest: garbled(honest, "[" * 500_000), "cannot be read"),
    "a key twice": (lambda honest: garbled(honest, TWICE), "has the same key twice"),
}
"""What a program does instead, and the reason that the report then gives."""


def test_the_honest_behaviour_counts(scan: Callable[[Behaviour], object], honest: Behaviour) -> None:
    assert scan(honest), "else no fault below would prove anything"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_program(
    scan: Callable[[Behaviour], object], honest: Behaviour, fault: str, tmp_path: Path, scanner: Scanner
) -> None:
    change, reason = FAULTS[fault]
    behaviour = change(honest)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=re.escape(reason)) as caught:
        scan(behaviour)
    assert time.monotonic() - began < SECONDS
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


def garbled_metadata(folder: Path) -> None:
    """Databases whose age cannot be read."""
    (folder / "trivy" / "db" / "metadata.json").write_text("<html>")
    (folder / "grype" / "6" / "import.json").write_text("<html>")


def other_schemas(folder: Path) -> None:
    """Databases of another schema."""
    metadata = folder / "trivy" / "db" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "Version": 3}))
    with closing(sqlite3.connect(folder / "grype" / "6" / "vulnerability.db")) as connection:
        connection.executescript("UPDATE db_metadata SET model = 5;")


DAMAGES: dict[Callable[[Path], None], str] = {
    empty_databases: "holds no advisories, so it can find nothing",
    cut_databases: "cannot be read",
    random_databases: "cannot be read",
    no_databases: "has no vulnerability database in",
    no_metadata: "has no vulnerability database in",
    garbled_metadata: "cannot be read",
    other_schemas: "is what can be used",
}
"""What is wrong with the databases, and the reason that the report then gives."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_fault_of_the_database(
    scan: Callable[[Behaviour], object], honest: Behaviour, damage: Callable[[Path], None], own_databases: Path,
    tmp_path: Path, scanner: Scanner,
) -> None:  # fmt: skip
    damage(own_databases)
    with pytest.raises(Unavailable, match=re.escape(DAMAGES[damage])) as caught:
        scan(honest)
    assert caught.value.hint
    assert FakeScanner(tmp_path / "bin" / scanner.name).starts == [], "it is refused before the scanner runs"


ROWS: dict[str, tuple[str, ...]] = {
    "no database and no update": ("test_faults.test_a_fault_of_the_database",),
    "an old database": ("test_real.test_a_stale_database_is_told_by_its_age", "test_coverage.test_the_age_of_its_database"),
    "an old database and a dead source": ("test_real_databases.test_a_dead_source_with_a_database_is_a_warning",),
    "no database and a dead source": ("test_real_databases.test_a_dead_source_without_a_database_is_unavailable",),
    "a fresh database and a dead source": (
        "test_trivy.test_a_fresh_database_is_not_renewed", "test_grype.test_a_fresh_database_is_not_renewed",
    ),
    "metadata missing or garbled": ("test_faults.test_a_fault_of_the_database", "test_trivy_database.test_garbled_metadata"),
    "another schema": ("test_faults.test_a_fault_of_the_database", "test_trivy_database.test_another_schema"),
    "other bytes, a cut or damaged database": (
        "test_faults.test_a_fault_of_the_database", "test_real.test_a_database_that_is_no_good",
    ),
    "an empty database": ("test_real.test_a_database_that_is_no_good", "test_trivy_database.test_an_empty_one_can_find_nothing"),
    "a database in which look-ups fail": (
        "test_real.test_a_database_that_is_no_good", "test_grype.test_a_part_of_the_matching_that_failed",
    ),
    "a release that it does not hold": (
        "test_real.test_what_a_scanner_cannot_have_seen_is_said", "test_coverage.test_its_database_knows_nothing_of_the_release",
    ),
    "an unknown distribution": (
        "test_real.test_what_a_scanner_cannot_have_seen_is_said", "test_coverage.test_it_did_not_recognise_the_distribution",
    ),
    "no os-release": ("test_real.test_what_a_scanner_cannot_have_seen_is_said",),
    "an image that is missing, cut or none": ("test_real.test_a_layout_that_is_broken",),
    "another image": ("test_real.test_an_image_that_changes_after_it_was_verified", "test_faults.test_another_image"),
    "its own way to fail a pipeline": ("test_faults.test_a_fault_of_the_program", "test_faults.test_it_is_not_asked_to_judge"),
    "ended or killed, with what it leaves": (
        "test_faults.test_a_fault_of_the_program", "test_process.test_what_it_leaves_in_its_folders_is_removed",
    ),
    "a hang": ("test_faults.test_a_fault_of_the_program", "test_process.test_the_time_limit_ends_it_and_its_children"),
    "a cache that others use": ("test_trivy.test_scans_side_by_side", "test_real_databases.test_scans_and_a_renewal_side_by_side"),
    "a locked database": ("test_real.test_a_locked_database_ends_with_the_time_limit",),
    "a database that cannot be written": ("test_real.test_a_read_only_database_is_enough",),
    "an update of the wrong form": (
        "test_real_faults.test_what_is_no_database_of_trivy", "test_real_faults.test_what_is_no_database_of_grype",
    ),
    "an update that was altered": (
        "test_real_databases.test_an_altered_download_is_refused",
        "test_real_databases.test_the_next_mirror_is_tried_whatever_is_wrong_with_the_first",
    ),
    "too little memory, disk or files": (
        "test_real_faults.test_a_machine_that_gives_too_little", "test_process.test_memory_is_bounded_and_there_is_no_core_dump",
    ),
    "a missing program": ("test_faults.test_a_missing_program", "test_process.test_what_cannot_be_started_is_said_so"),
    "a crash, whatever it ends with": ("test_faults.test_a_fault_of_the_program",),
    "garbage, half a report or none": ("test_faults.test_a_fault_of_the_program",),
    "output without end": ("test_faults.test_a_fault_of_the_program", "test_process.test_an_endless_report_ends_it"),
    "files and variables that configure it": ("test_real.test_surroundings_have_no_effect",),
    "a compromised release": ("test_trivy.test_a_compromised_release_is_never_started",),
}  # fmt: skip
"""Every way in which a scanner was seen to fail, or to say that nothing was found, and the tests that hold it."""


@pytest.mark.parametrize("row", ROWS)
def test_every_way_to_fail_has_its_tests(row: str) -> None:
    for place in ROWS[row]:
        module, _, name = place.partition(".")
        text = (Path(__file__).parent / f"{module}.py").read_text()
        assert f"\ndef {name}(" in text, place


def test_it_is_not_asked_to_judge(
    scan: Callable[[Behaviour], object], honest: Behaviour, tmp_path: Path, scanner: Scanner
) -> None:
    """Exit codes of its own thresholds would read as failures."""
    scan(honest)
    for start in FakeScanner(tmp_path / "bin" / scanner.name).starts:
        assert not {"--exit-code", "--exit-on-eol", "--fail-on", "-f"} & set(start["argv"])
