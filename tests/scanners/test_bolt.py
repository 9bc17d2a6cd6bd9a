"""The names of the buckets of a bbolt file, and what happens to files that are none."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gate.scanners.bolt import DamagedFile, bucket_names
from samples.databases.bolt import PAGE, Tree, write_bolt

TREE: Tree = {
    "vulnerability": {"CVE-2023-1": b"{}"},
    "debian 12": {"openssl": {"CVE-2023-1": b"{}"}},
    "empty": {},
    "large": {f"key {number}": b"x" * 100 for number in range(1000)},
}


def write(tmp_path: Path, tree: Tree) -> Path:
    """Write a file with these buckets."""
    path = tmp_path / "file.db"
    write_bolt(path, tree)
    return path


def test_buckets_that_hold_something_are_named(tmp_path: Path) -> None:
    assert bucket_names(write(tmp_path, TREE)) == {"vulnerability", "debian 12", "large"}


@pytest.mark.parametrize("tree", [{}, {"empty": {}}, {"value": b"x"}])
def test_a_file_with_nothing_in_buckets(tmp_path: Path, tree: Tree) -> None:
    assert bucket_names(write(tmp_path, tree)) == frozenset()


def test_more_names_than_a_page_holds(tmp_path: Path) -> None:
    names = {f"debian {number:05d}" for number in range(5000)}
    assert bucket_names(write(tmp_path, {name: {"a": b"b"} for name in names})) == names


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(st.dictionaries(st.text(min_size=1, max_size=20), st.dictionaries(st.text(min_size=1, max_size=9), st.binary(max_size=900), max_size=9), max_size=40))  # fmt: skip
def test_what_is_written_is_read(tmp_path: Path, tree: dict[str, dict[str, bytes]]) -> None:
    assert bucket_names(write(tmp_path, tree)) == {name for name, values in tree.items() if values}


def test_the_newer_of_two_meta_pages_counts_and_the_other_is_the_fallback(tmp_path: Path) -> None:
    path = write(tmp_path, TREE)
    data = bytearray(path.read_bytes())
    for page in (0, 1):
        damaged = data.copy()
        damaged[page * PAGE + 16 + 20] ^= 0xFF
        path.write_bytes(damaged)
        assert "debian 12" in bucket_names(path)
    data[16 + 20] ^= 0xFF
    data[PAGE + 16 + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match="no valid meta page"):
        bucket_names(path)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 95, 96, PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE, -1])
def test_a_file_that_was_cut(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, TREE)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedFile):
        bucket_names(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100_000, b"SQLite format 3\0" * 1000, bytes(range(256)) * 100]
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="no valid meta page"):
        bucket_names(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bucket_names(tmp_path / "file.db")


def root_page(data: bytearray) -> int:
    """Return where the root page begins."""
    (number,) = struct.unpack_from("<Q", data, PAGE + 16 + 16)
    return int(number) * PAGE


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, struct.pack("<Q", 999)),  # another page's number
        (8, struct.pack("<H", 0x10)),  # another kind of page
        (10, struct.pack("<H", 60_000)),  # more elements than fit
        (12, struct.pack("<I", 0xFFFFFFFF)),  # more overflow than there is
        (16 + 4, struct.pack("<I", 0xFFFFFF)),  # an element outside of the page
        (16 + 8, struct.pack("<I", 0xFFFFFF)),  # a key beyond it
    ],
)
def test_a_damaged_page(tmp_path: Path, offset: int, value: bytes) -> None:
    path = write(tmp_path, {"debian 12": {"a": b"b"}})
    data = bytearray(path.read_bytes())
    start = root_page(data) + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(DamagedFile):
        bucket_names(path)


@pytest.mark.parametrize("page", [0, 1, 999])
def test_a_root_that_is_no_page_of_data(tmp_path: Path, page: int) -> None:
    path = write(tmp_path, {"debian 12": {"a": b"b"}})
    data = bytearray(path.read_bytes())
    for meta in (16, PAGE + 16):
        struct.pack_into("<Q", data, meta + 16, page)
        struct.pack_into("<Q", data, meta + 56, fnv1a(data[meta : meta + 56]))
    path.write_bytes(data)
    with pytest.raises(DamagedFile):
        bucket_names(path)


def fnv1a(data: bytes | bytearray) -> int:
    """The checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def test_a_bucket_that_leads_to_no_page_of_data(tmp_path: Path) -> None:
    large = {f"key {number}": b"x" * 100 for number in range(20)}
    path = write(tmp_path, {"large": large})
    data = bytearray(path.read_bytes())
    root = root_page(data)
    position, key_size = struct.unpack_from("<II", data, root + 16 + 4)
    struct.pack_into("<Q", data, root + 16 + position + key_size, 2)  # the free list
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match="another kind"):
        bucket_names(path)


def test_pages_that_lead_in_a_circle(tmp_path: Path) -> None:
    path = write(tmp_path, {"debian 12": {"a": b"b"}})
    data = bytearray(path.read_bytes())
    root = root_page(data)
    struct.pack_into("<HH", data, root + 8, 0x01, 1)  # a branch page
    struct.pack_into("<IIQ", data, root + 16, 16, 1, root // PAGE)  # to itself
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match="circle"):
        bucket_names(path)


@pytest.mark.slow
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
@given(st.data())
def test_any_damage_is_seen_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path, TREE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(DamagedFile):  # anything else would be a fault of the reader
        bucket_names(path)
