"""Runs the unmodified scanners as a user without image-gate would, and brings both reports into one form."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packageurl import PackageURL

TRIVY_OFFLINE = ("--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check")
GRYPE_ENVIRONMENT = {"GRYPE_CHECK_FOR_APP_UPDATE": "false", "GRYPE_DB_AUTO_UPDATE": "false"}


class Found(NamedTuple):
    """What both scanners must agree on: identifier, package URL without version and qualifiers, version, fixes."""

    identifier: str
    package: str
    version: str
    fixed: frozenset[str]


def trivy(binary: Path, arguments: Sequence[str], cache: Path) -> subprocess.CompletedProcess[str]:
    """Run `trivy image` with a cache folder."""
    options = ["--cache-dir", str(cache), "--disable-telemetry"]
    return subprocess.run(
        [binary, "image", *options, *arguments], check=False, capture_output=True, text=True, timeout=120
    )


def grype(
    binary: Path, arguments: Sequence[str], cache: Path, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Grype with a database folder; `more` are further variables."""
    environment = {**os.environ, **GRYPE_ENVIRONMENT, "GRYPE_DB_CACHE_DIR": str(cache), **(more or {})}
    return subprocess.run(
        [binary, *arguments], check=False, capture_output=True, text=True, timeout=120, env=environment
    )


def trivy_findings(binary: Path, layout: Path, cache: Path) -> set[Found]:
    """Scan a layout with Trivy."""
    output = ["--cache-backend", "memory", "--scanners", "vuln", "--format", "json"]
    run = trivy(binary, ["--input", str(layout), *TRIVY_OFFLINE, *output], cache)
    assert run.returncode == 0, run.stderr
    report: Mapping[str, Any] = json.loads(run.stdout)
    vulnerabilities = [
        item for result in report.get("Results", ()) for item in result.get("Vulnerabilities", ())
    ]
    return {
        Found(
            item["VulnerabilityID"],
            _package(item["PkgIdentifier"]["PURL"]),
            _version(item["InstalledVersion"]),
            frozenset(part.strip() for part in item.get("FixedVersion", "").split(",") if part.strip()),
        )
        for item in vulnerabilities
    }


def grype_findings(binary: Path, layout: Path, cache: Path) -> set[Found]:
    """Scan a layout with Grype."""
    run = grype(binary, [f"oci-dir:{layout}", "-o", "json"], cache)
    assert run.returncode == 0, run.stderr
    assert "matcher returned error" not in run.stderr
    report: Mapping[str, Any] = json.loads(run.stdout)
    return {
        Found(
            _cve(match),
            _package(match["artifact"]["purl"]),
            _version(match["artifact"]["version"]),
            frozenset(match["vulnerability"]["fix"]["versions"]),
        )
        for match in report["matches"]
    }


def _cve(match: Mapping[str, Any]) -> str:
    """The CVE of a match where it has one: Trivy names a finding by it, Grype that of a language by the advisory."""
    names = [match["vulnerability"]["id"], *(related["id"] for related in match["relatedVulnerabilities"])]
    return str(next((name for name in names if name.startswith("CVE-")), names[0]))


def _package(purl: str) -> str:
    url = PackageURL.from_string(purl)
    return "/".join(filter(None, (url.type, url.namespace, url.name)))


def _version(version: str) -> str:
    """Go's standard library is `v1.21.3` to Trivy and `go1.21.3` to Grype."""
    return version.removeprefix("go").removeprefix("v")
