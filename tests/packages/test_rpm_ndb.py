"""rpm's ndb database: read whole, or refused."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import rpm_ndb
from tests.packages.databases import PROMPTLY, database, rpm_package, written_by_rpm
from tests.packages.databases import rpm_ndb as write
from tests.packages.written_by_rpm import as_rpm_lists, listed

HEADERS = [rpm_package(f"package{number}", str(number)) for number in range(3)]


def names(content: bytes) -> list[str]:
    return [package.name for package in rpm_ndb.parse(database(content)).packages]


def test_written_by_rpm() -> None:
    entries = rpm_ndb.parse(database(written_by_rpm("Packages.db")))
    assert as_rpm_lists(entries) == listed("rpm-qa.txt")


def test_several_pages_of_slots() -> None:
    headers = [rpm_package(f"p{number}") for number in range(300)]
    assert names(write(headers, pages=2)) == [f"p{number}" for number in range(300)]


def test_no_packages() -> None:
    assert names(write([])) == []


def slot(content: bytes, number: int, index: int, offset: int, count: int) -> bytes:
    """Overwrite one slot."""
    start = 32 + number * 16
    return content[:start] + struct.pack("<4sIII", b"Slot", index, offset, count) + content[start + 16 :]


def put(content: bytes, start: int, data: bytes) -> bytes:
    return content[:start] + data + content[start + len(data) :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "not a whole"),
        (lambda content: content[:4095], "not a whole"),
        (lambda content: content[:-1], "not a whole"),
        (lambda content: content[:-16], "outside"),
        (lambda content: put(content, 0, b"Rpmp"), "begin"),
        (lambda content: put(content, 4, b"\1"), "begin"),
        (lambda content: put(content, 12, b"\0\0\0\0"), "0 pages"),
        (lambda content: put(content, 12, b"\xff\xff\xff\xff"), "pages of slots"),
        (lambda content: put(content, 12, b"\2"), "pages of slots"),
        (lambda content: put(content, 32, b"slot"), "like one"),
        (lambda content: put(content, 4080, b"slot"), "like one"),
        (lambda content: slot(content, 0, 1, 2, 7), "into the slots"),
        (lambda content: slot(content, 0, 1, 256, 2**32 - 1), "share blocks"),
        (lambda content: slot(content, 0, 1, 256, 1), "no room"),
        (lambda content: slot(content, 0, 9, 256, 7), "damaged"),
        (lambda content: slot(content, 0, 0, 256, 7), "no index"),
        (lambda content: slot(content, 1, 1, 263, 7), "one package index"),
        (lambda content: slot(content, 1, 2, 256, 7), "share"),
        (lambda content: put(content, 4096, b"blbS"), "damaged"),
        (lambda content: put(content, 4096 + 12, b"\1"), "damaged"),
        (lambda content: put(content, 4096 + 40, b"\xff"), "checksum"),
    ],
)
def test_refused(damage: Callable[[bytes], bytes], reason: str) -> None:
    content = write(HEADERS)
    assert len(content) == 4096 + len(HEADERS) * 7 * 16
    with pytest.raises(MalformedImage, match=reason):
        names(damage(content))


def test_blob_within_a_blob() -> None:
    """Thousands of blobs, each around the next, would each be summed whole: unbounded time from a small file."""
    inner = write([rpm_package("inner")])[4096:]
    outer = rpm_package("outer")
    content = write([outer + bytes(-len(outer) % 16) + inner])
    start = content.index(inner) // 16
    with pytest.raises(MalformedImage, match="share blocks"):
        names(slot(content, 1, 2, start, len(inner) // 16))


@PROMPTLY
@given(st.binary(max_size=200), st.integers(0, 20_000))
def test_damaged_files_are_read_or_refused(data: bytes, position: int) -> None:
    try:
        found = names(put(write(HEADERS), position, data)[: len(write(HEADERS))])
    except MalformedImage:
        return
    assert found == [f"package{number}" for number in range(3)]
