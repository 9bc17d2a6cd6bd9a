"""Renewing Grype's database: by Grype, in its place, with the last good one kept aside until the new one was looked into."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from gate.errors import Unavailable
from gate.scanners import ScannerSettings
from gate.scanners.grype_database import GrypeDatabase
from gate.scanners.process import Bounds, Command, Sandbox, run, sandbox
from gate.scanners.program import Program
from gate.scanners.renewal import NO_WISH, PRIVATE, Wish, check_age, first_of, renewing, restore, switch

_FOLDER = "6"
_RENEW_AFTER = 12 * 3600
"""Seconds: the database is published once a day."""


def environment(place: Sandbox, settings: ScannerSettings, *, network: bool) -> dict[str, str]:
    """Return the environment: Grype is set by variables, and judges no age, which the policy does."""
    return place.environment(network=network) | {
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_CACHE_DIR": str(settings.grype_database.absolute()),
        "GRYPE_DB_VALIDATE_AGE": "false",
        "GRYPE_DB_VALIDATE_BY_HASH_ON_START": "true",
    }


def renew(
    program: Program, settings: ScannerSettings, bounds: Bounds, wish: Wish = NO_WISH
) -> tuple[str, ...]:
    """Renew the database if it is due; a failure is a warning as long as there is one, whose age the policy judges."""
    folder = settings.grype_database
    if not wish.force and not _is_due(folder):
        return ()
    before = built_of(folder)
    try:
        with renewing(folder, bounds):
            restore(folder / _FOLDER)
            # Not where another run renewed it meanwhile.
            if built_of(folder) == before if wish.force else _is_due(folder):
                first_of(
                    settings.grype_sources,
                    bounds,
                    lambda source, share: _fetch(program, settings, share, source, wish),
                )
    except Unavailable as error:
        if built_of(folder) is None:
            raise
        return (error.message,)
    return ()


def built_of(folder: Path) -> datetime | None:
    """Return how new the database in a folder is, None where there is no usable one."""
    try:
        return GrypeDatabase.read(folder).database.built
    except Unavailable:
        return None


def _fetch(program: Program, settings: ScannerSettings, bounds: Bounds, source: str, wish: Wish) -> None:
    """Let Grype renew its database, and look into it; what is no good does not replace what was there.

    Grype works in the folder itself, because only there does it know that a source has nothing newer. It never writes
    to a file that is in use, so the old ones stay as long as they are open. A second name would keep them as well, but
    change their state, by which scans that rest on them are known.
    """
    folder = settings.grype_database
    before = built_of(folder)
    with (
        TemporaryDirectory(prefix=PRIVATE, dir=folder, ignore_cleanup_errors=True) as private,
        sandbox(settings.work_dir, "grype") as place,
        ExitStack() as stack,
    ):
        held = _held(folder / _FOLDER, stack) if before is not None else {}
        variables = environment(place, settings, network=True)
        if source:
            variables["GRYPE_DB_UPDATE_URL"] = source
        empty = place.path("empty.yaml")
        empty.touch()
        argv = (program.start, "db", "update", "--config", str(empty))
        try:
            run(Command("Grype's database download", argv, variables), place, bounds)
            check_age(GrypeDatabase.read(folder).database.built, before, wish)
        except Unavailable:
            if before is not None and built_of(folder) != before:
                switch(_written(held, Path(private) / _FOLDER), folder / _FOLDER)
            raise


def _held(folder: Path, stack: ExitStack) -> dict[str, BinaryIO]:
    """Open every file of a folder, so that its content stays whatever takes its place."""
    return {path.name: stack.enter_context(path.open("rb")) for path in folder.iterdir() if path.is_file()}


def _written(held: Mapping[str, BinaryIO], folder: Path) -> Path:
    """Write files that were held to a new folder, and return that."""
    folder.mkdir()
    for name, content in held.items():
        with (folder / name).open("xb") as target:
            shutil.copyfileobj(content, target)
    return folder


def _is_due(folder: Path) -> bool:
    """Say whether there is no usable database, or one that is no longer of today."""
    built = built_of(folder)
    return built is None or (datetime.now(UTC) - built).total_seconds() > _RENEW_AFTER
