"""Checks one bad and one good sample image with the real Trivy (`make demo`, or `python -m samples.demo`).

Nothing is pulled or pushed: the images and a small advisory database are written to `build/demo/`, and `image-gate`
reads them there. Ends with 0 only if the report of the bad image says fail, with findings of the inspection and of
Trivy, and that of the good image says pass.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from samples.databases.advisories import load
from samples.databases.trivy import write_trivy_database
from samples.images.builder import Image
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory

ROOT = Path(__file__).parent.parent
BUILD = Path("build", "demo")
"""Below the root of the repository, as are all paths that the reader sees."""
POLICY = Path("samples", "policies", "demo.yaml")

SCANNED = "vulnerabilities"
"""The rule whose findings are the scanners'; those of the other rules come from the inspection of the image."""

NO_TRIVY = """The demo needs Trivy, and found none beside this Python and none on PATH.
`make demo` installs one on Linux x86-64; elsewhere install it yourself (https://trivy.dev) and run the demo again."""

Report = Mapping[str, Any]


def main() -> int:
    """Build the samples, check both, and compare what the reports say with what they must say."""
    trivy = find_trivy()
    if trivy is None:
        print(NO_TRIVY, file=sys.stderr)
        return 1
    built = datetime.now(UTC).replace(microsecond=0)
    shutil.rmtree(ROOT / BUILD, ignore_errors=True)
    write_trivy_database(ROOT / BUILD / "trivy", load(), built)
    faults = run("bad", bad(built), trivy, faults_of_bad) + run("good", good(built), trivy, faults_of_good)
    for fault in faults:
        print(f"The demo did not end as it should: {fault}", file=sys.stderr)
    return 1 if faults else 0


def find_trivy() -> Path | None:
    """The Trivy that is installed beside this Python, else the one on PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("trivy", path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    return Path(found) if found else None


def run(name: str, image: Image, trivy: Path, faults_of: Callable[[Report], list[str]]) -> list[str]:
    """Check one sample as a user does, with the report on the terminal, and return what is wrong with the JSON report."""
    write_directory(oci_layout({"": image}), ROOT / BUILD / name)
    report = BUILD / f"{name}.json"
    arguments = ["check", f"oci:{BUILD / name}", "--policy", str(POLICY), "--output", f"json={report}"]
    arguments += ["--trivy", str(trivy), "--trivy-cache", str(BUILD / "trivy"), "--offline"]
    arguments += ["--cache-dir", str(BUILD / "cache")]
    print(f"$ {shlex.join(['image-gate', *arguments])}\n", flush=True)
    subprocess.run([sys.executable, "-m", "gate", *arguments], cwd=ROOT, check=False)
    print(flush=True)
    path = ROOT / report
    if not path.exists():
        return [f"{name}: no report was written"]
    return [f"{name}: {fault}" for fault in faults_of(json.loads(path.read_text(encoding="utf-8")))]


def faults_of_bad(report: Report) -> list[str]:
    """What is wrong with the report of the bad image; nothing if it fails for both kinds of reasons."""
    results = [result for verdict in report["verdicts"] for result in verdict["results"]]
    broken = {result["rule"] for result in results if result["outcome"] == "fail" and result["findings"]}
    faults = [] if report["status"] == "fail" else [f"its status is {report['status']} and not fail"]
    if not broken - {SCANNED}:
        faults.append("the inspection found nothing")
    if SCANNED not in broken:
        faults.append("Trivy found nothing")
    return faults


def faults_of_good(report: Report) -> list[str]:
    """What is wrong with the report of the good image; nothing if it passes."""
    return [] if report["status"] == "pass" else [f"its status is {report['status']} and not pass"]


if __name__ == "__main__":
    sys.exit(main())
