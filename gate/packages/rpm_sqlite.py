"""rpm's sqlite database (`rpmdb.sqlite`; Fedora 33+, RHEL 9+, Amazon Linux 2023, Azure Linux): one header per row.

SQLite reads the hostile file, so it gets it in memory, read-only, with a schema that was checked first and a bounded
number of steps. Sources: rpm, lib/backend/sqlite.cc; SQLite, "Defense Against The Dark Arts".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gate.errors import Unavailable
from gate.packages import PACKAGE_LIMIT, DatabaseFile, Entries
from gate.packages.rpm_header import parse_headers
from gate.packages.write_ahead_log import apply

if TYPE_CHECKING:
    import sqlite3

_MAGIC = b"SQLite format 3\0"
_TABLE = re.compile(
    r"CREATE TABLE (['\"]?)Packages\1 ?\( ?hnum INTEGER PRIMARY KEY AUTOINCREMENT, ?blob BLOB NOT NULL ?\)",
    re.IGNORECASE,
)
_SCHEMA_LIMIT = 1_000  # objects; rpm makes about 60
_SCHEMA_TEXT_LIMIT = 4_096  # bytes of one CREATE statement; rpm's are below 200
_STEP = 10_000
_STEPS_LIMIT = 1_000  # ten million instructions, about a second; a row takes seven


def _bytes(file: DatabaseFile) -> bytearray:
    """Return the database with its log applied, marked as one without: SQLite opens no log in memory."""
    journal = file.beside.get("-journal", b"")
    if journal[:1] not in (b"", b"\0"):
        raise file.malformed("a transaction was interrupted (its rollback journal is not empty)")
    database = apply(file, file.beside.get("-wal", b""))
    if not database.startswith(_MAGIC) or len(database) < 512:
        raise file.malformed("it does not begin like an SQLite database")
    database[18:20] = b"\1\1"
    return database


def _open(file: DatabaseFile) -> sqlite3.Connection:
    """Open the database in memory with everything switched off that a hostile schema could use."""
    import sqlite3  # here, because few images have such a database

    database = _bytes(file)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _fill(connection, database)
    except BaseException:
        connection.close()
        raise
    steps = iter(range(_STEPS_LIMIT))
    connection.set_progress_handler(lambda: next(steps, None) is None, _STEP)
    return connection


def _fill(connection: sqlite3.Connection, database: bytearray) -> None:
    """Put the database into the connection."""
    import sqlite3

    if not hasattr(connection, "deserialize"):
        raise Unavailable(
            "this Python's sqlite3 cannot read a database from memory",
            hint="use a Python built with SQLite 3.36 or later",
        )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(len(database), _SCHEMA_TEXT_LIMIT))
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1)
    connection.deserialize(database)
    for pragma in (
        "trusted_schema=OFF",
        "query_only=ON",
        "cell_size_check=ON",
        "mmap_size=0",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _check_schema(file: DatabaseFile, connection: sqlite3.Connection) -> bool:
    """Refuse a schema in which `Packages` is anything but rpm's plain table, or that brings code of its own.

    Return whether rpm's table of names is there too.
    """
    found = 0
    has_names = False
    query = "SELECT type, lower(name), lower(tbl_name), coalesce(cast(sql AS text), '') FROM sqlite_schema"
    for count, (kind, name, table, sql) in enumerate(connection.execute(query)):
        if count >= _SCHEMA_LIMIT or len(sql) > _SCHEMA_TEXT_LIMIT:
            raise file.malformed("its schema is larger than rpm's")
        if kind not in ("table", "index") or " virtual " in sql.lower()[:40]:
            raise file.malformed(f"its schema has the {kind!a} {name!a}, which rpm does not make")
        has_names |= name == "name"
        if table != "packages":
            continue
        if kind != "table" or name != "packages" or _TABLE.fullmatch(" ".join(sql.split())) is None:
            raise file.malformed("its table of packages is not as rpm makes it")
        found += 1
    if found != 1:
        raise file.malformed(f"it has {found} tables of packages")
    return has_names


def _blobs(file: DatabaseFile, connection: sqlite3.Connection, has_names: bool) -> Iterator[bytes]:
    """Yield the header of every row, and see that none is missing that rpm has under its name.

    Rows in rising order and headers that fit into the file together end the trees that SQLite would walk in circles.
    """
    total, last = 0, -1
    seen: set[int] = set()
    size = len(file.content) + len(file.beside.get("-wal", b""))
    for count, (number, blob) in enumerate(connection.execute("SELECT hnum, blob FROM Packages NOT INDEXED")):
        if not isinstance(blob, bytes) or number <= last or count > PACKAGE_LIMIT:
            raise file.malformed(f"row {count} of its packages is not a header, or out of order")
        last = number
        seen.add(number)
        total += len(blob)
        if total > size:
            raise file.malformed("its headers are larger than the file")
        yield blob
    names = connection.execute("SELECT hnum FROM Name NOT INDEXED") if has_names else ()
    if any(number not in seen for (number,) in names):
        raise file.malformed("a package has its name there, but was taken out of the table of packages")


def headers(file: DatabaseFile) -> Iterator[bytes]:
    """Yield the header of every package of `rpmdb.sqlite`, with its write-ahead log; raises `MalformedImage`."""
    import sqlite3

    connection = None
    try:
        connection = _open(file)
        has_names = _check_schema(file, connection)
        yield from _blobs(file, connection, has_names)
    except (sqlite3.Error, OverflowError, UnicodeError) as error:  # Unicode: texts of the file are quoted
        raise file.malformed(f"SQLite says: {str(error)[:200]!a}") from error
    finally:
        if connection is not None:
            connection.close()


def parse(file: DatabaseFile) -> Entries:
    """Read `rpmdb.sqlite`, with its write-ahead log where there is one."""
    return parse_headers(file, headers(file))
