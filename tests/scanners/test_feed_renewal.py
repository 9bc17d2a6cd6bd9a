"""Renewing feeds: from the first source that gives one, looked into before it takes its place, with a reason for each failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.registry import retries
from gate.scanners import ScannerSettings
from gate.scanners.feed_renewal import renew
from gate.scanners.feeds import KEV, read_feed, read_record
from gate.scanners.process import Bounds
from gate.scanners.renewal import Wish
from samples.databases.advisories import load
from samples.databases.feeds import kev_json
from samples.databases.oci_artifact import Served
from tests.kit.loopback import LoopbackServer, serving

NOW = datetime.now(UTC).replace(microsecond=0)


def served(hours: float = 1) -> Served:
    return Served("application/json", kev_json(load(), NOW - timedelta(hours=hours)))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    """A server of the feed, asked again without a pause."""
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.001)
    with serving({"/kev": served(), "/old": served(48), "/page": Served("text/html", b"<html>")}) as running:
        yield running


@pytest.fixture
def told(settings: ScannerSettings, tmp_path: Path, server: LoopbackServer) -> ScannerSettings:
    """Settings for a place without feeds, and one source."""
    return asking(replace(settings, feeds=tmp_path / "feeds"), server, "/kev")


def asking(settings: ScannerSettings, server: LoopbackServer, *paths: str) -> ScannerSettings:
    return replace(settings, feed_sources={"kev": tuple(f"http://{server.host}{path}" for path in paths)})


def renewed(settings: ScannerSettings, **wish: object) -> tuple[str, ...]:
    bounds = Bounds(time.monotonic() + 30, threading.Event())
    return renew(KEV, settings, bounds, Wish(**wish))  # type: ignore[arg-type]


def test_one_that_is_not_here_is_fetched_once(told: ScannerSettings, server: LoopbackServer) -> None:
    assert told.feeds is not None
    for _ in range(2):
        assert renewed(told) == ()
    assert server.requests == ["GET /kev"], "what was fetched a moment ago is not due"
    feed = read_feed(KEV, told.feeds, ["CVE-2021-44228"])
    assert feed.known == {"CVE-2021-44228"}
    assert feed.source == f"http://{server.host}/kev"
    assert sorted(path.name for path in told.feeds.iterdir()) == [".image-gate.lock", "kev"]


def test_one_that_is_due_is_fetched_again_and_what_is_newer_stays(
    told: ScannerSettings, server: LoopbackServer
) -> None:
    assert told.feeds is not None
    renewed(told)
    first = read_record(told.feeds / "kev")
    server.paths = {"/kev": served(0)}
    assert renewed(told, force=True) == ()
    assert read_feed(KEV, told.feeds).database.built.replace(microsecond=0) == NOW
    assert read_record(told.feeds / "kev") != first
    server.paths = {"/kev": served(48)}
    (warning,) = renewed(told, force=True)
    assert "older than the database that is here" in warning
    assert read_feed(KEV, told.feeds).database.built.replace(microsecond=0) == NOW


def test_the_next_source_is_asked_whatever_is_wrong_with_one(
    told: ScannerSettings, server: LoopbackServer
) -> None:
    assert renewed(asking(told, server, "/gone", "/page", "/kev")) == ()
    assert server.requests == ["GET /gone", "GET /page", "GET /kev"]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/gone", None, "not found"),
        ("/page", None, "corrupt"),
        ("/kev", HTTPStatus.TOO_MANY_REQUESTS, "rate limited"),
        ("/kev", HTTPStatus.BAD_GATEWAY, "unreachable"),
    ],
)
def test_why_it_could_not_be_fetched(
    told: ScannerSettings, server: LoopbackServer, path: str, status: HTTPStatus | None, reason: str
) -> None:
    server.status = status
    with pytest.raises(Unavailable, match=f"/{path[1:]}: {reason}: "):
        renewed(asking(told, server, path))


def test_a_server_that_is_not_there_or_gives_what_is_too_old(
    told: ScannerSettings, server: LoopbackServer
) -> None:
    with pytest.raises(Unavailable, match="kev: unreachable: "):
        renewed(replace(told, feed_sources={"kev": ("http://127.0.0.1:1/kev",)}))
    with pytest.raises(Unavailable, match="old: too old: "):
        renewed(asking(told, server, "/old"), max_age=timedelta(hours=24))


def test_the_last_good_one_stays_with_a_warning(told: ScannerSettings, server: LoopbackServer) -> None:
    assert told.feeds is not None
    renewed(told)
    server.status = HTTPStatus.TOO_MANY_REQUESTS
    (warning,) = renewed(told, force=True)
    assert "rate limited" in warning
    assert read_feed(KEV, told.feeds).database.digest


def test_several_at_once_share_one(told: ScannerSettings, server: LoopbackServer) -> None:
    threads = [threading.Thread(target=renewed, args=(told,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == ["GET /kev"]
