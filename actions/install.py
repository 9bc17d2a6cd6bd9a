"""Makes image-gate ready on a runner: this checkout's code, its locked dependencies, and scanners whose bytes are known.

Run by both actions as `python3 -I install.py`, so it needs nothing but Python. Everything goes to the runner's own
temporary folder. Only wheels that the lock names by hash are installed, so nothing that was downloaded runs meanwhile;
and it works outside the checkout under test, because pip and uv read settings from the folder they are started in.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from datetime import UTC, datetime
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent
LOCK = CODE / "requirements" / "runtime.txt"
HOME = Path(os.environ["RUNNER_TEMP"], "image-gate").absolute()
ENVIRONMENT = HOME / hashlib.sha256(f"{CODE} {sys.version}".encode() + LOCK.read_bytes()).hexdigest()[:16]
PYTHON = ENVIRONMENT / "bin" / "python"
PROGRAMS = HOME / "bin"
"""What goes on PATH: image-gate and the scanners, and nothing else."""


def main() -> int:
    """Install, and write the outputs of the step; returns the exit code."""
    if not (ENVIRONMENT / "complete").exists():
        make_environment()
    PROGRAMS.mkdir(exist_ok=True)
    program = PROGRAMS / "image-gate"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PYTHON))} -I -m gate "$@"\n')
    program.chmod(0o755)
    for scanner in os.environ.get("INPUT_SCANNERS", "").split():
        code = install_scanner(program, scanner)
        if code:
            return code
    outputs = {
        "image-gate": str(program),
        "bin": str(PROGRAMS),
        "cache": str(HOME / "cache"),
        "reports": tempfile.mkdtemp(dir=HOME, prefix="reports-"),  # each step of a job has its own
        "day": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())
    if os.environ.get("ADD_TO_PATH"):
        with open(os.environ["GITHUB_PATH"], "a", encoding="utf-8") as file:
            file.write(f"{PROGRAMS}\n")
    return 0


def make_environment() -> None:
    """Make the environment with the locked dependencies and this checkout in it: by uv if it is there, in a second."""
    HOME.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    uv = shutil.which("uv")
    venv.create(ENVIRONMENT, with_pip=uv is None, symlinks=True)
    pip = (
        [uv, "pip", "install", "--python", str(PYTHON)] if uv else [str(PYTHON), "-I", "-m", "pip", "install"]
    )
    locked = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(LOCK)]
    with tempfile.TemporaryDirectory(dir=HOME) as elsewhere:
        subprocess.run([*pip, *locked], cwd=elsewhere, check=True)
    where = [str(PYTHON), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    Path(packages, "image-gate.pth").write_text(f"{CODE}\n")
    (ENVIRONMENT / "complete").touch()


def install_scanner(program: Path, name: str) -> int:
    """Install a scanner unless one is there: only a release whose digest the shipped table or the policy knows."""
    plain = name.partition("@")[0]
    if shutil.which(plain, path=os.pathsep.join((str(PROGRAMS), os.environ.get("PATH", "")))):
        return 0
    return subprocess.run([program, "scanners", "install", name, "--to", PROGRAMS], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
