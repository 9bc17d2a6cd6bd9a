"""Trivy's databases `db/trivy.db` (schema 2) and `java-db/trivy-java.db`, each with its metadata.

Distributions: bucket `FAMILY RELEASE` -> source package -> CVE -> advisory. Languages: bucket
`ECOSYSTEM::SOURCE` -> package -> CVE -> advisory. `vulnerability` holds the details by CVE, `data-source` who
stands behind each bucket.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from samples.databases.advisories import DISTRIBUTIONS, UNKNOWN, Advisory, Affected, Range
from samples.databases.archive import rfc3339, tar_gz
from samples.databases.bolt import Tree, write_bolt

SEVERITIES = {"unknown": 0, "negligible": 1, "low": 1, "medium": 2, "high": 3, "critical": 4}
AFFECTED = 2  # Trivy's number for "affected, no fix yet"
NEVER = "0001-01-01T00:00:00Z"  # the download time in an archive, which Trivy fills in
DATABASE, JAVA_DATABASE, METADATA = "trivy.db", "trivy-java.db", "metadata.json"

_DISTRIBUTION_SOURCES = {
    "alpine": {"ID": "alpine", "Name": "Alpine Secdb", "URL": "https://secdb.alpinelinux.org/"},
    "debian": {
        "ID": "debian",
        "Name": "Debian Security Tracker",
        "URL": "https://salsa.debian.org/security-tracker-team/security-tracker",
    },
}
_GITHUB_NAMES = {
    "go": ("go", "Go"),
    "maven": ("maven", "Maven"),
    "npm": ("npm", "npm"),
    "pypi": ("pip", "pip"),
}

_JAVA_TABLES = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
    foreign key (artifact_id) references artifacts(id));
CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);
CREATE INDEX indices_artifact_idx ON indices(artifact_id);
CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);
"""


def write_trivy_database(directory: Path, advisories: Iterable[Advisory], built: datetime) -> None:
    """Write both databases into a cache folder for Trivy.

    `built` is in UTC, and Trivy asks for news a day later.
    """
    folder = directory / "db"
    folder.mkdir(parents=True, exist_ok=True)
    write_bolt(folder / DATABASE, trivy_tree(advisories))
    (folder / METADATA).write_bytes(_metadata(2, built, rfc3339(built)))
    write_java_database(directory / "java-db", built)


