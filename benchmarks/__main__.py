"""Measure everything in one run and print it beside what it should reach: `make bench`.

Every figure is the best of several rounds, and the rounds go through all tasks in turn, so that a busy moment of the
machine meets them alike. Only ratios are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import BUILD, Figure, best, run
from benchmarks.full_size import ADVISORIES, PACKAGES, full_size
from benchmarks.image import MIB, benchmark_image
from benchmarks.pull import pulls
from benchmarks.scans import checks, renewed, scanners
from benchmarks.signatures import verifications
from samples.images import catalogue, layout

ROUNDS = 3
STARTS = 20
_OWN = ("limit", "paths", "marks", "secrets", "python_tarfile")
_POLICY = (
    "schema: 1\nrules:\n  non-root: {action: deny}\n  no-setuid: {action: deny}\n  max-age: {action: deny}\n"
)


def task(name: str, image: Path) -> Figure:
    """Run one of our tasks in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.task", name, str(image)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Figure(found["cpu"], found["wall"], found["peak"])


def starts() -> dict[str, tuple[float, float]]:
    """Return, for the version and for a tiny check, our best start and that of the imports it is compared with."""
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "policy.yaml").write_text(_POLICY, encoding="ascii")
    tiny = BUILD / "tiny"
    if not tiny.exists():
        layout.write_directory(
            layout.oci_layout({"example.com/tiny:1": catalogue.good(datetime.now(UTC))}), tiny
        )
    program = str(Path(sys.executable).with_name("image-gate"))
    commands = {
        "version": [program, "--version"],
        "click": [sys.executable, "-c", "import click"],
        "check": [
            program,
            "check",
            f"oci:{tiny}",
            "--policy",
            str(BUILD / "policy.yaml"),
            "--format",
            "json",
        ],
        "imports": [sys.executable, "-c", "import click, ruamel.yaml, isal"],
    }
    figures: dict[str, list[Figure]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            figures[name].append(run(command))
    cpu = {name: best(found).cpu for name, found in figures.items()}
    wall = {name: best(found).wall for name, found in figures.items()}
    return {
        "image-gate --version / import click": (wall["version"] / wall["click"], cpu["version"]),
        "check of a tiny layout / its imports": (wall["check"] / wall["imports"], cpu["check"]),
    }


def pull_lines(image: Path, stored: int, goals: list[tuple[str, float, float]]) -> list[str]:
    """Measure reading from a registry; return the lines to print, and add what is to be reached to `goals`."""
    found = pulls(image)
    if found is None:
        return [
            "",
            "reading from a registry: left out, it needs docker-registry and skopeo (make test provides them)",
        ]
    figures = found.figures
    base = figures["layout"]
    goals += [
        ("wall time from a registry / from a layout", figures["registry"].wall / base.wall, 1.15),
        (
            "wall time from a registry of 25 MB/s / skopeo copy",
            figures["registry, 25 MB/s"].wall / figures["skopeo copy, 25 MB/s"].wall,
            1.05,
        ),
        ("bytes on the wire / bytes of the image", found.bytes / stored, 1.01),
    ]
    lines = [
        "",
        f"{'image-gate check, nothing in the cache':34}{'CPU s':>8}{'wall s':>8}{'MiB':>7}{'':11}{'wall/layout':>12}",
    ]
    for name, figure in figures.items():
        lines.append(
            f"{name:34}{figure.cpu:8.2f}{figure.wall:8.2f}{figure.peak / MIB:7.0f}{'':11}{figure.wall / base.wall:12.2f}"
        )
    lines.append(
        f"{found.blobs} requests for blobs, {found.bytes:,} bytes of answers for {stored:,} bytes in the layout"
    )
    return lines


def scan_lines(image: Path, goals: list[tuple[str, float, float]]) -> list[str]:
    """Measure checks with scanners; return the lines to print, and add what is to be reached to `goals`."""
    found = checks(image)
    if found is None:
        return ["", "checks with scanners: left out, they need Trivy and Grype (make test provides them)"]
    goals += [
        ("check with both scanners / slower one, or CPU / cores", found.cold.wall / found.bound, 1.05),
        ("check with both scanners / its parts one after the other", found.cold.wall / found.by_hand, 1.0),
        ("second check with nothing changed, seconds", found.known.wall, 0.5),
    ]
    other = renewed(image)
    if other is not None:
        goals.append(("check with new databases / first check", other.again.wall / other.first.wall, 0.25))
    return [
        "",
        f"{'with both scanners':34}{'CPU s':>8}{'wall s':>8}{'MiB':>7}",
        *(
            f"{name:34}{figure.cpu:8.2f}{figure.wall:8.2f}{figure.peak / MIB:7.0f}"
            for name, figure in (
                ("image-gate check, the first", found.cold),
                ("image-gate check, the second", found.known),
                ("image-gate check, no scanners", found.inspection),
                ("Trivy by hand", found.trivy),
                ("Grype by hand", found.grype),
                *(
                    (("Debian image, the first check", other.first), ("the same, new databases", other.again))
                    if other is not None
                    else ()
                ),
            )
        ),
    ]


def full_size_lines(goals: list[tuple[str, float, float]]) -> list[str]:
    """Measure what the gate itself takes of a large check; return the lines to print, and add the goals."""
    found = full_size()
    if found is None:
        return ["", "a check at full size: left out, it needs Trivy and Grype (make test provides them)"]
    goals += [
        ("the gate's own part at full size, CPU seconds", found.again.cpu, 3.0),
        ("the gate's own memory at full size, MiB", max(found.first.peak, found.again.peak) / MIB, 400),
    ]
    return [
        "",
        f"{ADVISORIES:,} advisories, {PACKAGES:,} packages, {found.findings:,} findings; the gate's own process:",
        *(
            f"{name:34}{figure.cpu:8.2f}{'':8}{figure.peak / MIB:7.0f}"
            for name, figure in (("the first check", found.first), ("the second check", found.again))
        ),
    ]


def signature_lines(goals: list[tuple[str, float, float]]) -> list[str]:
    """Measure verifications; return the lines to print, and add what is to be reached to `goals`."""
    found = verifications()
    goals.append(("the slowest verification of a signature, ms", max(found.values()), 50))
    lines = ["", f"{'verifying a signature':42}{'ms':>8}"]
    return lines + [f"{name:42}{milliseconds:8.1f}" for name, milliseconds in found.items()]


def main() -> None:
    """Measure and print."""
    image = benchmark_image(BUILD)
    figures: dict[str, list[Figure]] = {name: [] for name in _OWN}
    for _ in range(ROUNDS):
        for name in _OWN:
            figures[name].append(task(name, image))
    found = {name: best(values) for name, values in figures.items()}
    base = found["limit"]
    stored = sum(path.stat().st_size for path in (image / "blobs" / "sha256").iterdir())
    lines = [
        f"image: 3 layers, {stored / MIB:.0f} MiB stored; {os.cpu_count()} cores; best of {ROUNDS} rounds",
        "",
    ]
    lines.append(f"{'':34}{'CPU s':>8}{'wall s':>8}{'MiB':>7}{'CPU/limit':>11}{'wall/limit':>12}")
    others = scanners(image)
    for name, figure in {**found, **others}.items():
        lines.append(
            f"{name:34}{figure.cpu:8.2f}{figure.wall:8.2f}{figure.peak / MIB:7.0f}"
            f"{figure.cpu / base.cpu:11.2f}{figure.wall / base.wall:12.2f}"
        )
    peak = max(found[name].peak for name in ("paths", "marks", "secrets")) / MIB
    goals = [
        ("CPU of the pass for paths, modes, packages / limit", found["paths"].cpu / base.cpu, 1.15),
        ("CPU with byte signatures / limit", found["marks"].cpu / base.cpu, 1.4),
        ("CPU with the search for credentials / limit", found["secrets"].cpu / base.cpu, 2.0),
        ("wall time of the pass / one-thread limit", found["paths"].wall / base.wall, 0.8),
        ("peak memory of the gate, MiB", peak, 256),
        *((name, ratio, goal) for (name, (ratio, _)), goal in zip(starts().items(), (1.5, 1.3), strict=True)),
    ]
    lines += pull_lines(image, stored, goals)
    lines += scan_lines(image, goals)
    lines += signature_lines(goals)
    lines += full_size_lines(goals)
    lines.append("")
    lines += [
        f"{'ok ' if value <= goal else '!! '} {name:52}{value:8.2f}   at most {goal}"
        for name, value, goal in goals
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
