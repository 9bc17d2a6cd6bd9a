"""Joined findings and runs of scanners, built by hand for tests of what they decide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gate.errors import Unavailable
from gate.evidence import Database, Opinion, ScannedPackage, ScanRun, ScanRuns, Vulnerability
from tests.kit import trees

CONFIG = trees.config(layers=3)
LAYERS = [str(digest) for digest in CONFIG.diff_ids]
BUILT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def opinion(severity: str = "high", scanner: str = "trivy", **more: Any) -> Opinion:
    fields: dict[str, Any] = {
        "id": "CVE-2023-5363", "aliases": (), "severity_source": "nvd", "severities": {}, "scores": {},
        "fixed_versions": ("3.0.11-1~deb12u2",), "fix_state": "fixed", **more,
    }  # fmt: skip
    return Opinion(scanner=scanner, severity=severity, **fields)


def vulnerability(*opinions: Opinion, id_: str = "CVE-2023-5363", **more: Any) -> Vulnerability:
    fields: dict[str, Any] = {
        "package_type": "deb",
        "package_name": "libssl3",
        "package_version": "3.0.9-1",
        "purl": "pkg:deb/debian/libssl3@3.0.9-1",
        "layer": LAYERS[1],
        "path": "/var/lib/dpkg/status",
        **more,
    }
    return Vulnerability(id=id_, aliases=("GHSA-a",), opinions=opinions, **fields)


def scan_runs(*names: str, **changes: ScanRun | Unavailable) -> ScanRuns:
    """Runs of these scanners, or what stands in their place."""
    return ScanRuns({name: scan_run(name) for name in names} | changes)


def scan_run(name: str, *packages: ScannedPackage, built: datetime = BUILT) -> ScanRun:
    """One scanner's run, which saw these packages."""
    return ScanRun(
        scanner=name, version="1.0", binary=f"/usr/bin/{name}", binary_digest="0" * 64, database=Database("1", built),
        image_id="sha256:0", os_family="debian", os_version="12", end_of_life=None, packages=packages, warnings=(), seconds=1.0,
    )  # fmt: skip
