"""Grype's database: what it is and holds is established without Grype, or it is not used."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.scanners.grype_database import GrypeDatabase


@pytest.fixture
def folder(tmp_path: Path, databases: Path) -> Path:
    """A database of the samples that a test may change."""
    return Path(shutil.copytree(databases / "grype", tmp_path / "grype"))


def change(folder: Path, statement: str, values: Sequence[object] = ()) -> GrypeDatabase:
    """Change a database and read it."""
    with closing(sqlite3.connect(folder / "6" / "vulnerability.db")) as connection:
        connection.execute(statement, values)
        connection.commit()
    return GrypeDatabase.read(folder)


def test_what_it_is(databases: Path, built: datetime) -> None:
    found = GrypeDatabase.read(databases / "grype").database
    assert found.schema == "6.1.10"
    assert found.built == built
    assert found.digest.startswith("xxh64:")
    assert {"alpine", "debian", "github", "nvd"} <= set(found.providers)


@pytest.mark.parametrize("missing", ["vulnerability.db", "import.json"])
def test_a_missing_file(folder: Path, missing: str) -> None:
    (folder / "6" / missing).unlink()
    with pytest.raises(Unavailable, match="has no vulnerability database in") as caught:
        GrypeDatabase.read(folder)
    assert "grype db update" in caught.value.hint


@pytest.mark.parametrize("table", ["providers", "affected_package_handles"])
def test_an_empty_one_can_find_nothing(folder: Path, table: str) -> None:
    with pytest.raises(Unavailable, match="holds no advisories"):
        change(folder, f"DELETE FROM {table}")


def test_another_schema(folder: Path) -> None:
    with pytest.raises(Unavailable, match="has schema 5; 6 is what can be used"):
        change(folder, "UPDATE db_metadata SET model = 5")


def test_one_without_metadata(folder: Path) -> None:
    with pytest.raises(Unavailable, match="has schema 0"):
        change(folder, "DELETE FROM db_metadata")


def test_a_date_that_is_none(folder: Path) -> None:
    with pytest.raises(Unavailable, match="the date of Grype's database"):
        change(folder, "UPDATE db_metadata SET build_timestamp = 'yesterday'")


@pytest.mark.parametrize("table", ["providers", "affected_package_handles", "db_metadata"])
def test_a_missing_table(folder: Path, table: str) -> None:
    with pytest.raises(Unavailable, match=f"cannot be read: no such table: {table}"):
        change(folder, f"DROP TABLE {table}")


@pytest.mark.parametrize("content", [b"", b"\0" * 100_000, bytes(range(256)) * 1000])
def test_a_file_of_another_kind(folder: Path, content: bytes) -> None:
    (folder / "6" / "vulnerability.db").write_bytes(content)
    with pytest.raises(Unavailable, match="cannot be read"):
        GrypeDatabase.read(folder)


def test_a_cut_one_is_refused_or_still_says_what_it_is(folder: Path, databases: Path) -> None:
    whole = (databases / "grype" / "6" / "vulnerability.db").read_bytes()
    for size in range(0, len(whole), 4096 * 7):
        (folder / "6" / "vulnerability.db").write_bytes(whole[:size])
        try:
            found = GrypeDatabase.read(folder)
        except Unavailable:
            continue
        assert found.database.schema == "6.1.10", "Grype itself verifies the rest by the digest"


@pytest.mark.parametrize("content", [b"", b"{", b'{"digest": 1}', b'{"digest": "a", "digest": "b"}'])
def test_a_garbled_import_record(folder: Path, content: bytes) -> None:
    (folder / "6" / "import.json").write_bytes(content)
    with pytest.raises(Unavailable, match="import record of Grype's database"):
        GrypeDatabase.read(folder)


def test_it_is_read_without_a_trace(folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "6").iterdir()}
    found = GrypeDatabase.read(folder)
    found.release("debian", "12.0")
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "6").iterdir()} == before


def test_a_path_of_odd_characters(databases: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a?mode=rw#x%20 y"
    shutil.copytree(databases / "grype", odd)
    assert GrypeDatabase.read(odd).release("debian", "12").covered


@pytest.mark.parametrize(
    ("name", "version", "covered"),
    [
        ("debian", "12.0", True),
        ("debian", "12", True),
        ("Debian", "12", True),
        ("debian", "9.13", False),
        ("debian", "", False),
        ("alpine", "3.20.0", True),
        ("alpine", "3.20", True),
        ("alpine", "3.21.0", False),
        ("alpine", "3", False),
        ("ubuntu", "12", False),
    ],
)
def test_releases(databases: Path, name: str, version: str, covered: bool) -> None:
    assert GrypeDatabase.read(databases / "grype").release(name, version).covered is covered


def test_a_release_without_advisories_is_not_covered(folder: Path) -> None:
    found = change(
        folder,
        "INSERT INTO operating_systems(name, release_id, major_version, minor_version, channel) "
        "VALUES ('debian', 'debian', '14', '', '')",
    )
    assert not found.release("debian", "14").covered


def test_ubuntu_counts_its_minor_release_without_zero(folder: Path) -> None:
    found = change(
        folder, "UPDATE operating_systems SET name = 'ubuntu', major_version = '22', minor_version = '4'"
    )
    assert found.release("ubuntu", "22.04").covered
    assert not found.release("ubuntu", "22.10").covered


def test_a_paid_channel_does_not_count(folder: Path) -> None:
    assert not change(folder, "UPDATE operating_systems SET channel = 'eus'").release("debian", "12").covered


def alias(folder: Path, **row: object) -> GrypeDatabase:
    """Add an alias of distributions and read the database."""
    columns = {"alias": "acme", "version": "", "version_pattern": "", "codename": "", "rolling": 0, **row}
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO operating_system_specifier_overrides({', '.join(columns)}) VALUES ({places})"
    return change(folder, statement, tuple(columns.values()))


def test_an_alias_of_another_distribution(folder: Path) -> None:
    found = alias(folder, replacement="debian")
    assert found.release("acme", "12").covered
    assert not found.release("acme", "9").covered


def test_an_alias_for_some_versions(folder: Path) -> None:
    found = alias(folder, replacement="debian", replacement_major_version="12", version_pattern="^7(\\..*)?$")
    assert found.release("acme", "7.1").covered
    assert not found.release("acme", "8").covered


def test_an_alias_for_a_rolling_release(folder: Path) -> None:
    assert alias(folder, replacement="debian", rolling=1).release("acme", "20240101").covered


def test_an_alias_with_a_pattern_that_is_none(folder: Path) -> None:
    assert not alias(folder, replacement="debian", version_pattern="(").release("acme", "12").covered


def test_the_end_of_a_release(folder: Path) -> None:
    found = change(folder, "UPDATE operating_systems SET eol_date = '2028-06-30 00:00:00+00:00'")
    assert found.release("debian", "12").end_of_life == datetime(2028, 6, 30, tzinfo=UTC)
    assert GrypeDatabase.read(folder).release("debian", "9").end_of_life is None


def test_languages(databases: Path) -> None:
    found = GrypeDatabase.read(databases / "grype")
    assert found.covers_type("pypi")
    assert found.covers_type("maven")
    assert not found.covers_type("gem")
    assert found.covers_type("deb"), "releases are asked for by release"
