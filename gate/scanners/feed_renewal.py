"""Renewing a feed: fetched to a folder of its own, looked into, and only then put in place."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.scanners import ScannerSettings
from gate.scanners.download import Download, download
from gate.scanners.feeds import FILE, FeedKind, folder_of, read_feed, read_record, write_record
from gate.scanners.process import Bounds
from gate.scanners.renewal import NO_WISH, PRIVATE, Wish, check_age, first_of, renewing, restore, switch

_RENEW_AFTER = timedelta(hours=6)
"""Since it was fetched: EPSS is published once a day, KEV on most working days."""


def renew(kind: FeedKind, settings: ScannerSettings, bounds: Bounds, wish: Wish = NO_WISH) -> tuple[str, ...]:
    """Renew a feed if it is due; a failure is a warning as long as there is one, whose age the policy judges."""
    place = folder_of(settings)
    before = read_record(place / kind.name)
    if not wish.force and not _is_due(kind, place):
        return ()
    try:
        with renewing(place, bounds):
            restore(place / kind.name)
            # Not where another run renewed it meanwhile.
            if read_record(place / kind.name) == before if wish.force else _is_due(kind, place):
                sources = settings.feed_sources.get(kind.name) or kind.sources
                first_of(sources, bounds, lambda source, share: _fetch(kind, (settings, share), source, wish))
    except Unavailable as error:
        if _built(kind, place) is None:
            raise
        return (error.message,)
    return ()


def _fetch(kind: FeedKind, told: tuple[ScannerSettings, Bounds], source: str, wish: Wish) -> None:
    """Fetch a feed to a folder of its own, look into it, and only then let it take its place."""
    settings, bounds = told
    place = folder_of(settings)
    with TemporaryDirectory(prefix=PRIVATE, dir=place, ignore_cleanup_errors=True) as private:
        new = Path(private) / kind.name
        new.mkdir()
        deadline = Deadline(bounds.deadline - time.monotonic())
        deadline.cancelled = bounds.cancelled
        wanted = Download(source, f"the {kind.what}", LIMITS.feed, "name a mirror in the configuration")
        download(wanted, new / FILE, settings.network, deadline)
        write_record(new, source)
        built, before = read_feed(kind, Path(private)).database.built, _built(kind, place)
        if built == before:  # nothing newer, but asked: that is when to ask again
            switch(new, place / kind.name)
        check_age(built, before, wish)
        switch(new, place / kind.name)


def _built(kind: FeedKind, place: Path) -> datetime | None:
    """Return how new the feed below a folder is, None where there is no usable one."""
    try:
        return read_feed(kind, place).database.built
    except Unavailable:
        return None


def _is_due(kind: FeedKind, place: Path) -> bool:
    """Say whether a feed is missing, or was fetched too long ago."""
    record = read_record(place / kind.name)
    return (
        record is None
        or not (place / kind.name / FILE).exists()
        or not timedelta(0) <= datetime.now(UTC) - record.fetched < _RENEW_AFTER
    )
