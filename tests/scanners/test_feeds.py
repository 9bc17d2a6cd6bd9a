"""Feeds of what is exploited: read whole or not at all, whatever stands in them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.evidence import Feed
from gate.limits import LIMITS
from gate.scanners import ScannerSettings, feeds
from gate.scanners.feeds import EPSS, FEEDS, KEV, folder_of, read_feed, write_record
from gate.scanners.renewal import reason_of
from samples.databases.advisories import load
from samples.databases.feeds import epss_csv, kev_csv, kev_json

PUBLISHED = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
LOG4SHELL, OTHER = "CVE-2021-44228", "CVE-2023-5363"
SCORES = [(LOG4SHELL, 0.97, 0.9999), (OTHER, 0.00001, 0.1), ("CVE-1999-0001", 1.0, 1.0)]


def read(folder: Path, name: str, data: bytes, *asked: str) -> Feed:
    """Read a feed of these bytes."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "feed").write_bytes(data)
    return read_feed(FEEDS[name], folder, asked)


def test_the_catalogue_as_json(tmp_path: Path) -> None:
    feed = read(tmp_path, "kev", kev_json(load(), PUBLISHED), LOG4SHELL, OTHER)
    assert feed.known == {LOG4SHELL}
    assert (feed.database.schema, feed.database.built.replace(microsecond=0)) == ("2026.11.20", PUBLISHED)
    assert (feed.source, feed.database.digest[:7]) == ("", "sha256:")


def test_the_catalogue_as_csv_is_as_old_as_its_newest_entry(tmp_path: Path) -> None:
    feed = read(tmp_path, "kev", kev_csv(load()), LOG4SHELL, OTHER)
    assert feed.known == {LOG4SHELL}
    assert feed.database.built == datetime(2025, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize("packed", [False, True])
def test_scores_compressed_or_not(tmp_path: Path, packed: bool) -> None:
    data = epss_csv(SCORES, PUBLISHED)
    feed = read(tmp_path, "epss", gzip.compress(data) if packed else data, LOG4SHELL, OTHER, "CVE-2020-1")
    assert feed.scores == {LOG4SHELL: 0.97, OTHER: 0.00001}, "also in the notation 1e-05"
    assert (feed.database.schema, feed.database.built) == ("v2025.03.14", PUBLISHED)


def test_it_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "epss").mkdir()
    write_record(tmp_path / "epss", "https://mirror.example.com/epss.csv")
    assert read(tmp_path, "epss", epss_csv(SCORES, PUBLISHED)).source == "https://mirror.example.com/epss.csv"


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(kev_json(load(), PUBLISHED)) | fields).encode()


ENTRY = {"cveID": LOG4SHELL, "dateAdded": "2021-12-10"}
HEAD = b"#model_version:v1,score_date:2026-11-20T00:00:00+0000\ncve,epss,percentile\n"
BAD = {
    "kev: nothing": ("kev", b"", "does not name the columns"),
    "kev: page": ("kev", b"<html>Access denied</html>", "does not name the columns"),
    "kev: empty": ("kev", changed(count=0, vulnerabilities=[]), "holds no entries"),
    "kev: cut": ("kev", kev_json(load(), PUBLISHED)[:-50], "not valid JSON"),
    "kev: count": ("kev", changed(count=99), "states 99 entries"),
    "kev: twice": ("kev", changed(count=2, vulnerabilities=[ENTRY, ENTRY]), "lists a CVE twice"),
    "kev: key twice": ("kev", b'{"count": 1, "count": 2}', "twice in one object"),
    "kev: no CVE": ("kev", changed(count=1, vulnerabilities=[ENTRY | {"cveID": "CVE-1\n"}]), "matching regex"),
    "kev: no day": ("kev", changed(count=1, vulnerabilities=[ENTRY | {"dateAdded": "soon"}]), "Invalid"),
    "kev: no date": ("kev", changed(dateReleased="2026"), "names no time zone|no time"),
    "kev: ahead": ("kev", kev_json(load(), datetime(2199, 1, 1, tzinfo=UTC)), "is of 2199-01-01, which lies ahead"),
    "kev: list": ("kev", b"[]", "does not name the columns"),
    "kev csv: columns": ("kev", b"cveID,dateAdded\nCVE-2021-44228\n", "line 2 has 1 columns"),
    "kev csv: no CVE": ("kev", b"cveID,dateAdded\nlog4shell,2021-12-10\n", "line 2 names no CVE"),
    "kev csv: column twice": ("kev", b"cveID,cveID,dateAdded\n", "once each"),
    "kev csv: empty": ("kev", b"cveID,dateAdded\n", "holds no entries"),
    "kev csv: quote": ("kev", b'cveID,dateAdded\n"CVE-2021-44228"x,2021-12-10\n', "expected after"),
    "epss: no head": ("epss", b"cve,epss,percentile\nCVE-2021-44228,1,1\n", "first two lines"),
    "epss: empty": ("epss", HEAD, "holds no entries"),
    "epss: above 1": ("epss", HEAD + b"CVE-2021-44228,1.5,0.1\n", "is no CVE with two numbers"),
    "epss: negative": ("epss", HEAD + b"CVE-2021-44228,-0.5,0.1\n", "is no CVE with two numbers"),
    "epss: above 1, with an exponent": ("epss", HEAD + b"CVE-2021-44228,9.5e-00,0.1\n", "is no CVE with two numbers"),
    "epss: nan": ("epss", HEAD + b"CVE-2021-44228,nan,0.1\n", "is no CVE with two numbers"),
    "epss: no CVE": ("epss", HEAD + b"GHSA-1,0.5,0.1\n", "is no CVE with two numbers"),
    "epss: twice": ("epss", HEAD + b"CVE-2021-44228,0.9,0.1\nCVE-2021-44228,0.1,0.1\n", "twice"),
    "epss: cut": ("epss", HEAD + b"CVE-2021-44228,0.9,0.1", "is no CVE with two numbers"),
    "epss: bytes": ("epss", HEAD + b"\xff\n", "can't decode"),
    "epss: date": ("epss", b"#model_version:v1,score_date:x\ncve,epss,percentile\nCVE-2021-44228,1,1\n", "no time"),
    "epss: gzip cut": ("epss", gzip.compress(HEAD * 9)[:-9], "cut off"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_feed(tmp_path: Path, case: str) -> None:
    name, data, reason = BAD[case]
    with pytest.raises(Unavailable, match=reason) as caught:
        read(tmp_path, name, data, LOG4SHELL)
    assert not caught.value.blocks, "a broken list says nothing about the image"
    assert reason_of(caught.value.message) == ("empty" if "empty" in case else "corrupt")
    assert f"db update {name}" in caught.value.hint


def test_one_that_expands_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LIMITS", replace(LIMITS, feed=10_000))
    with pytest.raises(Unavailable, match="more than 10,000 bytes"):
        read(tmp_path, "epss", gzip.compress(bytes(1_000_000)))


def test_one_that_is_not_here(tmp_path: Path, settings: ScannerSettings) -> None:
    with pytest.raises(Unavailable, match="there is no catalogue of exploited"):
        read_feed(KEV, tmp_path)
    with pytest.raises(Unavailable, match="not said where feeds are kept"):
        folder_of(replace(settings, feeds=None))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("feed")
    for kind in (KEV, EPSS):
        (folder / kind.name).mkdir()
        (folder / kind.name / "feed").write_bytes(HEAD + data if kind is EPSS else data)
        try:
            read_feed(kind, folder, [LOG4SHELL])
        except Unavailable:
            continue
        assert kind is EPSS or data
