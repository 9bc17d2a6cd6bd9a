"""SQLite's write-ahead log: the changes of a database that are not in its file yet.

rpm reads them, because SQLite does; scanners that open the file alone see the packages of before the last update. Images
with such a log are built every day (dnf in a Dockerfile). Source: SQLite's "Database File Format", section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain

from gate.packages import DatabaseFile

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC_LITTLE, _MAGIC_BIG = 0x377F0682, 0x377F0683
_VERSION = 3007000
_WORD = 0xFFFFFFFF

_Sums = tuple[int, int]


def _checksum(data: bytes, order: str, sums: _Sums) -> _Sums:
    """Continue the log's running checksum over `data`, whose length is a multiple of eight."""
    first, second = sums
    for left, right in struct.iter_unpack(f"{order}II", data):
        first = (first + left + second) & _WORD
        second = (second + right + first) & _WORD
    return first, second


def _frames(file: DatabaseFile, log: bytes, page_size: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Yield (page number, pages after the commit or 0, position of the page) of each frame that SQLite would accept."""
    header = _HEADER.unpack_from(log)
    salts = header[4:6]
    sums = _checksum(log[:24], order, (0, 0))
    if sums != header[6:8]:
        raise file.malformed("the header of its write-ahead log does not match its checksum")
    for position in range(_HEADER.size, len(log) - _FRAME.size - page_size + 1, _FRAME.size + page_size):
        page, size, *rest = _FRAME.unpack_from(log, position)
        start = position + _FRAME.size
        if (rest[0], rest[1]) != salts or page == 0:
            return  # what is left of an earlier generation of the log
        for part in (log[position : position + 8], log[start : start + page_size]):
            sums = _checksum(part, order, sums)
        if sums != (rest[2], rest[3]):
            return
        yield page, size, start


def apply(file: DatabaseFile, log: bytes) -> bytearray:
    """Return the database with all committed changes of its log, as SQLite would see it.

    A frame counts if its salts are the log's and the checksums match so far; what follows the last commit does not.
    """
    database = bytearray(file.content)
    if len(log) <= _HEADER.size:
        return database
    magic, version, page_size, *_ = _HEADER.unpack_from(log)
    if magic not in (_MAGIC_LITTLE, _MAGIC_BIG) or version != _VERSION:
        raise file.malformed("its write-ahead log does not begin like one")
    if not 512 <= page_size <= 65536 or page_size & (page_size - 1):
        raise file.malformed(f"its write-ahead log states pages of {page_size} bytes")
    pages: dict[int, int] = {}
    committed: list[dict[int, int]] = []
    size = 0
    for page, pages_after, start in _frames(file, log, page_size, "<" if magic == _MAGIC_LITTLE else ">"):
        pages[page] = start
        if pages_after:
            committed.append(pages)
            pages, size = {}, pages_after
    latest = dict(chain.from_iterable(changes.items() for changes in committed))
    if size == 0:
        return database
    if size * page_size > len(database) + len(log):
        raise file.malformed(f"its write-ahead log states {size} pages, more than there are")
    database.extend(bytes(max(0, size * page_size - len(database))))
    for page, start in latest.items():
        if page <= size:
            database[(page - 1) * page_size : page * page_size] = log[start : start + page_size]
    del database[size * page_size :]
    return database
