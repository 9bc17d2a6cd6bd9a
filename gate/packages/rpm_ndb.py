"""rpm's ndb database (`Packages.db`, SUSE): pages of slots that point to blobs of 16-byte blocks.

Little-endian. Source: rpm, lib/backend/ndb/rpmpkg.c (rpmpkgReadHeader, rpmpkgReadSlots, rpmpkgReadBlob).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from gate.packages import DatabaseFile, Entries
from gate.packages.rpm_header import parse_headers

_HEADER = struct.Struct("<4sIIII12x")
_SLOT = struct.Struct("<4sIII")
_BLOB_HEAD = struct.Struct("<4sIII")
_BLOB_TAIL = struct.Struct("<II4s")
_PAGE = 4096
_BLOCK = 16


def _slots(file: DatabaseFile) -> list[tuple[int, int, int]]:
    """Return (block offset, block count, package index) of every used slot, by offset; all lie behind the slots."""
    content = file.content
    if len(content) < _PAGE or len(content) % _BLOCK:
        raise file.malformed(f"{len(content)} bytes are not a whole ndb database")
    magic, version, _, pages, _ = _HEADER.unpack_from(content)
    if magic != b"RpmP" or version != 0:
        raise file.malformed("it does not begin like an ndb database of version 0")
    if not 0 < pages * _PAGE <= len(content):
        raise file.malformed(f"it states {pages} pages of slots, but is only {len(content)} bytes long")
    slots: list[tuple[int, int, int]] = []
    for slot_magic, index, offset, count in _SLOT.iter_unpack(content[_HEADER.size : pages * _PAGE]):
        if slot_magic != b"Slot":
            raise file.malformed("a slot does not begin like one")
        if offset:
            slots.append((offset, count, index))
    slots.sort()
    # Blobs that overlap would be one package to one reader and another to the next, and cost unbounded time.
    ends = [pages * _PAGE // _BLOCK, *(offset + count for offset, count, _ in slots)]
    if any(offset < end for end, (offset, _, _) in zip(ends, slots, strict=False)):
        raise file.malformed("two slots share blocks, or one points into the slots")
    if ends[-1] * _BLOCK > len(content):
        raise file.malformed("a slot points outside of the file")
    if len({index for _, _, index in slots}) != len(slots):
        raise file.malformed("two slots have one package index")
    return slots


def headers(file: DatabaseFile) -> Iterator[bytes]:
    """Yield the header of every package of an ndb `Packages.db`; raises `MalformedImage`."""
    content = file.content
    for offset, count, index in _slots(file):
        start, stop = offset * _BLOCK, (offset + count) * _BLOCK - _BLOB_TAIL.size
        if stop < start + _BLOB_HEAD.size or not index:
            raise file.malformed("a slot has no room for a package, or no index")
        magic, blob_index, _, size = _BLOB_HEAD.unpack_from(content, start)
        checksum, tail_size, tail_magic = _BLOB_TAIL.unpack_from(content, stop)
        needed = -(-(_BLOB_HEAD.size + size + _BLOB_TAIL.size) // _BLOCK)
        if (magic, blob_index, tail_magic, tail_size, needed) != (b"BlbS", index, b"BlbE", size, count):
            raise file.malformed(f"the package with index {index} is damaged")
        if zlib.adler32(memoryview(content)[start:stop]) != checksum:
            raise file.malformed(f"the package with index {index} does not match its checksum")
        yield content[start + _BLOB_HEAD.size : start + _BLOB_HEAD.size + size]


def parse(file: DatabaseFile) -> Entries:
    """Read an ndb `Packages.db`."""
    return parse_headers(file, headers(file))
