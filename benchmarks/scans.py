"""Checks with both scanners: the first, the second, one with new databases, and the scanners started by hand."""

from __future__ import annotations

import json
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
from samples.images.builder import Settings, build_image
from samples.images.layers import Layer, layer_from_tar
from samples.images.layout import oci_layout, write_directory

_ROUNDS = 3
_CACHE = BUILD / "cache"
_POLICY = "schema: 1\nscanners: {required: [trivy, grype]}\nrules:\n  vulnerabilities: {action: warn}\n"
_INSPECTION_POLICY = "schema: 1\nrules:\n  no-shell: {action: warn}\n"


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
    """A check with nothing in the cache, one in which everything is known, and its parts by hand."""

    cold: Figure
    known: Figure
    inspection: Figure
    trivy: Figure
    grype: Figure

    @property
    def bound(self) -> float:
        """The wall-clock seconds below which no check can be: the slower scanner alone, or all work on all cores."""
        return max(self.trivy.wall, self.grype.wall, self.cold.cpu / (os.cpu_count() or 1))

    @property
    def by_hand(self) -> float:
        """The wall-clock seconds of the parts one after the other, each on as many cores as it uses itself."""
        return self.inspection.wall + self.trivy.wall + self.grype.wall


def checks(image: Path) -> Checks | None:
    """Measure checks with the databases that `scanners` has written; None where a scanner is missing."""
    trivy, grype = tool("trivy"), tool("grype")
    if not trivy or not grype:
        return None
    command = _command(trivy, grype, image)
    figures: dict[str, list[Figure]] = {
        name: [] for name in ("cold", "known", "inspection", "trivy", "grype")
    }
    for _ in range(_ROUNDS):
        shutil.rmtree(_CACHE, ignore_errors=True)
        figures["cold"].append(run(command))
        figures["known"].append(run(command))
        figures["inspection"].append(run(_inspection(image)))
        figures["trivy"].append(run(_trivy(trivy, image)))
        figures["grype"].append(run([grype, f"oci-dir:{image}", "-o", "json"], _grype_environment()))
    return Checks(**{name: best(found) for name, found in figures.items()})


@dataclass(frozen=True, slots=True)
class Renewed:
    """The first check of an image, and one after both databases were renewed."""

    first: Figure
    again: Figure


def renewed(image: Path) -> Renewed | None:
    """Measure with an image of Debian packages and the text layers of the benchmark's: Grype lists it whole.

    None where a scanner or the root of a Debian system is missing.
    """
    trivy, grype, root = tool("trivy"), tool("grype"), tool("debian_root")
    if not trivy or not grype or not root:
        return None
    command = _command(trivy, grype, _debian(image, Path(root)))
    first, again = [], []
    for _ in range(_ROUNDS):
        shutil.rmtree(_CACHE, ignore_errors=True)
        first.append(run(command))
        for database in ("trivy/db/trivy.db", "grype/6/vulnerability.db"):
            (BUILD / database).touch()  # what is written to is another database
        again.append(run(command))
    return Renewed(best(first), best(again))


def _debian(image: Path, root: Path) -> Path:
    """Return the layout of the image, building it where it is not there yet."""
    target = BUILD / "debian"
    if not target.exists():
        manifest = json.loads(_blob(image, json.loads((image / "index.json").read_bytes())["manifests"][0]))
        config = json.loads(_blob(image, manifest["config"]))
        texts = [
            Layer(_blob(image, entry), diff_id, entry["mediaType"])
            for entry, diff_id in zip(manifest["layers"][1:], config["rootfs"]["diff_ids"][1:], strict=True)
        ]
        layers = [layer_from_tar(root.read_bytes()), *texts]
        write_directory(oci_layout({"": build_image(layers, Settings(datetime.now(UTC)))}), target)
    return target


def _blob(image: Path, descriptor: dict[str, str]) -> bytes:
    """Read the blob of a layout."""
    return (image / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()


def _command(trivy: str, grype: str, image: Path) -> list[str]:
    """Return how the gate is started with the databases that `scanners` has written."""
    policy = BUILD / "scans.yaml"
    policy.write_text(_POLICY, encoding="ascii")
    return [
        str(Path(sys.executable).with_name("image-gate")), "check", f"oci:{image}", "--offline", "--policy", str(policy),
        "--trivy", trivy, "--grype", grype, "--trivy-cache", str(BUILD / "trivy"), "--grype-db", str(BUILD / "grype"),
        "--cache-dir", str(_CACHE), "--format", "json",
    ]  # fmt: skip


def _inspection(image: Path) -> list[str]:
    """Return how the gate is started for what it sees itself, programs known by their content included."""
    policy = BUILD / "inspection.yaml"
    policy.write_text(_INSPECTION_POLICY, encoding="ascii")
    program = str(Path(sys.executable).with_name("image-gate"))
    return [program, "check", f"oci:{image}", "--policy", str(policy), "--no-cache", "--format", "json"]


def _trivy(trivy: str, image: Path) -> list[str]:
    """Return how Trivy is started by hand."""
    return [trivy, "image", "--input", str(image), "--cache-dir", str(BUILD / "trivy"), "--cache-backend", "memory",
            "--skip-db-update", "--skip-java-db-update", "--offline-scan", "--scanners", "vuln", "--format", "json"]  # fmt: skip


def _grype_environment() -> dict[str, str]:
    """Return Grype's environment."""
    return {**os.environ, "GRYPE_DB_CACHE_DIR": str(BUILD / "grype"), "GRYPE_DB_AUTO_UPDATE": "false"}
