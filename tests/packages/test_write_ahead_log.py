"""SQLite's write-ahead log: what we see is what SQLite sees, at every cut and with every damage."""

from __future__ import annotations

import sqlite3
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages.write_ahead_log import apply
from tests.packages.databases import PROMPTLY, database

FRAME = 24 + 512


@cache
def logged() -> tuple[bytes, bytes]:
    """Return a database of one row and its log, in which three transactions add 30 rows each and one removes 60."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA page_size=512")
        connection.execute("PRAGMA auto_vacuum=FULL")  # so that the last transaction makes the file shorter
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES ('first')")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.read_bytes()
        for _ in range(3):
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO t VALUES (?)", [("y" * 100,)] * 30)
            connection.execute("COMMIT")
        connection.execute("DELETE FROM t WHERE rowid > 31")
        log = path.with_name("x-wal").read_bytes()
        connection.close()
    return before, log


def rows_here(content: bytes, log: bytes) -> int:
    merged = apply(database(content), log)
    merged[18:20] = b"\1\1"
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(merged))
    try:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])
    finally:
        connection.close()


def rows_in_sqlite(content: bytes, log: bytes) -> int:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        path.with_name("x-wal").write_bytes(log)
        connection = sqlite3.connect(path)
        try:
            return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])
        finally:
            connection.close()


def test_all_of_it() -> None:
    assert rows_here(*logged()) == rows_in_sqlite(*logged()) == 31


@pytest.mark.parametrize("log", [b"", bytes(31), bytes(32)])
def test_no_log(log: bytes) -> None:
    content, _ = logged()
    assert apply(database(content), log) == content


def test_database_that_is_only_in_its_log() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        log = path.with_name("x-wal").read_bytes()
        connection.close()
    content = apply(database(b""), log)
    assert content.startswith(b"SQLite format 3\0")


@PROMPTLY
@given(st.integers(32, 40_000))
def test_cut_anywhere(cut: int) -> None:
    content, log = logged()
    assert rows_here(content, log[:cut]) == rows_in_sqlite(content, log[:cut])


@PROMPTLY
@given(st.integers(0, 100_000), st.integers(1, 255))
def test_one_damaged_byte_among_the_frames(position: int, flip: int) -> None:
    content, log = logged()
    position = 32 + position % (len(log) - 32)
    damaged = log[:position] + bytes([log[position] ^ flip]) + log[position + 1 :]
    assert rows_here(content, damaged) == rows_in_sqlite(content, damaged)


def test_frames_of_an_earlier_generation_do_not_count() -> None:
    content, log = logged()
    first_commit = next(
        position for position in range(32, len(log), FRAME) if struct.unpack_from(">I", log, position + 4)[0]
    )
    later = first_commit + FRAME
    stale = log[:later] + b"".join(
        log[position : position + 8] + b"saltsalt" + log[position + 16 : position + FRAME]
        for position in range(later, len(log), FRAME)
    )
    assert rows_here(content, stale) == rows_in_sqlite(content, stale) == 31
    assert rows_here(content, log[:later]) == 31


def big_endian(log: bytes) -> bytes:
    """Write the log as a big-endian machine would: another magic, and checksums over big-endian words."""

    def checksum(data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
        first, second = sums
        words = struct.unpack(f">{len(data) // 4}I", data)
        for index in range(0, len(words), 2):
            first = (first + words[index] + second) % 2**32
            second = (second + words[index + 1] + first) % 2**32
        return first, second

    header = struct.pack(">I", 0x377F0683) + log[4:24]
    sums = checksum(header, (0, 0))
    out = header + struct.pack(">II", *sums)
    for position in range(32, len(log), FRAME):
        head, page = log[position : position + 16], log[position + 24 : position + FRAME]
        sums = checksum(page, checksum(head[:8], sums))
        out += head + struct.pack(">II", *sums) + page
    return out


def test_written_on_a_big_endian_machine() -> None:
    content, log = logged()
    assert rows_here(content, big_endian(log)) == rows_in_sqlite(content, big_endian(log)) == 31


@pytest.mark.parametrize(
    ("start", "data", "reason"),
    [
        (0, b"\0\0\0\0", "does not begin"),
        (4, b"\0\0\0\0", "does not begin"),
        (8, struct.pack(">I", 100), "pages of 100 bytes"),
        (8, struct.pack(">I", 2**31), "pages of"),
        (24, b"\0\0\0\0", "checksum"),
    ],
)
def test_refused_header(start: int, data: bytes, reason: str) -> None:
    content, log = logged()
    with pytest.raises(MalformedImage, match=reason):
        apply(database(content), log[:start] + data + log[start + len(data) :])


def test_refused_size() -> None:
    """A commit of four billion pages, with checksums that match."""
    content, log = logged()
    frame = big_endian(log[: 32 + 4] + struct.pack(">I", 2**32 - 1) + log[32 + 8 : 32 + FRAME])
    with pytest.raises(MalformedImage, match="4294967295 pages"):
        apply(database(content), frame)
