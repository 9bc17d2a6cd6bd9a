"""Sealed files: what was written, under its name and by this machine; whatever is wrong with one, it is as good as not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.cache.sealed import SealedFolder

KEY, BODY, LIMIT = b"k" * 32, b"what was found", 100


@pytest.fixture
def folder(tmp_path: Path) -> SealedFolder:
    return SealedFolder(tmp_path / "sealed", KEY)


def read(folder: SealedFolder, name: str = "one", limit: int = LIMIT) -> bytes | None:
    found = folder.read(name, limit)
    return None if found is None else bytes(found)


@pytest.fixture
def entry(folder: SealedFolder, tmp_path: Path) -> Path:
    """The file of `BODY`, written as `one`."""
    folder.write("one", BODY)
    (path,) = (tmp_path / "sealed").iterdir()
    return path


def test_what_was_written_is_read(folder: SealedFolder, entry: Path) -> None:
    assert read(folder) == BODY
    assert read(folder, "two") is None


def test_an_empty_body_is_one(folder: SealedFolder) -> None:
    folder.write("empty", b"")
    assert read(folder, "empty", 0) == b""


def test_what_is_longer_than_the_limit_is_not_read(folder: SealedFolder, entry: Path) -> None:
    assert read(folder, limit=len(BODY)) == BODY
    assert read(folder, limit=len(BODY) - 1) is None


def test_what_another_key_sealed_is_not_read(entry: Path) -> None:
    assert read(SealedFolder(entry.parent, b"o" * 32)) is None


def test_a_file_is_read_under_its_own_name_alone(folder: SealedFolder, entry: Path) -> None:
    entry.rename(entry.with_name("two"))
    assert read(folder, "two") is None


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_a_miss(data: st.DataObject, folder: SealedFolder, entry: Path) -> None:
    whole = entry.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = data.draw(
        st.sampled_from([
            whole[:position],
            whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :],
            whole[:position] + whole[position + 1 :],
            whole + b"x",
        ])
    )  # fmt: skip
    try:
        entry.write_bytes(damaged)
        assert damaged == whole or read(folder) is None
    finally:
        entry.write_bytes(whole)


def test_nothing_half_written_is_left(
    folder: SealedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    folder.write("one", BODY)
    assert list((tmp_path / "sealed").iterdir()) == []


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = SealedFolder(tmp_path / "file/sealed", KEY)
    folder.write("one", BODY)
    assert read(folder) is None
