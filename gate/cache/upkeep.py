"""How large the cache is, and what is removed when it is too large: what was not used for longest."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gate.cache import VERSION

_PARTS = {"blobs": "blobs/sha256", "partial": "partial", "indexes": "index", "scans": "scans"}


class Part(Struct, frozen=True):
    """One kind of content: how many files, and their bytes together."""

    files: int
    bytes: int


class _File(Struct, frozen=True, order=True):
    """A file of the store; `used` is when, in nanoseconds of the epoch."""

    used: int
    size: int
    path: str


def measure(folder: Path) -> dict[str, Part]:
    """Return what the cache folder holds, by kind: `blobs`, `partial`, `indexes` and `scans`."""
    found = {name: list(_files(folder / VERSION / below)) for name, below in _PARTS.items()}
    return {name: Part(len(files), sum(file.size for file in files)) for name, files in found.items()}


def prune(folder: Path, bound: int) -> Part:
    """Remove what was not used for longest until at most `bound` bytes are left; return what was removed.

    Whoever reads a removed file goes on reading it, and who has it as a link keeps it.
    """
    files = sorted(file for below in _PARTS.values() for file in _files(folder / VERSION / below))
    too_many = sum(file.size for file in files) - bound
    removed, size = 0, 0
    for file in files:
        if size >= too_many:
            break
        with suppress(OSError):
            if os.path.dirname(file.path).endswith("partial") and _in_use(file.path):
                continue
            os.unlink(file.path)
            removed += 1
            size += file.size
    return Part(removed, size)


def clear(folder: Path) -> Part:
    """Remove all blobs, indexes and scans; private folders belong to runs and databases to scanners."""
    return prune(folder, 0)


def _in_use(path: str) -> bool:
    """Whether somebody is just fetching this blob."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _files(folder: Path) -> Iterator[_File]:
    """Yield the files of one folder; none where there is no such folder, and what disappears meanwhile is left out."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            with suppress(OSError):
                state = entry.stat(follow_symlinks=False)
                if entry.is_file(follow_symlinks=False):
                    yield _File(state.st_mtime_ns, state.st_size, entry.path)
