"""Keep renewing a database and reading it apart, across processes: several gates, and other programs, may share one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gate.errors import Unavailable
from gate.scanners.process import Bounds

T = TypeVar("T")

_LOCK = ".image-gate.lock"
_POLL = 0.05


class Replaced(Unavailable):
    """The database is not the one that it was when the scan began, so it is not known what the scan rests on."""

    def __init__(self, scanner: str) -> None:
        super().__init__(
            f"{scanner}'s database was replaced during the scan", hint="another program renewed it; run again"
        )


def steady(scan: Callable[[], T]) -> T:
    """Scan, and once more if the database was replaced meanwhile.

    Beside a renewal by another program this is what a new version of Grype does to the database of an older one.
    """
    try:
        return scan()
    except Replaced:
        return scan()


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
