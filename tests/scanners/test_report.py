"""Reading what a scanner wrote: only whole, unambiguous JSON of the right types counts."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.scanners import report


class Document(report.Part, frozen=True):
    """What the tests read."""

    name: str
    count: int = 0
    other: str = report.named("Other", "")
    parts: list[str] | None = None


def test_known_fields_are_typed_and_unknown_ones_passed_over() -> None:
    data = b'{"name": "a", "Other": "b", "parts": null, "more": {"x": [1.5e3, true]}, "count": 3}'
    assert report.decode(data, Document, "x") == Document("a", 3, "b", None)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "double quotes"),
        (b"", ""),
        (b'{"name": "a"', ""),
        (b'{"name": "a"}{}', "Extra data"),
        (b'{"name": "a", "name": "b"}', "same key twice"),
        (b'{"name": "a", "x": {"y": 1, "y": 1}}', "same key twice"),
        (b'{"name": "a", "x": [{"y": 1, "y": 1}]}', "same key twice"),
        (b'{"name": 1}', "Expected `str`"),
        (b'{"name": "a", "count": "3"}', "Expected `int`"),
        (b'{"name": "a", "count": 3.5}', "Expected `int`"),
        (b'{"name": "a", "count": true}', "Expected `int`"),
        (b'{"count": 3}', "missing required field `name`"),
        (b'{"name": "a", "parts": {}}', "Expected `array | null`"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'{"name": "a", "x": NaN}', "not a number"),
        (b'{"name": "a", "x": -Infinity}', "not a number"),
        (b'{"name": "\xff"}', "decode"),
        (b"\xef\xbb\xbf" + b'{"name": "a"}', ""),
        (b'{"name": "a", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", ""),
        (b"Trivy says: all is well", ""),
        (b"\0" * 100, ""),
    ],
)
def test_what_is_no_such_document(data: bytes, why: str) -> None:
    with pytest.raises(Unavailable, match="the report of Trivy cannot be read") as caught:
        report.decode(data, Document, "report of Trivy")
    assert why in caught.value.message


def test_a_number_of_a_million_digits_costs_nothing() -> None:
    began = time.process_time()
    report.decode(b'{"name": "a", "x": ' + b"9" * 1_000_000 + b"}", Document, "x")
    assert time.process_time() - began < 1


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"name": "a"}')
    assert report.read(tmp_path / "report.json", Document, "x") == Document("a")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no report of Grype: No such file"):
        report.read(tmp_path / "report.json", Document, "report of Grype")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "report.json").touch()
    with pytest.raises(Unavailable, match="the report of Grype is empty"):
        report.read(tmp_path / "report.json", Document, "report of Grype")


def test_a_file_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"name": "x" * 100}))
    with pytest.raises(Unavailable, match="has more than 100 bytes"):
        report.read(tmp_path / "report.json", Document, "x", limit=100)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T21:01:12Z",
        "2026-11-23T21:01:12.123456789Z",
        "2026-11-23 21:01:12+00:00",
        "2026-11-23T22:01:12+01:00",
    ],
)
def test_times_of_both_scanners(text: str) -> None:
    assert report.moment(text, "x").replace(microsecond=0) == datetime(2026, 11, 23, 21, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-23T21:01:12", "0000-00-00T00:00:00Z"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Unavailable, match="the date is"):
        report.moment(text, "the date")
