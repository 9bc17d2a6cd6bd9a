"""Grype's database: rows as Grype looks things up, the digest it checks, and equal bytes for equal input."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from samples.databases.advisories import Advisory, Affected, ExploitPrediction, Range, Score, load
from samples.databases.grype import grype_archive, grype_listing, write_grype_database
from samples.databases.xxhash import xxh64

BUILT = datetime(2026, 11, 23, 15, 22, 26, tzinfo=UTC)
LATER = datetime(2026, 11, 24, tzinfo=UTC)


def rows(directory: Path, advisories: Iterable[Advisory], query: str) -> list[Any]:
    """What a query finds in a database of these advisories."""
    write_grype_database(directory, advisories, BUILT)
    connection = sqlite3.connect(directory / "6" / "vulnerability.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def package_blob(directory: Path, *advisories: Advisory) -> Any:
    query = "SELECT b.value FROM affected_package_handles a JOIN blobs b ON a.blob_id = b.id ORDER BY a.id"
    return [json.loads(value) for (value,) in rows(directory, advisories, query)]


def advisory(*affected: Affected, **more: Any) -> Advisory:
    return Advisory("CVE-2026-1", affected, ("nvd",), **more)


def test_distribution(tmp_path: Path) -> None:
    glibc = Affected("debian", "glibc", (Range(fixed="2.36-9+deb12u3"),), "12", advisory="DSA-1")
    tar = Affected("debian", "tar", (Range(),), "12", severity="negligible")
    url = "https://security-tracker.debian.org/tracker/DSA-1"
    detail = {"references": [{"url": url, "id": "DSA-1", "tags": ["advisory"]}]}
    fix = {"version": "2.36-9+deb12u3", "state": "fixed", "detail": detail}
    assert package_blob(tmp_path, advisory(glibc, tar)) == [
        {
            "cves": ["CVE-2026-1"],
            "ranges": [{"version": {"type": "dpkg", "constraint": "< 2.36-9+deb12u3"}, "fix": fix}],
        },
        {"cves": ["CVE-2026-1"], "ranges": [{"version": {"type": "dpkg"}, "fix": {"state": "not-fixed"}}]},
    ]
    query = "SELECT name, major_version, minor_version, codename FROM operating_systems"
    assert rows(tmp_path, [advisory(tar)], query) == [("debian", "12", "", "bookworm")]
    alpine = Affected("alpine", "musl", (Range(fixed="1.2.5-r1"),), "3.20")
    assert rows(tmp_path, [advisory(alpine)], query) == [("alpine", "3", "20", "")]


def test_language(tmp_path: Path) -> None:
    affected = Affected(
        "npm", "x", (Range("1.0.0", "1.2.6"), Range("2", last_affected="2.3")), advisory="GHSA-1"
    )
    (blob,) = package_blob(tmp_path, advisory(affected))
    assert [part["version"]["constraint"] for part in blob["ranges"]] == [">= 1.0.0,< 1.2.6", ">= 2,<= 2.3"]
    names = rows(
        tmp_path, [advisory(affected)], "SELECT name, provider_id FROM vulnerability_handles ORDER BY id"
    )
    assert names == [("GHSA-1", "github"), ("CVE-2026-1", "nvd")]
    assert rows(tmp_path, [advisory(affected)], "SELECT name, alias FROM vulnerability_aliases") == [
        ("GHSA-1", "CVE-2026-1")
    ]


def test_first_severity_is_the_reported_one(tmp_path: Path) -> None:
    affected = Affected("npm", "x", (Range(),), advisory="GHSA-1")
    scored = advisory(affected, severity="high", cvss=(Score("nvd", "CVSS:3.1/AV:N", 9.8),))
    query = "SELECT b.value FROM vulnerability_handles v JOIN blobs b ON v.blob_id = b.id ORDER BY v.id"
    github, nvd = (json.loads(value) for (value,) in rows(tmp_path, [scored], query))
    assert github["severities"][0] == {"scheme": "CHML", "value": "high", "rank": 1}
    assert nvd["severities"][0]["value"] == {"vector": "CVSS:3.1/AV:N", "version": "3.1"}
    assert nvd["refs"][0] == {"url": "https://nvd.nist.gov/vuln/detail/CVE-2026-1"}


def test_names_that_differ_in_case_are_one_package(tmp_path: Path) -> None:
    """Grype's unique index ignores case: two rows would make its import fail."""
    names = ("github.com/Azure/x", "github.com/azure/x")
    affected = [Affected("go", name, (Range(),), advisory="GHSA-1") for name in names]
    assert rows(tmp_path, [advisory(*affected)], "SELECT name FROM packages") == [("github.com/Azure/x",)]


def test_exploitation(tmp_path: Path) -> None:
    log4shell = next(item for item in load() if item.id == "CVE-2021-44228")
    predicted = dataclasses.replace(
        log4shell, exploit_prediction=ExploitPrediction("2026-11-22", 0.94, 0.999)
    )
    query = "SELECT cve, epss, percentile, date FROM epss_handles, epss_metadata"
    assert rows(tmp_path, [predicted], query) == [
        ("CVE-2021-44228", 0.94, 0.999, "2026-11-22 00:00:00+00:00")
    ]
    query = "SELECT b.value FROM known_exploited_vulnerability_handles k JOIN blobs b ON k.blob_id = b.id"
    ((known,),) = rows(tmp_path, [predicted], query)
    assert json.loads(known)["date_added"] == "2021-12-10T00:00:00Z"


def test_import_record_names_the_digest(tmp_path: Path) -> None:
    write_grype_database(tmp_path, load(), BUILT)
    record = json.loads((tmp_path / "6" / "import.json").read_text())
    assert record["digest"] == f"xxh64:{xxh64((tmp_path / '6' / 'vulnerability.db').read_bytes()):016x}"
    assert record["client_version"] == "v6.1.10"


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_grype_database(tmp_path / name, load(), BUILT)
    write_grype_database(tmp_path / "b", load(), BUILT)  # over an older one
    files = [tmp_path / name / "6" / "vulnerability.db" for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    archive = grype_archive(files[0], BUILT)
    assert archive == grype_archive(files[1], BUILT) != grype_archive(files[0], LATER)
    listing, name = grype_listing(archive, BUILT)
    assert json.loads(listing)["built"] == "2026-11-23T15:22:26Z"
    assert (
        json.loads(listing)["path"]
        == name
        == "vulnerability-db_v6.1.10_2026-11-23T15:22:26Z_1795447346.tar.gz"
    )
