"""rpm's Berkeley DB database: read whole in either byte order, or refused."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import rpm_bdb
from tests.packages.databases import PROMPTLY, bdb_page, database, rpm_package, written_by_rpm
from tests.packages.databases import rpm_bdb as write
from tests.packages.written_by_rpm import as_rpm_lists, listed

HEADERS = [rpm_package(f"package{number}", str(number), arch="x" * 200) for number in range(3)]
LONG = rpm_package("long", "1" * 250, "2" * 250, arch="x" * 250, source="y" * 250)
"""A header on several overflow pages."""


def names(content: bytes) -> list[str]:
    return [package.name for package in rpm_bdb.parse(database(content)).packages]


@pytest.mark.parametrize("name", ["Packages", "Packages.big-endian"])
def test_written_by_berkeley_db(name: str) -> None:
    entries = rpm_bdb.parse(database(written_by_rpm(name)))
    assert as_rpm_lists(entries) == listed("rpm-qa.txt")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_long_headers(order: str) -> None:
    assert names(write([*HEADERS, LONG], order)) == ["package0", "package1", "package2", "long"]


def test_no_packages() -> None:
    assert names(write([])) == []


def test_pages_that_are_free_hold_nothing() -> None:
    content = write(HEADERS) + bytes(512)
    assert len(names(put(content, 32, struct.pack("<I", len(content) // 512 - 1)))) == 3


def put(content: bytes, start: int, data: bytes) -> bytes:
    return content[:start] + data + content[start + len(data) :]


# Page 1 is the counter, page 2 the first package's hash page, page 3 the first page of its header.
HASH, OVERFLOW = 2 * 512, 3 * 512
ITEM = HASH + 512 - 5 - 12
"""Where the value of the first package lies: kind, first overflow page, length."""


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "not a whole"),
        (lambda content: content[:511], "not a whole"),
        (lambda content: content[:-1], "only"),
        (lambda content: content[:-512], "only"),
        (lambda content: put(content, 12, b"\x62\x31\x05\x00"), "begin"),
        (lambda content: put(content, 16, b"\x0b"), "version 11"),
        (lambda content: put(content, 24, b"\1"), "encrypted"),
        (lambda content: put(content, 26, b"\1"), "encrypted"),
        (lambda content: put(content, 20, struct.pack("<I", 500)), "500 bytes"),
        (lambda content: put(content, 20, struct.pack("<I", 2**31)), "pages of"),
        (lambda content: put(content, 32, b"\xff\xff\xff\xff"), "pages of"),
        (lambda content: put(content, HASH + 8, b"\7"), "says that it is page 7"),
        (lambda content: put(content, HASH + 20, b"\1"), "1 entries"),
        (lambda content: put(content, HASH + 20, b"\xfe\xff"), "65534 entries"),
        (lambda content: put(content, HASH + 26, b"\0\0"), "outside"),
        (lambda content: put(content, HASH + 26, b"\xff\xff"), "outside"),
        (lambda content: put(content, HASH + 28, b"\xff\1"), "outside"),
        (lambda content: put(content, ITEM, b"\2"), "kind 2"),
        (lambda content: put(content, ITEM, b"\1"), "header"),
        (lambda content: put(content, ITEM + 4, b"\0"), "page 0"),
        (lambda content: put(content, ITEM + 4, b"\xff"), "page 255"),
        (lambda content: put(content, ITEM + 4, b"\2"), "no part"),
        (lambda content: put(content, ITEM + 8, b"\xff\xff\xff\x7f"), "page 0"),
        (lambda content: put(content, ITEM + 8, b"\0\0"), "cut off"),
        (lambda content: put(content, OVERFLOW + 22, b"\0\0"), "no part"),
        (lambda content: put(content, OVERFLOW + 22, b"\xff\xff"), "no part"),
        (lambda content: put(content, HASH + 512 - 4, b"\2"), "twice"),
    ],
)
def test_refused(damage: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        names(damage(write(HEADERS)))


def test_overflow_page_longer_than_a_page() -> None:
    content = put(write([LONG]), ITEM + 8, b"\xff\xff")
    with pytest.raises(MalformedImage, match="states 60000 bytes"):
        names(put(content, OVERFLOW + 22, struct.pack("<H", 60_000)))


def test_chain_that_bites_its_tail() -> None:
    page = bdb_page("<", 3, 7, b"x" * 400, following=3, count=400)
    with pytest.raises(MalformedImage, match="page 3 is no part"):
        names(put(put(write([LONG]), ITEM + 8, b"\xff\xff"), OVERFLOW, page))


@PROMPTLY
@given(st.binary(min_size=1, max_size=40), st.integers(0, 4_000))
def test_damaged_files_are_read_or_refused(data: bytes, position: int) -> None:
    content = write(HEADERS)
    try:
        names(put(content, position, data)[: len(content)])
    except MalformedImage:
        return
