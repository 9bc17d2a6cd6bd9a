"""Read the names of the top-level buckets of a bbolt file: enough to tell what a Trivy database holds.

Layout (bbolt, `internal/common/page.go` and `meta.go`, file version 2): pages of fixed size with a header of 16 bytes
(id u64, flags u16, count u16, overflow u32), little endian. Pages 0 and 1 are meta pages; the valid one with the higher
transaction number names the root bucket. Branch pages lead to leaf pages; a leaf element that is a bucket holds the
number of its root page, or 0 and the page itself behind it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_MAGIC, _VERSION = 0xED0CDAED, 2
_BRANCH, _LEAF = 0x01, 0x02
_BUCKET = 0x01
_HEADER = struct.Struct("<QHHI")
_META = struct.Struct("<IIIIQQQQQ")
_LEAF_ELEMENT = struct.Struct("<IIII")
_BRANCH_ELEMENT = struct.Struct("<IIQ")
_ROOT = struct.Struct("<QQ")
_DEPTH_LIMIT = 16  # a tree of four-byte keys as deep as this would need more bytes than disks have
_NAMES_LIMIT = 100_000  # Trivy's database has about 300
_PAGE_LIMIT = 1 << 20  # with its overflow pages; names of buckets need one page


class DamagedFile(Exception):
    """The file is not a bbolt file, or was cut or damaged."""


class _Meta(Struct, frozen=True):
    page_size: int
    root: int
    pages: int
    transaction: int


def bucket_names(path: Path) -> frozenset[str]:
    """Return the names of the top-level buckets that hold something.

    Raises `DamagedFile`, and `OSError` where the file cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        meta = _meta(descriptor)
        file = _File(descriptor, meta.page_size)
        return frozenset(name for name, value in file.elements(meta.root, 0) if file.holds_something(value))
    except struct.error:
        raise DamagedFile("a page ends early") from None
    finally:
        os.close(descriptor)


def _meta(descriptor: int) -> _Meta:
    """Return the newest valid meta page; the second stands one page behind the first, whatever a page is."""
    size = os.fstat(descriptor).st_size
    found = []
    for page_size in (4096, 8192, 16384, 32768, 65536):
        for offset in (0, page_size):
            data = os.pread(descriptor, _HEADER.size + _META.size + 8, offset)
            meta = _valid_meta(data)
            if meta is not None and meta.page_size == page_size:
                found.append(meta)
    if not found:
        raise DamagedFile("it has no valid meta page")
    newest = max(found, key=lambda meta: meta.transaction)
    if newest.pages * newest.page_size > size:
        raise DamagedFile("it was cut off")
    return newest


def _valid_meta(data: bytes) -> _Meta | None:
    """Read a meta page; None unless its checksum is right."""
    if len(data) < _HEADER.size + _META.size + 8:
        return None
    body = data[_HEADER.size :]
    magic, version, page_size, _, root, _, _, pages, transaction = _META.unpack_from(body)
    (checksum,) = struct.unpack_from("<Q", body, _META.size)
    if magic != _MAGIC or version != _VERSION or checksum != _fnv1a(body[: _META.size]):
        return None
    return _Meta(page_size, root, pages, transaction)


def _fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits: the checksum of meta pages."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


class _File(Struct, frozen=True):
    """An open file and its page size."""

    descriptor: int
    page_size: int

    def elements(self, page: int, depth: int) -> Iterator[tuple[str, bytes]]:
        """Yield name and value of every bucket in the tree below a page."""
        if depth > _DEPTH_LIMIT:
            raise DamagedFile("its pages lead in a circle")
        data = self._page(page)
        _, flags, count, _ = _HEADER.unpack_from(data)
        if not flags & (_BRANCH | _LEAF):
            raise DamagedFile(f"page {page} is of another kind than its place")
        names = 0
        for position in range(count):
            if flags & _BRANCH:
                start = _HEADER.size + position * _BRANCH_ELEMENT.size
                yield from self.elements(_BRANCH_ELEMENT.unpack_from(data, start)[2], depth + 1)
            else:
                start = _HEADER.size + position * _LEAF_ELEMENT.size
                kind, offset, key_size, value_size = _LEAF_ELEMENT.unpack_from(data, start)
                key = data[start + offset : start + offset + key_size]
                value = data[start + offset + key_size : start + offset + key_size + value_size]
                if len(key) != key_size or len(value) != value_size or names > _NAMES_LIMIT:
                    raise DamagedFile("an element lies outside of its page")
                if kind & _BUCKET:
                    names += 1
                    yield key.decode("utf-8", "replace"), value

    def holds_something(self, value: bytes) -> bool:
        """Say whether a bucket, given its value in the parent, has any element."""
        root, _ = _ROOT.unpack_from(value)
        data = self._page(root) if root else value[_ROOT.size :]
        _, flags, count, _ = _HEADER.unpack_from(data)
        if not flags & (_BRANCH | _LEAF):
            raise DamagedFile("a bucket leads to a page of another kind")
        return bool(count)

    def _page(self, page: int) -> bytes:
        """Return a page with the overflow pages that belong to it."""
        start = page * self.page_size
        header = os.pread(self.descriptor, _HEADER.size, start)
        number, _, _, overflow = _HEADER.unpack_from(header)
        size = (overflow + 1) * self.page_size
        if number != page or size > _PAGE_LIMIT:
            raise DamagedFile(f"page {page} is not where it should be")
        data = os.pread(self.descriptor, size, start)
        if len(data) != size:
            raise DamagedFile("it was cut off")
        return data
