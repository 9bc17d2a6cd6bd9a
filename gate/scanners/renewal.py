"""Keep renewing a database and reading it apart, across processes: several gates may share one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from gate.errors import Unavailable
from gate.scanners.process import Bounds

_LOCK = ".image-gate.lock"
_POLL = 0.05


@contextlib.contextmanager
def renewing(folder: Path, bounds: Bounds) -> Iterator[None]:
    """Hold a database folder alone, making it where it is missing.

    Raises `Unavailable` where it cannot be written to, and at the bounds while others read it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _LOCK).touch()
    except OSError as error:
        raise Unavailable(
            f"the database in {folder} cannot be renewed: {error.strerror}",
            hint="make it writable, or say --offline",
        ) from None
    with _held(folder, bounds, alone=True):
        yield


@contextlib.contextmanager
def shared(folder: Path, bounds: Bounds) -> Iterator[None]:
    """Hold a database folder together with other readers; one that nobody may write to needs no holding."""
    with _held(folder, bounds, alone=False):
        yield


@contextlib.contextmanager
def _held(folder: Path, bounds: Bounds, *, alone: bool) -> Iterator[None]:
    import fcntl

    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context((folder / _LOCK).open("rb"))
        except OSError:  # never renewed by a gate, so not by one at the same time either
            yield
            return
        while True:
            try:
                fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except OSError:
                if bounds.cancelled.is_set() or time.monotonic() >= bounds.deadline:
                    raise Unavailable(
                        f"the database in {folder} is in use by another run",
                        hint="allow more time with --scanner-timeout",
                    ) from None
                time.sleep(_POLL)
        yield
