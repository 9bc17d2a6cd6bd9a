"""Renewing Trivy's two databases: fetched by Trivy to a folder of their own, looked into, and only then put in place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from gate.errors import Unavailable
from gate.evidence import Database
from gate.scanners import ScannerSettings, report
from gate.scanners.java_database import read_java_database
from gate.scanners.process import Bounds, Command, run, sandbox
from gate.scanners.program import Program
from gate.scanners.renewal import NO_WISH, PRIVATE, Wish, check_age, first_of, renewing, restore, switch
from gate.scanners.trivy_database import TrivyDatabase


class Renewable(Struct, frozen=True):
    """One of Trivy's two databases: its folder, the options that fetch it and say from where, and how it is looked into."""

    folder: str
    download: str
    source: str
    look: Callable[[Path], Database]

    def sources(self, settings: ScannerSettings) -> tuple[str, ...]:
        """Return where the settings say that it comes from."""
        return settings.trivy_sources if self is MAIN else settings.trivy_java_sources

    def built(self, cache: Path) -> datetime | None:
        """Return how new the one below a cache folder is, None where there is no usable one."""
        try:
            return self.look(cache).built
        except Unavailable:
            return None


MAIN = Renewable(
    "db", "--download-db-only", "--db-repository", lambda cache: TrivyDatabase.read(cache).database
)
JAVA = Renewable("java-db", "--download-java-db-only", "--java-db-repository", read_java_database)
_PAUSE = timedelta(hours=1)
"""Between two downloads, where a source has nothing newer than what is overdue already; Trivy itself waits as long."""


class _Schedule(report.Part, frozen=True, rename="pascal"):
    next_update: str
    downloaded_at: str = ""


def renew_due(program: Program, settings: ScannerSettings, bounds: Bounds) -> tuple[str, ...]:
    """Renew the databases that are due; the one for Java, which is large, only where there is one already."""
    warnings = renew(program, settings, bounds, MAIN)
    if (settings.trivy_cache / JAVA.folder).exists():
        warnings += renew(program, settings, bounds, JAVA)
    return warnings


def renew(
    program: Program, settings: ScannerSettings, bounds: Bounds, which: Renewable, wish: Wish = NO_WISH
) -> tuple[str, ...]:
    """Renew one database if it is due; a failure is a warning as long as there is one, whose age the policy judges."""
    cache = settings.trivy_cache
    if not wish.force and not _is_due(cache / which.folder):
        return ()
    before = which.built(cache)
    try:
        with renewing(cache, bounds):
            restore(cache / which.folder)
            # Not where another run renewed it meanwhile.
            if which.built(cache) == before if wish.force else _is_due(cache / which.folder):
                first_of(
                    which.sources(settings),
                    bounds,
                    lambda source, share: _fetch(program, (settings, share), which, source, wish),
                )
    except Unavailable as error:
        if which.built(cache) is None:
            raise
        return (error.message,)
    return ()


def _fetch(
    program: Program, told: tuple[ScannerSettings, Bounds], which: Renewable, source: str, wish: Wish
) -> None:
    """Fetch a database to a folder of its own, look into it, and only then let it take its place."""
    settings, bounds = told
    cache = settings.trivy_cache.absolute()
    with (
        TemporaryDirectory(prefix=PRIVATE, dir=cache, ignore_cleanup_errors=True) as private,
        sandbox(settings.work_dir, "trivy") as place,
    ):
        argv = (
            program.start, "image", which.download, *((which.source, source) if source else ()), "--config", "",
            "--cache-dir", private, "--skip-version-check", "--disable-telemetry", "--no-progress",
        )  # fmt: skip
        run(Command("Trivy's database download", argv, place.environment(network=True)), place, bounds)
        built, before = which.look(Path(private)).built, which.built(cache)
        if built == before:  # it states when it was downloaded, and so when to ask again
            switch(Path(private) / which.folder, cache / which.folder)
        check_age(built, before, wish)
        switch(Path(private) / which.folder, cache / which.folder)


def _is_due(folder: Path) -> bool:
    """Say whether a database is missing, broken or past the update that its own metadata announces."""
    try:
        schedule = report.read(folder / "metadata.json", _Schedule, "metadata of a database of Trivy")
        now = datetime.now(UTC)
        if schedule.downloaded_at and now - report.moment(schedule.downloaded_at, "the download") < _PAUSE:
            return False
        return report.moment(schedule.next_update, "the next update") <= now
    except Unavailable:
        return True
