"""Trivy's Java database: which archive holds which package (SQLite)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gate.errors import Unavailable
from gate.evidence import Database
from gate.scanners import report
from gate.scanners.program import FileIdentity, sha256_of

FOLDER = "java-db"
SCHEMA = 1
_RENEW = "fetch it again with: image-gate db update trivy-java"


class _Metadata(report.Part, frozen=True, rename="pascal"):
    version: int
    updated_at: str


def read_java_database(cache: Path) -> Database:
    """Look into the Java database below Trivy's cache folder; raises `Unavailable` for one that is not usable."""
    import sqlite3

    file = cache / FOLDER / "trivy-java.db"
    metadata = report.read(file.with_name("metadata.json"), _Metadata, "metadata of Trivy's Java database")
    if metadata.version != SCHEMA:
        raise Unavailable(f"Trivy's Java database has schema {metadata.version}, not {SCHEMA}", hint=_RENEW)
    try:
        digest = sha256_of(file, FileIdentity.of(file))
        address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("SELECT 1 FROM artifacts LIMIT 1").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"Trivy's Java database {file} cannot be read: {error}", hint=_RENEW) from None
    built = report.moment(metadata.updated_at, "the date of Trivy's Java database")
    return Database(str(metadata.version), built, digest, ())
