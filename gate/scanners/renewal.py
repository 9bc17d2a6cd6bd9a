"""Keep renewing a database and reading it apart, across processes: several gates, and other programs, may share one."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from gate.errors import Unavailable, joined
from gate.printable import redacted
from gate.scanners.process import Bounds

T = TypeVar("T")

_LOCK = ".image-gate.lock"
_POLL = 0.05


PRIVATE = ".image-gate-renewal-"
"""How folders start that a database is made ready in, beside the place that it will have."""
_REASONS = (
    ("rate limited", r"toomanyrequests|too many requests|\b429\b|rate limit|retry-after"),
    ("too old", r"too old|older than"),
    ("empty", r"holds no advisories|holds no entries"),
    ("not found", r"\b404\b|not found|_UNKNOWN"),
    (
        "unreachable",
        r"refused|no such host|dial tcp|i/o timeout|no route|unreachable|x509|tls: |TLS handshake|certificate",
    ),
    (
        "unreachable",
        r"did not end in time|\b50[0-9]\b|connection reset|context deadline|proxyconnect|takes too long|breaks|cannot be reached",
    ),
    ("corrupt", r"checksum|sha256|digest|gzip|unexpected EOF|malformed|cannot be read|has schema|invalid"),
    ("corrupt", r"there is no |has no vulnerability database|\btar\b"),
)
"""What a failure means, by what the tools, or we ourselves, say of it; the first that fits counts."""
_PLACE = re.compile(r"""(?<![^\s"'(])(?:[a-z]+:/)?/[^\s"')]*""")
"""A path or an address in what they say: its words and numbers mean nothing here."""


class Wish(Struct, frozen=True):
    """How a database is to be renewed: also where it is not due, and not with one that is older than `max_age`."""

    force: bool = False
    max_age: timedelta | None = None


NO_WISH = Wish()


class NothingNewer(Unavailable):
    """A source has what is here already; another one may have more."""

    def __init__(self) -> None:
        super().__init__("it has nothing newer than the database that is here")


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


def reason_of(message: str) -> str:
    """Return what a failure to renew means: rate limited, unreachable, not found, corrupt, too old, empty, or failed."""
    said = _PLACE.sub("", message)
    found = (reason for reason, pattern in _REASONS if re.search(pattern, said, re.IGNORECASE))
    return next(found, "failed")


def first_of(sources: Sequence[str], bounds: Bounds, fetch: Callable[[str, Bounds], None]) -> None:
    """Fetch from the first source that gives something usable; an empty source is the tool's own.

    Whatever goes wrong at one of them, the next is tried: tools that know several give up at a wrong name or a refused
    connection. Each may take its share of the time that is left, so one that hangs leaves some for the others. Where
    some have nothing newer, and none has, that is how new the database can be. Raises `Unavailable` with what went wrong
    at each.
    """
    failed, current = [], False
    asked = sources or ("",)
    for number, source in enumerate(asked):
        share = (bounds.deadline - time.monotonic()) / (len(asked) - number)
        try:
            fetch(source, Bounds(time.monotonic() + share, bounds.cancelled))
            return
        except NothingNewer:
            current = True
        except OSError as error:
            failed.append(Unavailable(f"no room for a new database: {error.strerror or error}"))
        except Unavailable as error:
            place = redacted(source) or "the default source"
            failed.append(
                Unavailable(f"{place}: {reason_of(error.message)}: {error.message}", hint=error.hint)
            )
    if not current:
        raise joined(failed)


def check_age(built: datetime, before: datetime | None, wish: Wish) -> None:
    """Refuse what a source gives if it is older than what is here, or than was asked for, or the same.

    Raises `Unavailable`, and `NothingNewer` for the same.
    """
    if before is not None and built < before:
        raise Unavailable(
            f"what it gives is of {built:%Y-%m-%d %H:%M}, older than the database that is here",
            hint="the mirror has not been renewed for long",
        )
    if wish.max_age is not None and datetime.now(UTC) - built > wish.max_age:
        raise Unavailable(
            f"what it gives is of {built:%Y-%m-%d %H:%M}, too old",
            hint="the mirror has not been renewed for long",
        )
    if built == before:
        raise NothingNewer


def switch(new: Path, target: Path) -> None:
    """Put a folder in the place of another, which is complete before and after; `restore` mends what broke in between."""
    aside = _aside(target)
    shutil.rmtree(aside, ignore_errors=True)
    if target.exists():
        target.rename(aside)
    new.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def restore(target: Path) -> None:
    """Bring back what a switch that did not end has put aside, and remove what dead runs left; hold the folder alone."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        aside.rename(target)
    shutil.rmtree(aside, ignore_errors=True)
    for left in target.parent.glob(f"{PRIVATE}*"):
        shutil.rmtree(left, ignore_errors=True)


def _aside(target: Path) -> Path:
    """Where a folder waits while another takes its place."""
    return target.with_name(f".{target.name}.before")
