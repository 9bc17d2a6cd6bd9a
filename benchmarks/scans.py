"""Checks with both scanners: the first one, and a second one of the same image, beside the scanners started by hand."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import BUILD, Figure, best, run, tool
from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database

_ROUNDS = 3
_POLICY = "schema: 1\nscanners: {required: [trivy, grype]}\nrules:\n  vulnerabilities: {action: warn}\n"


def scanners(image: Path) -> dict[str, Figure]:
    """Run the scanners that this machine has on the image, each with the sample database."""
    now = datetime.now(UTC)
    write_trivy_database(BUILD / "trivy", load(), now)
    write_grype_database(BUILD / "grype", load(), now)
    found = {}
    if trivy := tool("trivy"):
        found["Trivy"] = run(_trivy(trivy, image))
    if grype := tool("grype"):
        found["Grype"] = run([grype, f"oci-dir:{image}", "-o", "json"], _grype_environment())
    return found


@dataclass(frozen=True, slots=True)
class Checks:
    """A check with nothing in the cache, one in which everything is known, and each scanner by hand."""

    cold: Figure
    known: Figure
    trivy: Figure
    grype: Figure

    @property
    def bound(self) -> float:
        """The wall-clock seconds below which no check can be: the slower scanner alone, or all work on all cores."""
        return max(self.trivy.wall, self.grype.wall, self.cold.cpu / (os.cpu_count() or 1))


def checks(image: Path) -> Checks | None:
    """Measure checks with the databases that `scanners` has written; None where a scanner is missing."""
    trivy, grype = tool("trivy"), tool("grype")
    if not trivy or not grype:
        return None
    policy, cache = BUILD / "scans.yaml", BUILD / "cache"
    policy.write_text(_POLICY, encoding="ascii")
    command = [
        str(Path(sys.executable).with_name("image-gate")), "check", f"oci:{image}", "--offline", "--policy", str(policy),
        "--trivy", trivy, "--grype", grype, "--trivy-cache", str(BUILD / "trivy"), "--grype-db", str(BUILD / "grype"),
        "--cache-dir", str(cache), "--format", "json",
    ]  # fmt: skip
    figures: dict[str, list[Figure]] = {name: [] for name in ("cold", "known", "trivy", "grype")}
    for _ in range(_ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        figures["cold"].append(run(command))
        figures["known"].append(run(command))
        figures["trivy"].append(run(_trivy(trivy, image)))
        figures["grype"].append(run([grype, f"oci-dir:{image}", "-o", "json"], _grype_environment()))
    return Checks(**{name: best(found) for name, found in figures.items()})


def _trivy(trivy: str, image: Path) -> list[str]:
    """Return how Trivy is started by hand."""
    return [trivy, "image", "--input", str(image), "--cache-dir", str(BUILD / "trivy"), "--cache-backend", "memory",
            "--skip-db-update", "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--format", "json"]  # fmt: skip


def _grype_environment() -> dict[str, str]:
    """Return Grype's environment."""
    return {**os.environ, "GRYPE_DB_CACHE_DIR": str(BUILD / "grype"), "GRYPE_DB_AUTO_UPDATE": "false"}
