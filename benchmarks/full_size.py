"""What the gate itself takes at full size: databases of 300,000 advisories, 5,000 packages, 20,000 findings.

Both real scanners run, once, which takes minutes. Counted is the gate's own process alone: in the first check it also reads
what the scanners wrote, in every check it joins their findings, judges, and writes the reports.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.figures import BUILD, Figure, best, tool
from samples.databases.advisories import Advisory, Affected, Range, Score
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.images import debian
from samples.images.builder import Settings, build_image
from samples.images.entries import with_parents
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory

ADVISORIES = 300_000
PACKAGES = 5_000
FINDINGS = 20_000
_FOLDER = BUILD / "full-size"
_RENEW_AFTER = 4 * 86_400
"""Seconds: a policy accepts databases for five days."""
_ROUNDS = 3
_POLICY = "schema: 1\nscanners: {required: [trivy, grype]}\nrules:\n  vulnerabilities: {action: warn}\n  scan-coverage: {}\n"
_SEVERITIES = (("critical", 9.8), ("high", 7.5), ("medium", 5.3), ("low", 3.1))


@dataclass(frozen=True, slots=True)
class FullSize:
    """What a first check takes of its own, what another one of the same image does, and how many findings both scanners join to."""

    first: Figure
    again: Figure
    findings: int


def full_size() -> FullSize | None:
    """Check the large image with both scanners; None where one is missing."""
    trivy, grype = tool("trivy"), tool("grype")
    if not trivy or not grype:
        return None
    _prepare()
    cache, written = _FOLDER / "cache", _FOLDER / "report.json"
    arguments = [
        "check", f"oci:{_FOLDER / 'image'}", "--offline", "--policy", str(_FOLDER / "policy.yaml"), "--trivy", trivy,
        "--grype", grype, "--trivy-cache", str(_FOLDER / "trivy"), "--grype-db", str(_FOLDER / "grype"),
        "--cache-dir", str(cache), "--timeout", "3600", "--scanner-timeout", "3600", "--quiet", "--output", f"json={written}", "--output", f"text={_FOLDER / 'report.txt'}",
    ]  # fmt: skip
    shutil.rmtree(cache, ignore_errors=True)
    first, *again = (_own(arguments) for _ in range(1 + _ROUNDS))
    (verdict,) = json.loads(written.read_bytes())["verdicts"]
    return FullSize(first, best(again), len(verdict["evidence"]["vulnerabilities"]["found"]))


def _own(arguments: list[str]) -> Figure:
    """Run the gate, and return what its own process took."""
    command = [sys.executable, "-m", "benchmarks.full_size", *arguments]
    done = subprocess.run(command, check=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return Figure(**json.loads(done.stderr.splitlines()[-1]))


def _prepare() -> None:
    """Write the databases and the image, unless they are there; that takes minutes."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / "policy.yaml").write_text(_POLICY, encoding="ascii")
    packages = [debian.Package(f"library{number}", "1.0-1") for number in range(PACKAGES)]
    root = {**debian.release_files(), **debian.status_file(packages)}
    if not (_FOLDER / "image").exists():
        image = build_image([layer_of(with_parents(root))], Settings(datetime.now(UTC)))
        write_directory(oci_layout({"": image}), _FOLDER / "image")
    done = _FOLDER / "databases"
    if not done.exists() or time.time() - done.stat().st_mtime > _RENEW_AFTER:
        now = datetime.now(UTC)
        write_trivy_database(_FOLDER / "trivy", _advisories(), now)
        write_grype_database(_FOLDER / "grype", _advisories(), now)
        done.touch()


def _advisories() -> Iterator[Advisory]:
    """Yield made-up advisories; as many as there are to be findings concern packages of the image."""
    for number in range(ADVISORIES):
        severity, score = _SEVERITIES[number % len(_SEVERITIES)]
        name = f"library{number % PACKAGES}" if number < FINDINGS else f"other{number % (10 * PACKAGES)}"
        fixed = Range(fixed="1.0-2") if number % 3 else Range()
        yield Advisory(
            id=f"CVE-2025-{100_000 + number}",
            affected=(Affected("debian", name, (fixed,), release="12", severity=severity),),
            sources=("made up",),
            severity=severity,
            published="2025-01-01T00:00:00Z",
            cvss=(Score("nvd", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", score),),
        )


def main() -> None:
    """Run the command line in this process, and print what this process took, without its children."""
    from gate.cli import main as gate

    sys.argv[0] = "image-gate"
    started = time.perf_counter()
    try:
        gate()
    except SystemExit as end:
        if end.code:
            raise
    taken = resource.getrusage(resource.RUSAGE_SELF)
    figure = {
        "cpu": taken.ru_utime + taken.ru_stime,
        "wall": time.perf_counter() - started,
        "peak": taken.ru_maxrss * 1024,
    }
    sys.stderr.write("\n" + json.dumps(figure) + "\n")


if __name__ == "__main__":
    main()
