"""The bbolt writer, read back by a reader that knows only the format."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples.databases.bolt import BRANCH, BUCKET, LARGEST_KEY, LEAF, PAGE, Tree, write_bolt

KEYS = st.text(min_size=1, max_size=40)
TREES: st.SearchStrategy[Any] = st.dictionaries(
    KEYS,
    st.recursive(
        st.binary(max_size=600), lambda inner: st.dictionaries(KEYS, inner, max_size=20), max_leaves=60
    ),
    max_size=12,
)


def read(raw: bytes) -> dict[str, Any]:
    """The root bucket of a file, from the meta page of the latest transaction."""
    metas = [struct.unpack_from("<IIIIQQQQQ", raw, number * PAGE + 16) for number in (0, 1)]
    root: int = max(metas, key=lambda meta: int(meta[8]))[4]
    return _elements(raw, raw, root * PAGE)


def _elements(raw: bytes, page: bytes, offset: int) -> dict[str, Any]:
    _, flags, count, _ = struct.unpack_from("<QHHI", page, offset)
    found: dict[str, Any] = {}
    for place in range(offset + 16, offset + 16 + count * 16, 16):
        if flags == BRANCH:
            position, size, number = struct.unpack_from("<IIQ", page, place)
            below = _elements(raw, raw, number * PAGE)
            assert next(iter(below)).encode() == page[place + position : place + position + size]
            found |= below
            continue
        assert flags == LEAF
        kind, position, key_size, value_size = struct.unpack_from("<IIII", page, place)
        key_end = place + position + key_size
        value = page[key_end : key_end + value_size]
        found[page[place + position : key_end].decode()] = _bucket(raw, value) if kind == BUCKET else value
    return found


def _bucket(raw: bytes, value: bytes) -> dict[str, Any]:
    (root,) = struct.unpack_from("<Q", value)
    return _elements(raw, raw, root * PAGE) if root else _elements(raw, value, 16)


@pytest.mark.slow
@settings(max_examples=60)
@given(tree=TREES)
def test_what_is_written_is_read(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bolt") / "file.db"
    write_bolt(path, tree)
    assert read(path.read_bytes()) == tree


def test_deep_trees_of_many_pages(tmp_path: Path) -> None:
    """Enough keys for three levels, a value of several pages, and keys in sorted order whatever the input's order."""
    bucket = {f"key{number:06}": b"x" * 300 for number in reversed(range(20_000))}
    tree: Tree = {"large": bucket, "value": {"key": b"y" * 3 * PAGE}, "empty": {}}
    write_bolt(tmp_path / "file.db", tree)
    found = read((tmp_path / "file.db").read_bytes())
    assert found == tree
    assert list(found["large"]) == sorted(bucket)


def test_pages_are_numbered_and_complete(tmp_path: Path) -> None:
    write_bolt(tmp_path / "file.db", {"bucket": {str(number): b"x" * 100 for number in range(500)}})
    raw = (tmp_path / "file.db").read_bytes()
    (pages,) = struct.unpack_from("<Q", raw, 16 + 40)
    assert len(raw) == pages * PAGE
    number = 0
    while number < pages:
        stated, _, _, overflow = struct.unpack_from("<QHHI", raw, number * PAGE)
        assert stated == number
        number += 1 + overflow


@pytest.mark.parametrize("key", ["", "x" * (LARGEST_KEY + 1)])
def test_refuses_keys_that_bbolt_refuses(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bbolt keys"):
        write_bolt(tmp_path / "file.db", {"bucket": {key: b""}})
