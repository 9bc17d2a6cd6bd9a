"""rpm's Berkeley DB database (`Packages`; RHEL up to 8, Amazon Linux 2): a hash table of headers, in pages.

In the byte order of the machine that wrote it. All pages are read, not only those that the hash reaches, so that what
either kind of reader would see is seen. Sources: rpm, lib/backend/bdb_ro.cc; Berkeley DB 5.3, src/dbinc/db_page.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

from gate.packages import DatabaseFile, Entries
from gate.packages.rpm_header import parse_headers

_HASH_MAGIC = 0x00061561
_VERSIONS = (8, 9, 10)
_META = "12xIIIBBB5xI"  # magic, version, page size, encryption, type, flags, last page
_META_SIZE = 512
_META_CHECKSUM = 0x01
_PAGE_HEAD = "8xIIIHHBB"  # number, previous, next, entries, free offset or length, level, type
_PAGE_HEAD_SIZE = 26
_PAGE_HASH_UNSORTED, _PAGE_OVERFLOW, _PAGE_HASH = 2, 7, 13
_ITEM_PLAIN, _ITEM_OVERFLOW = 1, 3


class _Pages(Struct, frozen=True):
    """The pages of a database file, and which overflow pages were read already."""

    file: DatabaseFile
    order: str
    size: int
    last: int
    used: bytearray

    def head(self, number: int) -> tuple[int, int, int, int]:
        """Return (next page, entries, length, type) of a page."""
        if not 0 < number <= self.last:
            raise self.file.malformed(f"a page refers to page {number}, which does not exist")
        own, _, following, entries, length, _, kind = struct.unpack_from(
            self.order + _PAGE_HEAD, self.file.content, number * self.size
        )
        if kind in (_PAGE_HASH_UNSORTED, _PAGE_HASH, _PAGE_OVERFLOW) and own != number:
            raise self.file.malformed(f"page {number} says that it is page {own}")
        return following, entries, length, kind

    def items(self, number: int, entries: int) -> Iterator[bytes]:
        """Yield the raw items of a hash page: keys and values in turn, stored from the page's end downwards."""
        page = self.file.content[number * self.size : (number + 1) * self.size]
        floor = _PAGE_HEAD_SIZE + 2 * entries
        if floor > self.size or entries % 2:
            raise self.file.malformed(f"page {number} states {entries} entries")
        end = self.size
        for offset in struct.unpack_from(f"{self.order}{entries}H", page, _PAGE_HEAD_SIZE):
            if not floor <= offset < end:
                raise self.file.malformed(f"an entry of page {number} lies outside of it")
            yield page[offset:end]
            end = offset

    def value(self, item: bytes) -> bytes:
        """Return the bytes of an item, from its chain of overflow pages if it has one; no page belongs to two chains."""
        if item[0] == _ITEM_PLAIN:
            return item[1:]
        if item[0] != _ITEM_OVERFLOW or len(item) != 12:
            raise self.file.malformed(f"an entry is of the unknown kind {item[0]}")
        number, missing = struct.unpack(self.order + "4xII", item)
        parts: list[bytes] = []
        while missing:
            following, _, length, kind = self.head(number)
            if kind != _PAGE_OVERFLOW or self.used[number] or not 0 < length <= missing:
                raise self.file.malformed(f"page {number} is no part of a package")
            if length > self.size - _PAGE_HEAD_SIZE:
                raise self.file.malformed(f"page {number} states {length} bytes")
            self.used[number] = 1
            start = number * self.size + _PAGE_HEAD_SIZE
            parts.append(self.file.content[start : start + length])
            missing -= length
            number = following
        return b"".join(parts)


def _open(file: DatabaseFile) -> _Pages:
    content = file.content
    if len(content) < _META_SIZE:
        raise file.malformed(f"{len(content)} bytes are not a whole Berkeley DB database")
    for order in "<>":
        magic, version, size, encryption, _, flags, last = struct.unpack_from(order + _META, content)
        if magic == _HASH_MAGIC:
            break
    else:
        raise file.malformed("it does not begin like a Berkeley DB hash")
    if version not in _VERSIONS or encryption or flags & _META_CHECKSUM:
        raise file.malformed(
            f"it is a Berkeley DB hash of version {version}, or encrypted, which rpm does not make"
        )
    if not 512 <= size <= 65536 or size & (size - 1):
        raise file.malformed(f"it states pages of {size} bytes")
    if (last + 1) * size > len(content):
        raise file.malformed(
            f"it states {last + 1} pages of {size} bytes, but is only {len(content)} bytes long"
        )
    return _Pages(file, order, size, last, bytearray(last + 1))


def headers(file: DatabaseFile) -> Iterator[bytes]:
    """Yield the header of every package of a Berkeley DB `Packages`; raises `MalformedImage`."""
    pages = _open(file)
    seen: set[bytes] = set()
    for number in range(1, pages.last + 1):
        _, entries, _, kind = pages.head(number)
        if kind not in (_PAGE_HASH_UNSORTED, _PAGE_HASH):
            continue
        items = pages.items(number, entries)
        for key_item, value_item in zip(items, items, strict=True):
            key = pages.value(key_item)
            if len(key) != 4 or key in seen:
                raise file.malformed(f"page {number} has the key {key[:20]!a}, or has it twice")
            seen.add(key)
            value = pages.value(value_item)
            if any(key):  # record 0 is the counter of records
                yield value


def parse(file: DatabaseFile) -> Entries:
    """Read a Berkeley DB `Packages`."""
    return parse_headers(file, headers(file))
