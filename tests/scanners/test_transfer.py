"""Carrying databases: out as one file, in again only whole, known and usable, and changing nothing otherwise."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import ImageGateError, IntegrityError, InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.scanners import ScannerSettings, transfer
from gate.scanners.databases import KINDS, status
from gate.scanners.process import Bounds
from gate.scanners.transfer import export, import_
from samples.databases.advisories import load
from samples.databases.bolt import write_bolt
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database

ALL = list(KINDS.values())
LEFT = [*[".image-gate.lock"] * 3, "6", "db", "epss", "java-db", "kev"]
ALL_NAMES = ("trivy", "trivy-java", "grype", "kev", "epss")


@pytest.fixture
def exported(settings: ScannerSettings, tmp_path: Path) -> Path:
    export(ALL, settings, tmp_path / "databases.tar", Deadline(60))
    return tmp_path / "databases.tar"


@pytest.fixture
def elsewhere(settings: ScannerSettings, tmp_path: Path) -> ScannerSettings:
    return replace(
        settings,
        trivy_cache=tmp_path / "else" / "trivy",
        grype_database=tmp_path / "else" / "grype",
        feeds=tmp_path / "else" / "feeds",
    )


def owning(settings: ScannerSettings, folder: Path) -> ScannerSettings:
    """Settings for databases that a test may change."""
    return replace(
        settings, trivy_cache=folder / "trivy", grype_database=folder / "grype", feeds=folder / "feeds"
    )


def digests(settings: ScannerSettings) -> dict[str, str]:
    """What is here, by name."""
    bounds = Bounds(Deadline(60).at, settings.cancelled)
    found = {name: status(kind, settings, bounds).database for name, kind in KINDS.items()}
    return {name: one.digest if one else "" for name, one in found.items()}


def left(settings: ScannerSettings) -> list[str]:
    """What lies in the folders."""
    places = {kind.place(settings) for kind in ALL}
    return sorted(path.name for place in places for path in place.glob("*"))


def test_what_went_out_comes_in(
    settings: ScannerSettings, elsewhere: ScannerSettings, exported: Path
) -> None:
    assert import_(exported, elsewhere, Deadline(60)) == ALL_NAMES
    assert digests(elsewhere) == digests(settings)
    assert "" not in digests(elsewhere).values()
    assert left(elsewhere) == LEFT
    assert import_(exported, elsewhere, Deadline(60)), "the same again is no harm"


def test_the_file_is_the_same_each_time_and_has_a_digest(
    settings: ScannerSettings, elsewhere: ScannerSettings, exported: Path, tmp_path: Path
) -> None:
    digest = export(ALL, settings, tmp_path / "again.tar", Deadline(60))
    assert digest == f"sha256:{hashlib.sha256(exported.read_bytes()).hexdigest()}"
    assert sorted(path.name for path in tmp_path.glob("*.tar*")) == ["again.tar", "databases.tar"]
    import_(exported, elsewhere, Deadline(60), digest=digest)
    with pytest.raises(IntegrityError, match="hashes to"):
        import_(exported, elsewhere, Deadline(60), digest="sha256:" + "0" * 64)


def test_it_may_be_compressed_since(elsewhere: ScannerSettings, exported: Path) -> None:
    path = exported.with_suffix(".tar.gz")
    path.write_bytes(gzip.compress(exported.read_bytes(), 1))
    assert import_(path, elsewhere, Deadline(60)) == ALL_NAMES


def test_a_database_that_is_not_here_cannot_go_out(elsewhere: ScannerSettings, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="has no vulnerability database"):
        export([KINDS["grype"]], elsewhere, tmp_path / "x.tar", Deadline(60))
    assert not list(tmp_path.glob("*x.tar*"))


def test_older_ones_come_in_only_where_that_is_meant(
    elsewhere: ScannerSettings, exported: Path, built: datetime
) -> None:
    newer = built + timedelta(hours=1)
    write_trivy_database(elsewhere.trivy_cache, load(), newer)
    write_grype_database(elsewhere.grype_database, load(), newer)
    before = digests(elsewhere)
    with pytest.raises(Unavailable, match="older than the one that is here") as caught:
        import_(exported, elsewhere, Deadline(60))
    assert "--older" in caught.value.hint
    assert digests(elsewhere) == before
    import_(exported, elsewhere, Deadline(60), older=True)
    assert digests(elsewhere) != before


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, "/etc/passwd", len(data)
        tar.addfile(info, io.BytesIO(data))

    return add


def bad_database(tar: tarfile.TarFile) -> None:
    member("trivy/metadata.json", b'{"Version":2,"UpdatedAt":"2026-01-01T00:00:00Z"}')(tar)
    member("trivy/trivy.db", b"no database")(tar)


BAD: dict[str, tuple[Callable[[tarfile.TarFile], None], str]] = {
    "above": (member("../evil"), "does not belong there"),
    "absolute": (member("/etc/evil"), "does not belong there"),
    "beside": (member("trivy/other"), "does not belong there"),
    "link": (member("trivy/trivy.db", b"", tarfile.SYMTYPE), "does not belong there"),
    "nothing": (lambda _: None, "holds no database"),
    "half": (member("grype/vulnerability.db"), "has no vulnerability database"),
    "no database": (bad_database, "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_good_changes_nothing(
    settings: ScannerSettings, own_databases: Path, tmp_path: Path, case: str
) -> None:
    own = owning(settings, own_databases)
    before = digests(own)
    add, reason = BAD[case]
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        add(tar)
    with pytest.raises(Unavailable, match=reason):
        import_(tmp_path / "bad.tar", own, Deadline(60), older=True)
    assert digests(own) == before
    assert left(own) == LEFT


def test_one_that_is_cut_off_or_has_a_file_twice(elsewhere: ScannerSettings, exported: Path) -> None:
    data = exported.read_bytes()
    exported.write_bytes(data[: len(data) // 2])
    with pytest.raises(Unavailable, match="cut off"):
        import_(exported, elsewhere, Deadline(60))
    with tarfile.open(exported, "w") as tar:
        for _ in range(2):
            member("trivy/trivy.db")(tar)
    with pytest.raises(Unavailable, match="or twice"):
        import_(exported, elsewhere, Deadline(60))


def test_one_that_is_too_large(
    elsewhere: ScannerSettings, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "LIMITS", replace(LIMITS, database=1_000))
    with pytest.raises(Unavailable, match="at most 1,000 are taken"):
        import_(exported, elsewhere, Deadline(60))


def test_an_empty_database_does_not_take_a_place(
    settings: ScannerSettings, own_databases: Path, tmp_path: Path
) -> None:
    own = owning(settings, own_databases)
    write_bolt(tmp_path / "empty.db", {"vulnerability": {}})
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.add(tmp_path / "empty.db", "trivy/trivy.db")
        tar.add(own_databases / "trivy" / "db" / "metadata.json", "trivy/metadata.json")
    before = digests(own)
    with pytest.raises(Unavailable, match="holds no advisories"):
        import_(tmp_path / "bad.tar", own, Deadline(60))
    assert digests(own) == before


@pytest.mark.parametrize(
    ("seconds", "kind", "reason"), [(60, InvalidInput, "cannot be read"), (0, Unavailable, "is over")]
)
def test_files_and_times_that_do_not_do(
    elsewhere: ScannerSettings,
    exported: Path,
    tmp_path: Path,
    seconds: float,
    kind: type[ImageGateError],
    reason: str,
) -> None:
    with pytest.raises(kind, match=reason):
        import_(exported if seconds == 0 else tmp_path / "gone", elsewhere, Deadline(seconds))
