"""Grype's vulnerability database (schema 6, SQLite): what it is and what it holds, read by ourselves.

Grype falls back to another release's advisories or finds nothing where its database lacks a release, and says so nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.errors import Unavailable
from gate.evidence import Database
from gate.scanners import report

if TYPE_CHECKING:
    import sqlite3

SCHEMA = 6
_METADATA_LIMIT = 64 * 1024
_ROLLING = "*"
_RENEW = "run again without --offline, or fetch it with: grype db update"
_ECOSYSTEMS = {
    "cargo": "rust-crate", "composer": "php-composer", "gem": "gem", "golang": "go-module", "maven": "java-archive",
    "npm": "npm", "nuget": "dotnet", "pypi": "python",
}  # fmt: skip
"""Syft's package types, by which the database knows languages, by purl type."""


class _Import(report.Part, frozen=True):
    digest: str
    client_version: str = ""


class Release(Struct, frozen=True):
    """Whether the database holds advisories for a release, and until when the release is supported, if it says so."""

    covered: bool
    end_of_life: datetime | None = None


class GrypeDatabase(Struct, frozen=True):
    """A database that was looked into; the digest is the one by which Grype itself verifies the file when it starts."""

    database: Database
    path: Path

    @classmethod
    def read(cls, folder: Path) -> GrypeDatabase:
        """Look into the database below Grype's folder; raises `Unavailable` for one that is not usable."""
        path, imported = folder / "6" / "vulnerability.db", folder / "6" / "import.json"
        try:
            for file in (path, imported):
                file.stat()
        except OSError as error:
            raise Unavailable(
                f"Grype has no vulnerability database in {folder / '6'}: {error.strerror}", hint=_RENEW
            ) from None
        digest = report.read(
            imported, _Import, "import record of Grype's database", limit=_METADATA_LIMIT
        ).digest
        with _opened(path) as connection:
            built, model, revision, addition = connection.execute(
                "SELECT build_timestamp, model, revision, addition FROM db_metadata"
            ).fetchone() or ("", 0, 0, 0)
            if model != SCHEMA:
                raise Unavailable(
                    f"Grype's database has schema {model}; {SCHEMA} is what can be used", hint=_RENEW
                )
            providers = tuple(
                str(name) for (name,) in connection.execute("SELECT id FROM providers ORDER BY id")
            )
            if (
                not providers
                or connection.execute("SELECT 1 FROM affected_package_handles LIMIT 1").fetchone() is None
            ):
                raise Unavailable("Grype's database holds no advisories, so it can find nothing", hint=_RENEW)
        moment = report.moment(str(built), "the date of Grype's database")
        return cls(Database(f"{model}.{revision}.{addition}", moment, digest, providers), path)

    def check_used(self, built: str, *, valid: bool) -> None:
        """Raise `Unavailable` where Grype says that it used another database, or an invalid one."""
        moment = report.moment(built, "the date of the database that Grype used")
        if not valid or moment != self.database.built:
            raise Unavailable(
                f"Grype used another database than {self.path}, or an invalid one",
                hint="remove it and run again",
            )

    def release(self, name: str, version: str) -> Release:
        """Say what it holds for a release, given as Grype names it.

        Grype takes any minor release of the same major one where the right one is missing; that counts as not covered.
        """
        with _opened(self.path) as connection:
            name, version = _renamed(connection, name, version)
            major, _, minor = version.partition(".")
            minor = minor.partition(".")[0]
            found = connection.execute(
                "SELECT id, eol_date FROM operating_systems WHERE (name = :name COLLATE NOCASE "
                "OR release_id = :name COLLATE NOCASE) AND (channel IS NULL OR channel = '') "
                "AND (:rolling OR (major_version = :major AND minor_version IN (:minor, :short, '')))",
                {
                    "name": name,
                    "rolling": version == _ROLLING,
                    "major": major,
                    "minor": minor,
                    "short": minor.lstrip("0") or "0",
                },
            ).fetchall()
            covered = any(
                connection.execute(
                    "SELECT 1 FROM affected_package_handles WHERE operating_system_id = ? LIMIT 1", (number,)
                ).fetchone()
                for number, _ in found
            )
        ends = [report.moment(str(end), "an end of life in Grype's database") for _, end in found if end]
        return Release(covered, max(ends, default=None))

    def covers_type(self, package_type: str) -> bool:
        """Say whether it holds advisories for a language's packages; True for those that no database covers."""
        ecosystem = _ECOSYSTEMS.get(package_type)
        if ecosystem is None:
            return True
        with _opened(self.path) as connection:
            query = "SELECT 1 FROM packages WHERE ecosystem = ? COLLATE NOCASE LIMIT 1"
            return connection.execute(query, (ecosystem,)).fetchone() is not None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that nobody writes to meanwhile; what SQLite says against it becomes `Unavailable`."""
    import sqlite3

    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Unavailable(f"Grype's database {path} cannot be read: {error}", hint=_RENEW) from None


def _renamed(connection: sqlite3.Connection, name: str, version: str) -> tuple[str, str]:
    """Apply the first fitting alias of the database (centos is looked up as rhel); a rolling release has one version."""
    rows = connection.execute(
        "SELECT version, version_pattern, replacement, replacement_major_version, replacement_minor_version, rolling "
        "FROM operating_system_specifier_overrides "
        "WHERE alias = ? COLLATE NOCASE AND (codename IS NULL OR codename = '') ORDER BY rowid",
        (name,),
    )
    for exact, pattern, replacement, major, minor, rolling in rows:
        if (exact and exact != version) or (pattern and not _matches(str(pattern), version)):
            continue
        if major is not None:
            version = f"{major}.{minor}" if minor else str(major)
        return replacement or name, _ROLLING if rolling else version
    return name, version


def _matches(pattern: str, version: str) -> bool:
    """Match as Grype does; a pattern that Python cannot read matches nothing, as Grype takes its own unreadable ones."""
    try:
        return re.search(pattern, version) is not None
    except re.error:
        return False
