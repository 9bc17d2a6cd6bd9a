from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.sources.slice import Slice

DATA = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize(("start", "size"), [(0, 1024), (0, 0), (1, 10), (1000, 24), (1024, 0)])
def test_a_part_reads_as_a_file(path: Path, start: int, size: int) -> None:
    with path.open("rb") as file:
        part = Slice(file, start, size)
        assert part.readable()
        assert part.read() == DATA[start : start + size]
        assert part.read(1) == b""
        small = Slice(file, start, size)
        assert b"".join(iter(lambda: small.read(7) or b"", b"")) == DATA[start : start + size]


def test_a_part_beyond_the_end_is_short(path: Path) -> None:
    with path.open("rb") as file:
        assert Slice(file, 1000, 100).read() == DATA[1000:]
        assert Slice(file, 5000, 100).read() == b""


def test_closing_a_part_leaves_the_file_open(path: Path) -> None:
    with path.open("rb") as file:
        with Slice(file, 0, 4) as part:
            assert part.read(2) == DATA[:2]
        assert file.read(2) == DATA[:2]


def test_threads_do_not_disturb_each_other(path: Path) -> None:
    def read(start: int) -> bytes:
        part = Slice(file, start, 256)
        return b"".join(iter(lambda: part.read(3) or b"", b""))

    with path.open("rb") as file, ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, [0, 256, 512, 768] * 50)) == {DATA[:256]}


def test_a_read_that_fails_is_unavailable(path: Path) -> None:
    file = path.open("rb")
    part = Slice(file, 0, 4)
    os.close(file.fileno())
    with pytest.raises(Unavailable, match="the archive cannot be read: Bad file descriptor"):
        part.read()
    with pytest.raises(OSError):
        file.close()
