"""What a scanner said is reused where all that it rests on is the same, and nowhere else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.scanners import Scanner, ScannerReport, ScannerSettings, ScanTarget, built_in
from gate.scanners.program import FileIdentity
from gate.scanners.reuse import Asked, ScanTask
from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from tests.kit.fake_scanner import Behaviour, FakeScanner, fake_scanner, honest_grype, honest_trivy

NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
NAMES = ("grype", "trivy")
Change = Callable[[Path], object]


@pytest.fixture(params=NAMES)
def scanner(request: pytest.FixtureRequest) -> Scanner:
    return built_in()[request.param]


@pytest.fixture
def behaviour(scanner: Scanner, target: ScanTarget, built: datetime) -> Behaviour:
    """What an honest scanner does."""
    return honest_trivy(target) if scanner.name == "trivy" else honest_grype(target, built.isoformat())


@pytest.fixture
def fake(scanner: Scanner, behaviour: Behaviour, tmp_path: Path) -> FakeScanner:
    return fake_scanner(tmp_path / "bin" / scanner.name, behaviour)


@pytest.fixture
def own(
    settings: ScannerSettings, scanner: Scanner, fake: FakeScanner, own_databases: Path, tmp_path: Path
) -> ScannerSettings:
    """Settings with the simulated scanner, a memory, and databases that may be changed."""
    return replace(
        settings,
        memory=ScanStore(tmp_path / "scans", b"k" * 32),
        trivy_cache=own_databases / "trivy",
        grype_database=own_databases / "grype",
        **{scanner.name: str(fake.path)},
    )


def asked(target: ScanTarget, now: datetime = NOW) -> Asked:
    return Asked(target.manifest_digest, target.config_digest, now)


def check(
    scanner: Scanner, target: ScanTarget, settings: ScannerSettings, now: datetime = NOW
) -> ScannerReport:
    """What one run of the gate does."""
    task = ScanTask(scanner, asked(target, now), settings, time.monotonic() + 60)
    return task.recall() or task.scan(target)


def test_the_same_again_is_known_and_says_from_when(
    scanner: Scanner, target: ScanTarget, own: ScannerSettings, fake: FakeScanner
) -> None:
    first = check(scanner, target, own)
    assert first.run.reused is None
    again = check(scanner, target, own, NOW + timedelta(hours=2))
    assert again.run.reused == NOW
    assert replace(again, run=replace(again.run, reused=None)) == first
    assert len(first.findings) == 1
    assert len(fake.starts) == 1


def replaced(path: Path) -> None:
    """The same bytes in another file, of the same times."""
    state, copy = path.stat(), path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))
    copy.replace(path)


def written_in_place(path: Path) -> None:
    """A write that changes neither size nor, in the end, the time of modification."""
    state = path.stat()
    with path.open("r+b") as file:
        last = file.seek(-1, os.SEEK_END), file.read(1)
        file.seek(last[0])
        file.write(last[1])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, written_in_place], ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    ("scanner", "file"),
    [
        ("trivy", "own/trivy/db/trivy.db"),
        ("trivy", "own/trivy/db/metadata.json"),
        ("trivy", "own/trivy/java-db/trivy-java.db"),
        ("trivy", "own/trivy/java-db/metadata.json"),
        ("trivy", "bin/trivy"),
        ("grype", "own/grype/6/vulnerability.db"),
        ("grype", "own/grype/6/import.json"),
        ("grype", "bin/grype"),
    ],
    indirect=["scanner"],
)
def test_any_change_of_database_or_program_is_seen(
    file: str, change: Change, tmp_path: Path, own: ScannerSettings, scanner: Scanner, target: ScanTarget,
    fake: FakeScanner,
) -> None:  # fmt: skip
    check(scanner, target, own)
    time.sleep(0.02)  # the kernel's clock for files goes on in steps; a scan that is kept is further away
    change(tmp_path / file)
    (tmp_path / file).chmod(0o755)
    assert check(scanner, target, own).run.reused is None
    assert len(fake.starts) == 2
    assert check(scanner, target, own).run.reused == NOW
    assert len(fake.starts) == 2


@pytest.mark.parametrize("scanner", ["trivy"], indirect=True)
def test_a_database_for_java_that_comes_or_goes_is_seen(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, fake: FakeScanner, tmp_path: Path
) -> None:
    check(scanner, target, own)
    java = tmp_path / "own/trivy/java-db"
    java.rename(tmp_path / "elsewhere")
    assert check(scanner, target, own).run.reused is None
    (tmp_path / "elsewhere").rename(java)
    assert check(scanner, target, own).run.reused == NOW
    assert len(fake.starts) == 2


def test_another_database_of_the_same_day_is_another_scan(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, fake: FakeScanner, tmp_path: Path, built: datetime
) -> None:  # fmt: skip
    check(scanner, target, own)
    write_trivy_database(tmp_path / "new/trivy", load()[:50], built)
    write_grype_database(tmp_path / "new/grype", load()[:50], built)
    other = replace(own, trivy_cache=tmp_path / "new/trivy", grype_database=tmp_path / "new/grype")
    assert check(scanner, target, other).run.reused is None
    assert check(scanner, target, own).run.reused == NOW


@pytest.mark.parametrize("field", ["manifest_digest", "config_digest"])
def test_another_image_is_another_scan(
    field: str, own: ScannerSettings, scanner: Scanner, target: ScanTarget
) -> None:
    check(scanner, target, own)
    other = ScanTask(
        scanner, replace(asked(target), **{field: "sha256:" + "e" * 64}), own, time.monotonic() + 60
    )
    assert other.recall() is None


def test_another_day_is_another_scan(own: ScannerSettings, scanner: Scanner, target: ScanTarget) -> None:
    """What is past its end of life depends on it."""
    check(scanner, target, own)
    for days in (1, -1):
        assert check(scanner, target, own, NOW + timedelta(days=days)).run.reused is None


def test_other_options_are_another_scan(own: ScannerSettings, scanner: Scanner, target: ScanTarget) -> None:
    """Of those that a caller can choose, the time limit is what the command line holds."""
    check(scanner, target, own)
    reused = check(scanner, target, replace(own, timeout=own.timeout + 1)).run.reused
    assert (reused is None) == (scanner.name == "trivy")


def test_what_another_machine_kept_is_not_believed(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, tmp_path: Path
) -> None:
    check(scanner, target, own)
    other = replace(own, memory=ScanStore(tmp_path / "scans", b"o" * 32))
    assert check(scanner, target, other).run.reused is None


def test_a_scan_that_failed_is_tried_again(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, behaviour: Behaviour, fake: FakeScanner
) -> None:
    fake_scanner(fake.path, behaviour.but(exit=1))
    for _ in range(2):
        with pytest.raises(Unavailable):
            check(scanner, target, own)
    fake_scanner(fake.path, behaviour)
    assert check(scanner, target, own).run.reused is None
    assert len(fake.starts) == 3


def test_a_program_that_is_refused_now_is_not_asked_for_what_it_said(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, fake: FakeScanner
) -> None:
    check(scanner, target, own)
    fake.path.chmod(0o644)
    with pytest.raises(Unavailable, match="not a program that you may execute"):
        check(scanner, target, own)
    fake.path.unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        check(scanner, target, own)


def test_without_a_memory_nothing_is_reused(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, fake: FakeScanner
) -> None:
    for _ in range(2):
        assert check(scanner, target, replace(own, memory=None)).run.reused is None
    assert len(fake.starts) == 2


def test_a_renewal_that_fails_is_tried_once_and_told_in_each_run(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, fake: FakeScanner, tmp_path: Path
) -> None:
    old = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)
    write_trivy_database(tmp_path / "old/trivy", load(), old)
    shutil.rmtree(tmp_path / "old/trivy/java-db")  # so that one database is due
    write_grype_database(tmp_path / "old/grype", load(), old)
    fake_scanner(
        fake.path, honest_trivy(target) if scanner.name == "trivy" else honest_grype(target, old.isoformat())
    )
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in db*|*download-db*) echo x >> {tmp_path}/tries; echo "no route $(cat {tmp_path}/tries)" >&2; exit 1;; '
        f'*download-java*) exit 0;; esac\nexec {fake.path} "$@"\n'.replace("cat ", "/bin/cat ")
    )
    wrapper.chmod(0o755)
    late = replace(
        own, offline=False, trivy_cache=tmp_path / "old/trivy", grype_database=tmp_path / "old/grype",
        **{scanner.name: str(wrapper)},
    )  # fmt: skip
    for tries, reused in enumerate((None, NOW, NOW), 1):
        run = check(scanner, target, late).run
        assert run.reused == reused
        (warning,) = run.warnings
        assert warning.endswith("no route " + " / ".join(["x"] * tries))
    assert len(fake.starts) == 1


def test_a_file_that_was_just_written_could_change_again_unseen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    fresh = FileIdentity.of(path)
    assert not fresh.is_settled
    time.sleep(0.06)
    assert fresh.is_settled == bool(fresh.changed % 1_000_000_000)
    now = time.time_ns()
    whole = now - now % 1_000_000_000
    assert not replace(fresh, changed=whole - 1_000_000_000).is_settled, (
        "seconds alone: another one is not told apart"
    )
    assert replace(fresh, changed=whole - 3_000_000_000).is_settled
    assert not replace(fresh, changed=now + 60_000_000_001).is_settled, "of the future: a clock is wrong"


def test_what_may_change_unseen_is_not_kept(
    own: ScannerSettings, scanner: Scanner, target: ScanTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileIdentity, "is_settled", False)
    for _ in range(2):
        assert check(scanner, target, own).run.reused is None
