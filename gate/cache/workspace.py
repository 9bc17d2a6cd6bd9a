"""Private folders of runs, in which scanners read verified copies of images.

A workspace is a folder of one run, locked as long as the run lives. What a killed run left behind is recognised by its
lock being free, and removed by the next run.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gate.errors import InvalidInput

_RUNS = "v1/runs"
_LOCK = "lock"


@contextmanager
def workspace(cache_dir: Path) -> Iterator[Path]:
    """Give a new private folder below `cache_dir`, and remove it afterwards; raises `InvalidInput` where none can be made."""
    import tempfile  # here and below: with what they import, they cost a start without scanners two milliseconds
    from shutil import rmtree

    runs = cache_dir / _RUNS
    try:
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(runs):
            _sweep(runs)
            folder = Path(tempfile.mkdtemp(dir=runs))
            lock = _locked(folder)
    except OSError as error:
        raise InvalidInput(
            f"the cache folder {cache_dir} cannot be used: {error.strerror}",
            hint="name another one with --cache-dir",
        ) from None
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """Keep other runs from sweeping meanwhile: a folder that is made and not locked yet looks abandoned."""
    descriptor = os.open(runs.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of a file: NFS has no such locks on folders
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int:
    """Lock a workspace and return the descriptor that holds the lock; raises `OSError` where someone else has it."""
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _sweep(runs: Path) -> None:
    """Remove the workspaces of runs that no longer live."""
    from shutil import rmtree

    for folder in runs.iterdir():
        with suppress(OSError):
            lock = _locked(folder)
            rmtree(folder, ignore_errors=True)
            os.close(lock)
