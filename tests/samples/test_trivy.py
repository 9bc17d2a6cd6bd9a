"""Trivy's databases: the buckets as Trivy looks things up, dates, and equal bytes for equal input."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from samples.databases.advisories import Advisory, Affected, Range, Score, load
from samples.databases.trivy import trivy_archive, trivy_tree, write_trivy_database
from tests.samples.test_bolt import read

BUILT = datetime(2026, 11, 23, 15, 22, 26, tzinfo=UTC)
LATER = datetime(2026, 11, 24, tzinfo=UTC)


def values(*advisories: Advisory) -> Any:
    """The tree with its JSON decoded."""

    def decoded(bucket: Any) -> Any:
        return {
            key: json.loads(value) if isinstance(value, bytes) else decoded(value)
            for key, value in bucket.items()
        }

    return decoded(trivy_tree(advisories))


def language(ecosystem: str, package: str, *ranges: Range, advisory: str = "GHSA-1") -> Advisory:
    return Advisory(
        "CVE-2026-1", (Affected(ecosystem, package, ranges, advisory=advisory),), ("github",), severity="high"
    )


def test_distribution() -> None:
    fixed = Affected("debian", "glibc", (Range(fixed="2.36-9+deb12u3"),), "12", advisory="DSA-1")
    unfixed = Affected("debian", "tar", (Range(),), "12", severity="negligible")
    tree = values(Advisory("CVE-2026-1", (fixed, unfixed), ("debian-tracker",)))
    assert tree["debian 12"] == {
        "glibc": {"CVE-2026-1": {"VendorIDs": ["DSA-1"], "FixedVersion": "2.36-9+deb12u3"}},
        "tar": {"CVE-2026-1": {"Severity": 1, "Status": 2}},
    }
    assert tree["data-source"]["debian 12"]["ID"] == "debian"
    assert tree["vulnerability"] == {"CVE-2026-1": {"Severity": "UNKNOWN"}}


def test_language() -> None:
    tree = values(
        language("pypi", "Zope.Interface", Range("1.0", "1.5"), Range("2", last_affected="2.3"), Range("3"))
    )
    assert tree["pip::GitHub Security Advisory pip"]["zope-interface"]["CVE-2026-1"] == {
        "VendorIDs": ["GHSA-1"],
        "PatchedVersions": ["1.5"],
        "VulnerableVersions": [">=1.0, <1.5", ">=2, <=2.3", ">=3"],
    }
    assert tree["vulnerability"]["CVE-2026-1"] == {"Severity": "HIGH", "VendorSeverity": {"ghsa": 3}}


def test_open_ranges_start_at_zero() -> None:
    tree = values(language("npm", "left-pad", Range()))
    assert tree["npm::GitHub Security Advisory npm"]["left-pad"]["CVE-2026-1"]["VulnerableVersions"] == [
        ">=0"
    ]


def test_only_go_names_keep_their_case() -> None:
    tree = values(language("go", "github.com/Azure/x", Range()), language("maven", "Org.x:Y", Range()))
    assert list(tree["go::GitHub Security Advisory Go"]) == ["github.com/Azure/x"]
    assert list(tree["maven::GitHub Security Advisory Maven"]) == ["org.x:y"]


def test_scores() -> None:
    scores = (Score("nvd", "CVSS:3.1/AV:N", 9.8), Score("github", "CVSS:4.0/AV:N", 5.0))
    affected = (Affected("debian", "x", (Range(),), "12"),)
    details = values(Advisory("CVE-2026-1", affected, ("nvd",), cvss=scores))["vulnerability"]["CVE-2026-1"]
    assert details["VendorSeverity"] == {"nvd": 4}
    assert details["CVSS"] == {
        "nvd": {"V3Vector": "CVSS:3.1/AV:N", "V3Score": 9.8},
        "ghsa": {"V40Vector": "CVSS:4.0/AV:N", "V40Score": 5.0},
    }


def test_files(tmp_path: Path) -> None:
    write_trivy_database(tmp_path, load(), BUILT)
    assert read((tmp_path / "db" / "trivy.db").read_bytes()) == trivy_tree(load())
    for folder, version in (("db", 2), ("java-db", 1)):
        assert json.loads((tmp_path / folder / "metadata.json").read_text()) == {
            "Version": version,
            "NextUpdate": "2026-11-24T15:22:26Z",
            "UpdatedAt": "2026-11-23T15:22:26Z",
            "DownloadedAt": "2026-11-23T15:22:26Z",
        }
    connection = sqlite3.connect(tmp_path / "java-db" / "trivy-java.db")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"artifacts", "indices"}


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_trivy_database(tmp_path / name, load(), BUILT)
    write_trivy_database(tmp_path / "b", load(), BUILT)  # over an older one
    for path in ("db/trivy.db", "db/metadata.json", "java-db/trivy-java.db", "java-db/metadata.json"):
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    archives = [trivy_archive(tmp_path / name / "db", BUILT) for name in ("a", "b")]
    assert archives[0] == archives[1] != trivy_archive(tmp_path / "a" / "db", LATER)
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as archive:
        assert archive.getnames() == ["trivy.db", "metadata.json"]