def write_java_database(folder: Path, built: datetime) -> None:
    """Write an empty Java index, which Trivy demands as soon as an image has a jar."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JAVA_DATABASE
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(f"PRAGMA synchronous = OFF; {_JAVA_TABLES}")
    finally:
        connection.close()
    (folder / METADATA).write_bytes(_metadata(1, built, rfc3339(built)))


def trivy_archive(folder: Path, built: datetime) -> bytes:
    """The `db.tar.gz` that registries serve, made from the `db` folder that `write_trivy_database` wrote."""
    return tar_gz({DATABASE: (folder / DATABASE).read_bytes(), METADATA: _metadata(2, built, NEVER)}, built)


def trivy_java_archive(folder: Path, built: datetime) -> bytes:
    """The `javadb.tar.gz` that registries serve, made from the `java-db` folder."""
    metadata = _metadata(1, built, NEVER)
    return tar_gz({JAVA_DATABASE: (folder / JAVA_DATABASE).read_bytes(), METADATA: metadata}, built)


def trivy_tree(advisories: Iterable[Advisory]) -> Tree:
    """The buckets of `trivy.db`."""
    sources: dict[str, bytes] = {}
    vulnerabilities: dict[str, bytes] = {}
    buckets: dict[str, dict[str, dict[str, bytes]]] = {}
    for advisory in advisories:
        vulnerabilities[advisory.id] = _json(_details(advisory))
        for affected in advisory.affected:
            if affected.ecosystem in DISTRIBUTIONS:
                bucket, source = (
                    f"{affected.ecosystem} {affected.release}",
                    _DISTRIBUTION_SOURCES[affected.ecosystem],
                )
                value = _distribution_value(affected)
            else:
                bucket, source = _github_bucket(affected.ecosystem)
                value = _language_value(advisory, affected)
            sources[bucket] = _json(source)
            buckets.setdefault(bucket, {}).setdefault(_package_name(affected), {})[advisory.id] = _json(value)
    return {"data-source": sources, "vulnerability": vulnerabilities, **buckets}


def _details(advisory: Advisory) -> dict[str, object]:
    scores: dict[str, dict[str, object]] = {}
    severities: dict[str, int] = {}
    if any(affected.ecosystem not in DISTRIBUTIONS for affected in advisory.affected):
        severities["ghsa"] = SEVERITIES[advisory.severity]
    for score in advisory.cvss:
        source = {"github": "ghsa"}.get(score.source, score.source)
        version = "V40" if score.vector.startswith("CVSS:4") else "V3"
        scores.setdefault(source, {}).update(
            {f"{version}Vector": score.vector, f"{version}Score": score.score}
        )
        if source == "nvd":
            severities["nvd"] = (
                4 if score.score >= 9 else 3 if score.score >= 7 else 2 if score.score >= 4 else 1
            )
    return {
        "Severity": advisory.severity.upper(),
        "CweIDs": advisory.cwes,
        "VendorSeverity": {source: number for source, number in severities.items() if number},
        "CVSS": scores,
        "References": advisory.references,
        "PublishedDate": advisory.published,
        "LastModifiedDate": advisory.modified,
    }


def _distribution_value(affected: Affected) -> dict[str, object]:
    fixed = affected.ranges[0].fixed
    return {
        "VendorIDs": [affected.advisory] if affected.advisory else [],
        "Severity": 0 if affected.severity == UNKNOWN else SEVERITIES[affected.severity],
        "FixedVersion": fixed,
        "Status": 0 if fixed else AFFECTED,
    }


def _language_value(advisory: Advisory, affected: Affected) -> dict[str, object]:
    return {
        "VendorIDs": [affected.advisory] if affected.advisory not in {"", advisory.id} else [],
        "PatchedVersions": [limits.fixed for limits in affected.ranges if limits.fixed],
        "VulnerableVersions": [_constraint(limits) for limits in affected.ranges],
    }


def _constraint(limits: Range) -> str:
    upper = (
        f"<{limits.fixed}" if limits.fixed else f"<={limits.last_affected}" if limits.last_affected else ""
    )
    lower = f">={limits.introduced}" if limits.introduced != "0" or not upper else ""
    return ", ".join(filter(None, (lower, upper)))


def _github_bucket(ecosystem: str) -> tuple[str, dict[str, str]]:
    key, name = _GITHUB_NAMES[ecosystem]
    title = f"GitHub Security Advisory {name}"
    url = f"https://github.com/advisories?query=type%3Areviewed+ecosystem%3A{key}"
    return f"{key}::{title}", {"ID": "ghsa", "Name": title, "URL": url}


def _package_name(affected: Affected) -> str:
    """The name as Trivy looks it up: normalised for PyPI, as written for Go, else in lower case."""
    if affected.ecosystem == "pypi":
        return re.sub(r"[-_.]+", "-", affected.package).lower()
    return affected.package if affected.ecosystem == "go" else affected.package.lower()


def _metadata(version: int, built: datetime, downloaded: str) -> bytes:
    next_update = rfc3339(built + timedelta(days=1))
    return _json(
        {
            "Version": version,
            "NextUpdate": next_update,
            "UpdatedAt": rfc3339(built),
            "DownloadedAt": downloaded,
        }
    )


def _json(members: dict[str, object] | dict[str, str]) -> bytes:
    """Compact JSON without empty members, as Go's `omitempty` leaves them out."""
    kept = {key: value for key, value in members.items() if value not in ("", 0, [], (), {})}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()
