"""Renewing a database and reading it keep apart, whoever does either."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.scanners.process import Bounds
from gate.scanners.renewal import (
    NothingNewer,
    Wish,
    check_age,
    first_of,
    reason_of,
    renewing,
    restore,
    shared,
    switch,
)


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


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("failed with exit code 1: TOOMANYREQUESTS: retry-after: 12ms", "rate limited"),
        ("GET http://m/v2/: unexpected status code 429 Too Many Requests", "rate limited"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "unreachable"),
        ("dial tcp: lookup m.test: no such host", "unreachable"),
        ("Trivy's database download did not end in time and was stopped", "unreachable"),
        ("unexpected status code 503 Service Unavailable", "unreachable"),
        ("MANIFEST_UNKNOWN: not here", "not found"),
        ("error verifying sha256 checksum after reading 12 bytes", "corrupt"),
        ("Trivy's database f cannot be read: it was cut off", "corrupt"),
        ("Grype's database holds no advisories, so it can find nothing", "empty"),
        ("what it gives is of 2020-01-01 00:00, too old", "too old"),
        ("Trivy cannot be started: permission denied", "failed"),
        (
            "Grype's database /tmp/run-502/404/6/vulnerability.db cannot be read: file is not a database",
            "corrupt",
        ),
        ('Get "https://m.test/404/429.tar": read tcp: i/o timeout', "unreachable"),
        ("(/var/502) has schema 7", "corrupt"),
    ],
)
def test_a_failure_has_a_reason(message: str, reason: str) -> None:
    assert reason_of(message) == reason


def test_sources_are_tried_in_their_order_until_one_is_good() -> None:
    tried = []

    def fetch(source: str, share: Bounds) -> None:
        tried.append(source)
        if source != "c":
            raise Unavailable(f"no such host {source}", hint="h")

    first_of(("a", "b", "c", "d"), bounds(), fetch)
    assert tried == ["a", "b", "c"]
    with pytest.raises(Unavailable) as caught:
        first_of(("a", "https://user:secret@b.test/"), bounds(), fetch)
    assert caught.value.message.startswith("a: unreachable: no such host a; https://")
    assert "secret" not in caught.value.message.split("; ")[1].partition(": unreachable")[0]
    assert caught.value.hint == "h"


def test_where_some_have_nothing_newer_and_none_has_that_is_no_failure() -> None:
    tried = []

    def fetch(source: str, share: Bounds) -> None:
        tried.append(source)
        raise NothingNewer if source == "a" else Unavailable("no such host")

    first_of(("a", "b"), bounds(), fetch)
    assert tried == ["a", "b"]


def test_a_full_disk_is_no_fault() -> None:
    def fetch(source: str, share: Bounds) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="no room for a new database: No space left on device"):
        first_of((), bounds(), fetch)


def test_a_source_that_hangs_leaves_time_for_the_others() -> None:
    left: list[float] = []

    def fetch(source: str, share: Bounds) -> None:
        left.append(share.deadline - time.monotonic())
        raise Unavailable(source)

    with pytest.raises(Unavailable):
        first_of(("a", "b", "c"), bounds(9), fetch)
    assert [round(one, 1) for one in left] == pytest.approx([3, 4.5, 9], abs=0.2)


@pytest.mark.parametrize(
    ("built", "before", "wish", "reason"),
    [
        (timedelta(days=2), timedelta(days=1), Wish(), "older than the database that is here"),
        (timedelta(days=2), None, Wish(max_age=timedelta(days=1)), "too old"),
        (timedelta(days=1), timedelta(days=1), Wish(), "nothing newer"),
        (timedelta(days=3), timedelta(days=3), Wish(max_age=timedelta(days=1)), "too old"),
        (timedelta(days=1), timedelta(days=2), Wish(), ""),
        (timedelta(days=1), None, Wish(max_age=timedelta(days=2)), ""),
    ],
)
def test_what_is_too_old_is_not_taken(
    built: timedelta, before: timedelta | None, wish: Wish, reason: str
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Unavailable, match=reason) if reason else nullcontext():
        check_age(now - built, None if before is None else now - before, wish)


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "file").write_text(text)
    return path


def test_a_switch_replaces_the_whole(tmp_path: Path) -> None:
    target = folder(tmp_path / "db", "old")
    switch(folder(tmp_path / "new", "new"), target)
    assert (target / "file").read_text() == "new"
    switch(folder(tmp_path / "new", "newer"), target)
    assert [path.name for path in tmp_path.iterdir()] == ["db"]


def test_a_switch_that_was_broken_off_is_mended(tmp_path: Path) -> None:
    target = folder(tmp_path / ".db.before", "old").with_name("db")
    folder(tmp_path / ".image-gate-renewal-x", "half")
    restore(target)
    assert (target / "file").read_text() == "old"
    folder(tmp_path / ".db.before", "older")
    restore(target)
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["db"]
