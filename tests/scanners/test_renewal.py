"""Renewing a database and reading it keep apart, whoever does either."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.scanners.process import Bounds
from gate.scanners.renewal import renewing, shared


def bounds(seconds: float = 0.3) -> Bounds:
    """Bounds that end soon."""
    return Bounds(time.monotonic() + seconds, threading.Event())


def test_renewing_makes_the_folder(tmp_path: Path) -> None:
    with renewing(tmp_path / "a" / "b", bounds()):
        assert (tmp_path / "a" / "b").is_dir()


def test_readers_share(tmp_path: Path) -> None:
    with renewing(tmp_path, bounds()):
        pass
    with shared(tmp_path, bounds()), shared(tmp_path, bounds()):
        pass


def test_a_renewal_waits_for_readers_and_gives_up(tmp_path: Path) -> None:
    with renewing(tmp_path, bounds()):
        pass
    with (
        shared(tmp_path, bounds()),
        pytest.raises(Unavailable, match="is in use by another run"),
        renewing(tmp_path, bounds()),
    ):
        pytest.fail("it was renewed under a reader")


def test_a_reader_waits_for_a_renewal(tmp_path: Path) -> None:
    held, release, seen = threading.Event(), threading.Event(), []

    def renew() -> None:
        with renewing(tmp_path, bounds(10)):
            held.set()
            release.wait(10)
            seen.append("renewed")

    thread = threading.Thread(target=renew)
    thread.start()
    held.wait(10)
    with pytest.raises(Unavailable, match="is in use"), shared(tmp_path, bounds()):
        pytest.fail("it was read under a renewal")
    release.set()
    with shared(tmp_path, bounds(10)):
        seen.append("read")
    thread.join()
    assert seen == ["renewed", "read"]


def test_cancelling_ends_the_waiting(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    began = time.monotonic()
    with (
        renewing(tmp_path, bounds()),
        pytest.raises(Unavailable),
        shared(tmp_path, Bounds(began + 60, cancelled)),
    ):
        pytest.fail("it was read under a renewal")
    assert time.monotonic() - began < 5


def test_a_database_that_nobody_renews_is_read_without_a_lock(tmp_path: Path) -> None:
    with shared(tmp_path / "missing", bounds()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_cannot_be_renewed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Unavailable, match="cannot be renewed") as caught,
        renewing(tmp_path / "file", bounds()),
    ):
        pytest.fail("it was renewed")
    assert "--offline" in caught.value.hint
