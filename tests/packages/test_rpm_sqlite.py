"""rpm's sqlite database: read whole, or refused, whatever its schema tries."""

from __future__ import annotations

import sqlite3
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage, Unavailable
from gate.packages import rpm_sqlite
from tests.packages.databases import (
    PACKAGES_TABLE,
    PROMPTLY,
    database,
    rpm_package,
    written_by_rpm,
)
from tests.packages.databases import (
    rpm_sqlite as write,
)
from tests.packages.written_by_rpm import as_rpm_lists, listed

HEADERS = [rpm_package("bash"), rpm_package("openssl", "3.0")]


def names(content: bytes, **beside: bytes) -> list[str]:
    return [
        package.name for package in rpm_sqlite.parse(database(content, "rpmdb.sqlite", **beside)).packages
    ]


def test_written_by_rpm() -> None:
    entries = rpm_sqlite.parse(database(written_by_rpm("rpmdb.sqlite")))
    assert as_rpm_lists(entries) == listed("rpm-qa.txt")


def test_written_by_rpm_and_not_merged() -> None:
    """Rpm has removed delta.x, and says so only in the log; a reader of the file alone still sees it."""
    log = written_by_rpm("rpmdb.sqlite-wal")
    entries = rpm_sqlite.parse(database(written_by_rpm("rpmdb.sqlite"), wal=log))
    assert as_rpm_lists(entries) == listed("rpm-qa-wal.txt")


def test_no_packages() -> None:
    assert names(write([])) == []


def test_rpms_other_tables_and_indexes_are_let_be() -> None:
    other = (
        "CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))",
        "CREATE INDEX 'Name_key_idx' ON 'Name'(key ASC)",
        "ANALYZE",
    )
    assert names(write(HEADERS, *other)) == ["bash", "openssl"]


NAMES = (
    "CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)",
    "INSERT INTO Name SELECT 'x', hnum, 0 FROM Packages",
)


def test_package_deleted_by_hand() -> None:
    """A package that rpm removes leaves all tables; one that is hidden by hand often does not."""
    assert names(write(HEADERS, *NAMES)) == ["bash", "openssl"]
    with pytest.raises(MalformedImage, match="taken out"):
        names(write(HEADERS, *NAMES, "DELETE FROM Packages WHERE hnum = 2"))
    assert names(
        write(HEADERS, *NAMES, "DELETE FROM Packages WHERE hnum = 2", "DELETE FROM Name WHERE hnum = 2")
    )


def test_empty_journal_of_a_finished_transaction() -> None:
    assert names(write(HEADERS), journal=bytes(512)) == ["bash", "openssl"]


HIDING = "SELECT hnum, blob FROM Real WHERE hnum > 1"


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (("ALTER TABLE Packages RENAME TO Real", f"CREATE VIEW Packages AS {HIDING}"), "'view'"),
        (("ALTER TABLE Packages RENAME TO Real",), "0 tables"),
        (("CREATE TRIGGER t AFTER INSERT ON Packages BEGIN DELETE FROM Packages; END",), "'trigger'"),
        (("CREATE VIRTUAL TABLE Name USING fts5(x)",), "which rpm does not make"),
        (("CREATE INDEX part ON Packages(blob) WHERE hnum > 1",), "not as rpm makes it"),
        (("CREATE INDEX all_of_it ON Packages(hnum, blob)",), "not as rpm makes it"),
        (("ALTER TABLE Packages ADD COLUMN more",), "not as rpm makes it"),
        (("UPDATE Packages SET blob = 'text' WHERE hnum = 1",), "row 0"),
        (("UPDATE Packages SET blob = 7 WHERE hnum = 2",), "row 1"),
        (("UPDATE Packages SET blob = zeroblob(0)",), "cut off"),
        (("UPDATE Packages SET hnum = -5 WHERE hnum = 1",), "row 0"),
        (tuple(f"CREATE TABLE t{number} (x)" for number in range(1_001)), "larger than rpm's"),
        ((f"CREATE TABLE t (x{'x' * 5_000})",), "larger than rpm's"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1][:30],
)
def test_refused_schema_or_row(statements: tuple[str, ...], reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        names(write(HEADERS, *statements))


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, stored BLOB, blob BLOB AS (x'00'))",
        "CREATE TABLE Packages (blob BLOB NOT NULL PRIMARY KEY, hnum INTEGER) WITHOUT ROWID",
    ],
)
def test_refused_table(table: str) -> None:
    with pytest.raises((MalformedImage, sqlite3.OperationalError), match=r"not as rpm makes it|generated"):
        names(write([] if "AS (" in table else HEADERS, table=table))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin"),
        (b"SQLite format 3\0", "does not begin"),
        (b"SQLite format 3\0" + bytes(600), "SQLite says"),
        (b"\0" * 8192, "does not begin"),
        (write(HEADERS)[:4096], "SQLite says|0 tables"),
        (
            write(HEADERS).replace(b"CREATE TABLE 'Packages'", b'CREATE TABLE "' + b"\xff" * 8 + b'"'),
            "SQLite says",
        ),
        (
            write(HEADERS).replace(b"CREATE TABLE 'Packages'", b"CREATE TABLE 'PACKAGE5'"),
            "SQLite says|tables",
        ),
    ],
    ids=["empty", "magic", "zeros after it", "zeros", "cut", "no text", "schema"],
)
def test_refused_bytes(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        names(content)


def test_interrupted_transaction() -> None:
    with pytest.raises(MalformedImage, match="journal"):
        names(write(HEADERS), journal=b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))


