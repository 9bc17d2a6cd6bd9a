"""Trivy's database: what it is and holds is established without Trivy, or it is not used."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.scanners.trivy_database import TrivyDatabase
from samples.databases.bolt import Tree, write_bolt

BUILT = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
ADVISORY: Tree = {"package": {"CVE-2023-1": b"{}"}}
TREE: dict[str, Tree] = {
    "vulnerability": {"CVE-2023-1": b"{}"},
    "data-source": {"debian 12": b"{}"},
    "debian 12": ADVISORY,
}


def write(folder: Path, tree: Tree = TREE, **metadata: Any) -> Path:
    """Write a database with these buckets and return the cache folder."""
    db = folder / "db"
    db.mkdir(parents=True)
    write_bolt(db / "trivy.db", tree)
    stated = {"Version": 2, "UpdatedAt": "2026-11-23T06:30:00.123456789Z", **metadata}
    (db / "metadata.json").write_text(json.dumps(stated))
    return folder


def with_buckets(folder: Path, *names: str) -> TrivyDatabase:
    """A database whose advisories are in these buckets."""
    return TrivyDatabase.read(write(folder, {"vulnerability": {"a": b"b"}, **dict.fromkeys(names, ADVISORY)}))


def test_what_it_is(tmp_path: Path) -> None:
    found = TrivyDatabase.read(
        write(tmp_path, {**TREE, "alpine edge": ADVISORY, "pip::GitHub": ADVISORY})
    ).database
    assert found.schema == "2"
    assert found.built.replace(microsecond=0) == BUILT
    assert found.digest.startswith("sha256:")
    assert found.providers == ("alpine", "debian", "pip")


def test_one_of_the_samples(databases: Path, built: datetime) -> None:
    found = TrivyDatabase.read(databases / "trivy")
    assert found.database.built == built
    assert found.covers_release("debian", "12.0")
    assert found.covers_release("alpine", "3.20.0")
    assert not found.covers_release("debian", "9.13")


@pytest.mark.parametrize("missing", ["trivy.db", "metadata.json"])
def test_a_missing_file(tmp_path: Path, missing: str) -> None:
    (write(tmp_path) / "db" / missing).unlink()
    with pytest.raises(Unavailable, match="has no vulnerability database in") as caught:
        TrivyDatabase.read(tmp_path)
    assert "--download-db-only" in caught.value.hint


@pytest.mark.parametrize("tree", [{}, {"vulnerability": {}}, {"vulnerability": {"a": b"b"}}, {"debian 12": ADVISORY},
                                  {"vulnerability": {"a": b"b"}, "data-source": {"a": b"b"}, "debian 12": {}}])  # fmt: skip
def test_an_empty_one_can_find_nothing(tmp_path: Path, tree: Tree) -> None:
    with pytest.raises(Unavailable, match="holds no advisories"):
        TrivyDatabase.read(write(tmp_path, tree))


@pytest.mark.parametrize("version", [0, 1, 3])
def test_another_schema(tmp_path: Path, version: int) -> None:
    with pytest.raises(Unavailable, match=f"has schema {version}; 2 is what can be used"):
        TrivyDatabase.read(write(tmp_path, Version=version))


@pytest.mark.parametrize(
    "metadata", [{"UpdatedAt": "yesterday"}, {"UpdatedAt": None}, {"Version": "2"}, {"Version": True}]
)
def test_metadata_that_say_nothing(tmp_path: Path, metadata: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        TrivyDatabase.read(write(tmp_path, **metadata))


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 100, b'{"Version": 2, "Version": 2}', b" " * 100_000])
def test_garbled_metadata(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "db" / "metadata.json").write_bytes(content)
    with pytest.raises(Unavailable, match="metadata of Trivy's database"):
        TrivyDatabase.read(tmp_path)


def test_a_cut_one(tmp_path: Path) -> None:
    path = write(tmp_path) / "db" / "trivy.db"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unavailable, match="cannot be read: it was cut off"):
        TrivyDatabase.read(tmp_path)


@pytest.mark.parametrize(
    ("bucket", "family", "version"),
    [
        ("debian 12", "debian", "12.0"),
        ("debian 12", "debian", "12"),
        ("alpine 3.20", "alpine", "3.20.0"),
        ("alpine edge", "alpine", "3.21_alpha20240807"),
        ("ubuntu 22.04", "ubuntu", "22.04"),
        ("rocky 9", "rocky", "9.3"),
        ("alma 9", "alma", "9.3"),
        ("Oracle Linux 9", "oracle", "9.3"),
        ("Red Hat", "redhat", "9.3"),
        ("Red Hat", "centos", "7.9.2009"),
        ("amazon linux 1", "amazon", "AMI release 2018.03"),
        ("amazon linux 2", "amazon", "2 (Karoo)"),
        ("amazon linux 2023", "amazon", "2023.5.20240708 (Amazon Linux)"),
        ("SUSE Linux Enterprise 15.5", "sles", "15.5"),
        ("openSUSE Leap 15.5", "opensuse-leap", "15.5"),
        ("openSUSE Tumbleweed", "opensuse-tumbleweed", "20240101"),
        ("Photon OS 4.0", "photon", "4.0"),
        ("CBL-Mariner 2.0", "cbl-mariner", "2.0.20220527"),
        ("Azure Linux 3.0", "azurelinux", "3.0.20240727"),
        ("wolfi", "wolfi", "20230201"),
        ("chainguard", "chainguard", "20230214"),
    ],
)
def test_releases_that_it_covers(tmp_path: Path, bucket: str, family: str, version: str) -> None:
    assert with_buckets(tmp_path, bucket).covers_release(family, version)


@pytest.mark.parametrize(
    ("family", "version"),
    [
        ("debian", "1"),
        ("debian", "120"),
        ("debian", ""),
        ("alpine", "3.2"),
        ("fedora", "40"),
        ("acme", "12"),
        ("", ""),
    ],
)
def test_releases_that_it_does_not_cover(tmp_path: Path, family: str, version: str) -> None:
    assert not with_buckets(tmp_path, "debian 12", "alpine 3.20").covers_release(family, version)


def test_languages(tmp_path: Path) -> None:
    found = with_buckets(tmp_path, "pip::GitHub Security Advisory pip", "npm::x")
    assert found.covers_type("pypi")
    assert found.covers_type("npm")
    assert not found.covers_type("golang")
    assert not found.covers_type("maven")
    assert found.covers_type("deb"), "releases are asked for by covers_release"
    assert found.covers_type("swift"), "no database is asked for what the table does not name"


def test_a_changed_one_has_another_digest(tmp_path: Path) -> None:
    first = TrivyDatabase.read(write(tmp_path))
    other = tmp_path / "other"
    write_bolt(other, {**TREE, "debian 13": ADVISORY})
    other.replace(tmp_path / "db" / "trivy.db")
    second = TrivyDatabase.read(tmp_path)
    assert first.database.digest != second.database.digest
