"""The key of this machine."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from gate.cache.key import machine_key


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_stays_the_same_and_is_private(state: Path) -> None:
    key = machine_key()
    assert len(key) == 32
    assert machine_key() == key
    (path,) = (state / "image-gate").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == key


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_one_that_is_none_is_made_anew(content: bytes, state: Path) -> None:
    (state / "image-gate").mkdir(parents=True)
    path = state / "image-gate/cache.key"
    path.write_bytes(content)
    path.chmod(0o600)
    key = machine_key()
    assert len(key) == 32
    assert key != content
    assert machine_key() == key


def test_one_that_others_could_read_is_made_anew(state: Path) -> None:
    key = machine_key()
    path = state / "image-gate/cache.key"
    path.chmod(0o644)
    assert machine_key() != key
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_none_can_be_kept_it_serves_this_run(state: Path) -> None:
    state.write_text("a file")
    assert len(machine_key()) == 32
    assert machine_key() != machine_key()
    assert state.read_text() == "a file"


@pytest.mark.slow
def test_runs_that_start_together_agree(state: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        results = [pool.apply_async(machine_key) for _ in range(8)]
        keys = {result.get(60) for result in results}
    assert machine_key() in keys