def interior(children: list[tuple[int, int]], last: int) -> bytes:
    """Write an interior page of a table: (left child, largest key) and the rightmost child."""
    cells, pointers, end = b"", b"", 4096
    for child, key in children:
        cell = struct.pack(">IB", child, key)
        end -= len(cell)
        cells = cell + cells
        pointers += struct.pack(">H", end)
    head = struct.pack(">BHHHBI", 5, 0, len(children), end, 0, last) + pointers
    return head + bytes(end - len(head)) + cells


def test_tree_that_repeats_its_pages_ends_at_once() -> None:
    """Every page of a tree names the next one 500 times: a walk of 500 to the power of 5 rows."""
    content = bytearray(write(HEADERS))
    leaf = int(sqlite_root(content))
    pages = len(content) // 4096
    content += content[(leaf - 1) * 4096 : leaf * 4096]
    leaf_copy = pages + 1
    for level in range(5):
        child = leaf_copy + level
        content += interior([(child, 1)] * 500, child)
    top = bytes(content[-4096:])
    content[(leaf - 1) * 4096 : leaf * 4096] = top
    content[28:32] = struct.pack(">I", len(content) // 4096)
    started = time.process_time()
    with pytest.raises(MalformedImage):
        names(bytes(content))
    assert time.process_time() - started < 2


def sqlite_root(content: bytes | bytearray) -> int:
    """Return the page of the table of packages."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(content))
    row: tuple[int] = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'Packages'"
    ).fetchone()
    connection.close()
    return row[0]


def test_steps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpm_sqlite, "_STEP", 1)
    monkeypatch.setattr(rpm_sqlite, "_STEPS_LIMIT", 3)
    with pytest.raises(MalformedImage, match="interrupted"):
        names(write(HEADERS))


def test_headers_are_bounded_by_the_file() -> None:
    content = write([rpm_package()] * 400)
    assert len(names(content)) == 400
    file = database(content)
    connection = sqlite3.connect(":memory:")
    connection.execute(PACKAGES_TABLE)
    connection.execute("INSERT INTO Packages (blob) VALUES (?)", (bytes(len(content) + 1),))
    with pytest.raises(MalformedImage, match="larger than the file"):
        list(rpm_sqlite._blobs(file, connection, has_names=False))
    connection.close()


def test_python_without_deserialize(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def close(self) -> None:
            pass

    content = write(HEADERS)
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Old())
    with pytest.raises(Unavailable, match="cannot read a database from memory") as caught:
        names(content)
    assert not isinstance(caught.value, MalformedImage)


@PROMPTLY
@given(st.lists(st.tuples(st.integers(0, 12_287), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3))
def test_damaged_files_are_read_or_refused(damages: list[tuple[int, bytes]]) -> None:
    content = bytearray(write(HEADERS))
    for position, data in damages:
        content[position : position + len(data)] = data
    try:
        names(bytes(content[:12_288]))
    except MalformedImage:
        return
