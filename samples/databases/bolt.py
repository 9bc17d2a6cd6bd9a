"""Writes bbolt files, the format of Trivy's database, from nested mappings; equal input gives equal bytes.

Layout (bbolt, file format 2, little endian): pages of 4096 bytes, each with a header of 16 (id u64, flags
u16, count u16, overflow pages u32). Pages 0 and 1 are meta pages, page 2 an empty free list, the B+ trees of
the buckets follow. A bucket's value is its root page and a sequence number; a small bucket without
sub-buckets stands inline behind that value instead, with root page 0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

PAGE = 4096
BRANCH, LEAF, META, FREE_LIST = 0x01, 0x02, 0x04, 0x10
BUCKET = 0x01
MAGIC, VERSION = 0xED0CDAED, 2
LARGEST_INLINE = PAGE // 4
LARGEST_KEY = 32768
LARGEST_COUNT = 0xFFF0

Tree = Mapping[str, "bytes | Tree"]
"""A bucket: keys to values (bytes) or to further buckets (mappings)."""

_PAGE_HEADER = struct.Struct("<QHHI")
_BUCKET_HEADER = struct.Struct("<QQ")
_Leaf = tuple[int, bytes, bytes]
_Branch = tuple[bytes, int]
_Element = TypeVar("_Element", _Leaf, _Branch)


def write_bolt(path: Path, tree: Tree) -> None:
    """Write a bbolt database whose root buckets are the members of `tree`.

    Raises ValueError for keys that bbolt does not allow.
    """
    pages = _Pages()
    root, _ = _BUCKET_HEADER.unpack(_write_bucket(pages, tree, is_root=True))
    free_list = _PAGE_HEADER.pack(2, FREE_LIST, 0, 0).ljust(PAGE, b"\0")
    with path.open("wb") as file:
        for transaction in (0, 1):
            file.write(_meta(transaction, root, pages.next))
        file.write(free_list)
        file.writelines(pages.written)


class _Pages:
    """The data pages in the order of their numbers, the first of which is 3."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.next = 3

    def add(self, body: bytes, flags: int, count: int) -> int:
        """Append a page, with overflow pages where the body needs them, and return its number."""
        number = self.next
        pages = -(-(_PAGE_HEADER.size + len(body)) // PAGE)
        page = _PAGE_HEADER.pack(number, flags, count, pages - 1) + body
        self.written.append(page.ljust(pages * PAGE, b"\0"))
        self.next += pages
        return number


def _write_bucket(pages: _Pages, tree: Tree, *, is_root: bool = False) -> bytes:
    """Write what a bucket holds and return the value that stands for it in its parent."""
    leaves: list[_Leaf] = []
    nested = False
    for key, value in sorted((key.encode(), value) for key, value in tree.items()):
        if not 0 < len(key) <= LARGEST_KEY:
            raise ValueError(f"bbolt keys have 1 to {LARGEST_KEY} bytes, this one has {len(key)}")
        if isinstance(value, bytes):
            leaves.append((0, key, value))
        else:
            nested = True
            leaves.append((BUCKET, key, _write_bucket(pages, value)))
    body = _leaf_body(leaves)
    if not is_root and not nested and _PAGE_HEADER.size + len(body) <= LARGEST_INLINE:
        return _BUCKET_HEADER.pack(0, 0) + _PAGE_HEADER.pack(0, LEAF, len(leaves), 0) + body
    level = [
        (group[0][1] if group else b"", pages.add(_leaf_body(group), LEAF, len(group)))
        for group in _divided(leaves, lambda leaf: 16 + len(leaf[1]) + len(leaf[2]))
    ]
    while len(level) > 1:
        groups = _divided(level, lambda branch: 16 + len(branch[0]))
        level = [(group[0][0], pages.add(_branch_body(group), BRANCH, len(group))) for group in groups]
    return _BUCKET_HEADER.pack(level[0][1], 0)


def _divided(elements: list[_Element], size_of: Callable[[_Element], int]) -> Iterable[list[_Element]]:
    """Divide into groups that fill a page each.

    A group has at least two elements, so that every level of the tree is smaller.
    """
    group: list[_Element] = []
    used = _PAGE_HEADER.size
    for element in elements:
        size = size_of(element)
        if len(group) >= 2 and (used + size > PAGE or len(group) >= LARGEST_COUNT):
            yield group
            group, used = [], _PAGE_HEADER.size
        group.append(element)
        used += size
    yield group


def _leaf_body(leaves: list[_Leaf]) -> bytes:
    """Elements (flags, position relative to the element, key size, value size), then keys and values."""
    position = len(leaves) * 16
    heads, data = [], []
    for number, (flags, key, value) in enumerate(leaves):
        heads.append(struct.pack("<IIII", flags, position - number * 16, len(key), len(value)))
        data += [key, value]
        position += len(key) + len(value)
    return b"".join(heads + data)


def _branch_body(branches: list[_Branch]) -> bytes:
    """Elements (position relative to the element, key size, page), then keys."""
    position = len(branches) * 16
    heads, data = [], []
    for number, (key, page) in enumerate(branches):
        heads.append(struct.pack("<IIQ", position - number * 16, len(key), page))
        data.append(key)
        position += len(key)
    return b"".join(heads + data)


def _meta(transaction: int, root: int, pages: int) -> bytes:
    """A meta page: root bucket, free list page, number of pages, transaction, check sum of all that."""
    meta = struct.pack("<IIIIQQQQQ", MAGIC, VERSION, PAGE, 0, root, 0, 2, pages, transaction)
    meta += struct.pack("<Q", _fnv1a(meta))
    return (_PAGE_HEADER.pack(transaction, META, 0, 0) + meta).ljust(PAGE, b"\0")


def _fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash (draft-eastlake-fnv)."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
