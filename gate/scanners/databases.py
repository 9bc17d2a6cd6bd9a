"""The databases as a whole: what is here, how old it is, and renewing them apart from any scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from msgspec import Struct

from gate.errors import Unavailable
from gate.evidence import Database
from gate.scanners import ScannerSettings, feed_renewal, grype, grype_renewal, trivy, trivy_renewal
from gate.scanners.approval import admitted
from gate.scanners.feeds import FEEDS, FILE, RECORD, FeedKind, folder_of, read_feed
from gate.scanners.grype_database import GrypeDatabase
from gate.scanners.process import Bounds
from gate.scanners.renewal import Wish, reason_of, shared


class Kind(Struct, frozen=True):
    """One database: where its lock is, its folder below that, the files in it, and how it is looked into."""

    name: str
    place: Callable[[ScannerSettings], Path]
    folder: str
    files: tuple[str, ...]
    look: Callable[[Path], Database]
    renew: Callable[[ScannerSettings, Bounds, Wish], tuple[str, ...]]
    optional: bool = False


class Status(Struct, frozen=True):
    """What is known of one database: what it is, or why it cannot be used, and what that means in one or two words."""

    name: str
    path: str
    bytes: int
    database: Database | None
    reason: str = ""
    problem: str = ""


def _renew_trivy(
    which: trivy_renewal.Renewable,
) -> Callable[[ScannerSettings, Bounds, Wish], tuple[str, ...]]:
    """Return what renews one of Trivy's databases."""

    def renew(settings: ScannerSettings, bounds: Bounds, wish: Wish) -> tuple[str, ...]:
        with admitted(trivy.REQUIREMENT, settings.trivy, settings) as program:
            return trivy_renewal.renew(program, settings, bounds, which, wish)

    return renew


def _renew_grype(settings: ScannerSettings, bounds: Bounds, wish: Wish) -> tuple[str, ...]:
    """Renew Grype's database."""
    with admitted(grype.REQUIREMENT, settings.grype, settings) as program:
        return grype_renewal.renew(program, settings, bounds, wish)


def _trivy_place(settings: ScannerSettings) -> Path:
    """Where Trivy's databases are."""
    return settings.trivy_cache


def _feed_kind(feed: FeedKind) -> Kind:
    """Return a feed as one of the databases."""
    return Kind(
        feed.name, folder_of, feed.name, (FILE, RECORD),
        lambda place: read_feed(feed, place).database, partial(feed_renewal.renew, feed), optional=True,
    )  # fmt: skip


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("trivy", _trivy_place, "db", ("trivy.db", "metadata.json"), trivy_renewal.MAIN.look, _renew_trivy(trivy_renewal.MAIN)),
        Kind(
            "trivy-java", _trivy_place, "java-db", ("trivy-java.db", "metadata.json"), trivy_renewal.JAVA.look,
            _renew_trivy(trivy_renewal.JAVA), optional=True,
        ),
        Kind(
            "grype", lambda settings: settings.grype_database, "6", ("vulnerability.db", "import.json"),
            lambda folder: GrypeDatabase.read(folder).database, _renew_grype,
        ),
        *(_feed_kind(feed) for feed in FEEDS.values()),
    )
}  # fmt: skip
"""The databases by name; the optional ones are only fetched where they are asked for, or where an image or a rule needs them."""


def status(kind: Kind, settings: ScannerSettings, bounds: Bounds) -> Status:
    """Look into one database, while nobody replaces it."""
    place = kind.place(settings)
    folder = place / kind.folder
    try:
        with shared(place, bounds):
            size = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
            found = kind.look(place)
    except Unavailable as error:
        there = (folder / kind.files[0]).exists()
        reason = reason_of(error.message) if there else "not here"
        return Status(kind.name, str(folder), 0, None, reason, error.message)
    return Status(kind.name, str(folder), size, found)


def update(kind: Kind, settings: ScannerSettings, wish: Wish, deadline: float) -> tuple[str, ...]:
    """Renew one database and return what went wrong as long as the last good one may still be used.

    Raises `Unavailable` where there is none, or where it is older than was wished.
    """
    bounds = Bounds(deadline, settings.cancelled)
    warnings = kind.renew(settings, bounds, wish)
    found = status(kind, settings, bounds)
    if found.database is None:
        raise Unavailable(found.problem, hint="; ".join(warnings))
    if wish.max_age is not None and age_of(found.database.built) > wish.max_age.total_seconds():
        raise Unavailable(
            f"the database {kind.name} is of {found.database.built:%Y-%m-%d %H:%M}, too old"
            + "".join(f"; {warning}" for warning in warnings),
            hint="name a mirror that is renewed, or allow more with --max-age",
        )
    return warnings


def age_of(built: datetime) -> float:
    """Return how many seconds ago a database was built."""
    return time.time() - built.timestamp()
