"""Grype's database `6/vulnerability.db` (SQLite, schema 6.1.10) and the archive that updates download.

Every CVE has a record of the provider `nvd`, to which the records of distributions and languages are related.
Language advisories are named by the identifier of their own source (GHSA, PYSEC …), those of distributions by
the CVE.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from samples.databases.advisories import DISTRIBUTIONS, UNKNOWN, Advisory, Affected, Range
from samples.databases.archive import rfc3339, tar_gz
from samples.databases.xxhash import xxh64

MODEL = (6, 1, 10)
VERSION = "v" + ".".join(map(str, MODEL))
DATABASE = "vulnerability.db"
SCHEMA = Path(__file__).with_name("grype_schema.sql")

# Package type of Syft, and the name of the version order in constraints.
_ECOSYSTEMS = {
    "alpine": ("apk", "apk"),
    "debian": ("deb", "dpkg"),
    "go": ("go-module", "go"),
    "maven": ("java-archive", "maven"),
    "npm": ("npm", "semver"),
    "pypi": ("python", "python"),
}
_PROVIDERS = {"GHSA": "github", "GO": "govulndb", "NSWG": "nodejs-security-wg", "PYSEC": "pypa"}
_CODENAMES = {("debian", "11"): "bullseye", ("debian", "12"): "bookworm", ("debian", "13"): "trixie"}
_SCORE_SOURCES = {"github": "security-advisories@github.com", "nvd": "nvd@nist.gov"}
# Where a provider describes a vulnerability; Grype reports the first reference as `dataSource`.
_PAGES = {
    "alpine": "https://security.alpinelinux.org/vuln/{}",
    "debian": "https://security-tracker.debian.org/tracker/{}",
    "github": "https://github.com/advisories/{}",
    "govulndb": "https://pkg.go.dev/vuln/{}",
    "nvd": "https://nvd.nist.gov/vuln/detail/{}",
}
_OVERRIDES = (
    ("go", "go-module"),
    ("golang", "go-module"),
    ("java", "java-archive"),
    ("maven", "java-archive"),
    ("pypi", "python"),
)

Json = dict[str, object]


def write_grype_database(directory: Path, advisories: Iterable[Advisory], built: datetime) -> None:
    """Write the database into a cache folder for Grype, below `6/`, ready for use without an import.

    `built` is in UTC.
    """
    folder = directory / str(MODEL[0])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / DATABASE
    path.unlink(missing_ok=True)
    writer = _Writer(path, built)
    for advisory in advisories:
        writer.add(advisory)
    writer.close()
    imported = {
        "digest": f"xxh64:{xxh64(path.read_bytes()):016x}",
        "source": "sample advisories",
        "client_version": VERSION,
    }
    (folder / "import.json").write_text(json.dumps(imported))


def grype_archive(database: Path, built: datetime) -> bytes:
    """The archive of a database, for `grype db import` and for downloads."""
    return tar_gz({DATABASE: database.read_bytes()}, built)


def grype_listing(archive: bytes, built: datetime) -> tuple[bytes, str]:
    """The `latest.json` that announces an archive, and the name under which the archive stands beside it."""
    name = f"vulnerability-db_{VERSION}_{rfc3339(built)}_{int(built.timestamp())}.tar.gz"
    checksum = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    listing = {
        "status": "active",
        "schemaVersion": VERSION,
        "built": rfc3339(built),
        "path": name,
        "checksum": checksum,
    }
    return json.dumps(listing).encode(), name


class _Writer:
    """Fills the tables; every row is written once, and rows refer to each other by number."""

    def __init__(self, path: Path, built: datetime) -> None:
        self._connection = sqlite3.connect(path)
        # A file that is whole or made again needs no journal, and need not reach the disk after each statement.
        self._connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        self._connection.executescript(SCHEMA.read_text(encoding="utf-8"))
        self._built = _time(rfc3339(built))
        self._numbers: dict[tuple[object, ...], int] = {}
        self._insert(
            "db_metadata", build_timestamp=self._built, model=MODEL[0], revision=MODEL[1], addition=MODEL[2]
        )
        for ecosystem, replacement in _OVERRIDES:
            self._insert(
                "package_specifier_overrides", ecosystem=ecosystem, replacement_ecosystem=replacement
            )

    def add(self, advisory: Advisory) -> None:
        """Add one advisory with everything it affects."""
        for affected in advisory.affected:
            if affected.ecosystem in DISTRIBUTIONS:
                vulnerability, system = (
                    self._distribution_record(advisory, affected),
                    self._operating_system(affected),
                )
            else:
                vulnerability, system = self._language_record(advisory, affected), None
            self._affects(vulnerability, affected, system, _cves(advisory))
        for cve in _cves(advisory):
            severities = _scores(advisory) or _words("CHML", advisory.severity)
            self._vulnerability("nvd", cve, advisory, severities)
            self._exploitation(cve, advisory)
            for cwe in advisory.cwes:
                self._insert("cwe_handles", cve=cve, cwe=cwe, source="nvd@nist.gov", type="Primary")

    def close(self) -> None:
        """Finish the file: references checked, no free pages."""
        self._connection.execute("ANALYZE")
        self._connection.commit()
        if self._connection.execute("PRAGMA foreign_key_check").fetchall():
            raise ValueError("the database refers to rows that are not there")
        self._connection.execute("VACUUM")
        self._connection.close()

    def _distribution_record(self, advisory: Advisory, affected: Affected) -> int:
        severity = affected.severity if affected.severity != UNKNOWN else advisory.severity
        return self._vulnerability(affected.ecosystem, advisory.id, advisory, _words("CHMLN", severity))

    def _language_record(self, advisory: Advisory, affected: Affected) -> int:
        name = affected.advisory or advisory.id
        provider = _PROVIDERS[name.partition("-")[0]]
        return self._vulnerability(
            provider, name, advisory, _words("CHML", advisory.severity) + _scores(advisory)
        )

    def _vulnerability(self, provider: str, name: str, advisory: Advisory, severities: list[Json]) -> int:
        """The first of `severities` is the one that Grype reports."""
        self._insert(
            "providers",
            id=provider,
            version="1",
            processor="image-gate samples",
            date_captured=self._built,
            input_digest="",
        )
        aliases = [cve for cve in _cves(advisory) if cve != name]
        for alias in aliases:
            self._insert("vulnerability_aliases", name=name, alias=alias)
        urls = (
            [_PAGES[provider].format(name), *advisory.references]
            if provider in _PAGES
            else advisory.references
        )
        references = [{"url": url} for url in dict.fromkeys(urls)]
        blob = self._blob({"id": name, "refs": references, "aliases": aliases, "severities": severities})
        dates = {"published_date": _time(advisory.published), "modified_date": _time(advisory.modified)}
        return self._insert(
            "vulnerability_handles", name=name, status="active", **dates, provider_id=provider, blob_id=blob
        )

    def _affects(self, vulnerability: int, affected: Affected, system: int | None, cves: list[str]) -> None:
        ecosystem, order = _ECOSYSTEMS[affected.ecosystem]
        pypi = affected.ecosystem == "pypi"
        name = re.sub(r"[-_.]+", "-", affected.package).lower() if pypi else affected.package
        blob = self._blob(
            {"cves": cves, "ranges": [_range(limits, order, affected.advisory) for limits in affected.ranges]}
        )
        package = self._package(ecosystem, name)
        row = {
            "vulnerability_id": vulnerability,
            "operating_system_id": system,
            "package_id": package,
            "blob_id": blob,
        }
        self._insert("affected_package_handles", **row)

    def _package(self, ecosystem: str, name: str) -> int:
        # Grype's index ignores case: two spellings of a Go module are one row, named by the first.
        key = ("packages", ecosystem, name.lower())
        if key not in self._numbers:
            self._numbers[key] = self._insert("packages", ecosystem=ecosystem, name=name)
        return self._numbers[key]

    def _operating_system(self, affected: Affected) -> int:
        major, _, minor = affected.release.partition(".")
        name, codename = affected.ecosystem, _CODENAMES.get((affected.ecosystem, affected.release), "")
        row = {
            "name": name,
            "release_id": name,
            "major_version": major,
            "minor_version": minor,
            "label_version": "",
        }
        return self._insert("operating_systems", **row, codename=codename, channel="")

    def _exploitation(self, cve: str, advisory: Advisory) -> None:
        known, prediction = advisory.known_exploited, advisory.exploit_prediction
        if known:
            names = {"cve": cve, "vendor_project": known.vendor, "product": known.product}
            dates = {"date_added": f"{known.added}T00:00:00Z", "due_date": f"{known.due}T00:00:00Z"}
            blob = self._blob({**names, **dates, "known_ransomware_campaign_use": known.ransomware})
            self._insert("known_exploited_vulnerability_handles", cve=cve, blob_id=blob)
        if prediction:
            self._insert("epss_metadata", date=_time(f"{prediction.date}T00:00:00Z"))
            self._insert("epss_handles", cve=cve, epss=prediction.score, percentile=prediction.percentile)

    def _blob(self, value: Json) -> int:
        text = json.dumps(_filled(value), separators=(",", ":"), ensure_ascii=False) + "\n"
        return self._insert("blobs", value=text)

    def _insert(self, table: str, **row: object) -> int:
        """Insert a row unless there is an equal one, and return its number."""
        key = (table, *row.values())
        if key not in self._numbers:
            places = ",".join("?" * len(row))
            cursor = self._connection.execute(
                f"INSERT INTO {table} ({','.join(row)}) VALUES ({places})", tuple(row.values())
            )
            self._numbers[key] = cursor.lastrowid or 0
        return self._numbers[key]


def _range(limits: Range, order: str, advisory: str) -> Json:
    lower = f">= {limits.introduced}" if limits.introduced != "0" else ""
    upper = (
        f"< {limits.fixed}" if limits.fixed else f"<= {limits.last_affected}" if limits.last_affected else ""
    )
    fix: Json = {"state": "not-fixed"}
    if limits.fixed:
        fix = {"version": limits.fixed, "state": "fixed"}
        if advisory.startswith("DSA-"):
            url = f"https://security-tracker.debian.org/tracker/{advisory}"
            fix["detail"] = {"references": [{"url": url, "id": advisory, "tags": ["advisory"]}]}
    return {
        "version": _filled({"type": order, "constraint": ",".join(filter(None, (lower, upper)))}),
        "fix": fix,
    }


def _words(scheme: str, severity: str) -> list[Json]:
    return [] if severity == UNKNOWN else [{"scheme": scheme, "value": severity, "rank": 1}]


def _scores(advisory: Advisory) -> list[Json]:
    return [
        {
            "scheme": "CVSS",
            "value": {"vector": score.vector, "version": score.vector.split("/")[0].removeprefix("CVSS:")},
            "source": _SCORE_SOURCES.get(score.source, score.source),
            "rank": 2 if number else 1,
        }
        for number, score in enumerate(advisory.cvss)
    ]


def _cves(advisory: Advisory) -> list[str]:
    return [advisory.id] if advisory.id.startswith("CVE-") else []


def _filled(members: Json) -> Json:
    return {key: value for key, value in members.items() if value not in ("", [], {})}


def _time(moment: str) -> str | None:
    """RFC 3339 in UTC as Grype's tables hold it, `YYYY-MM-DD HH:MM:SS+00:00`."""
    return moment.replace("T", " ").replace("Z", "+00:00") if moment else None
