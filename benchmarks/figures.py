"""What every measurement is made of: programs that run in a process of their own, and what they took."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

BUILD = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one task took: processor and wall-clock seconds, and the most memory it had, in bytes."""

    cpu: float
    wall: float
    peak: int


def run(command: list[str], environment: dict[str, str] | None = None) -> Figure:
    """Run a program and return what it took."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command)}")
    return Figure(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss * 1024)


def best(figures: list[Figure]) -> Figure:
    """Return the least of each."""
    return Figure(*(min(getattr(figure, name) for figure in figures) for name in ("cpu", "wall", "peak")))


def tool(name: str) -> str | None:
    """Return a program that the tests use, or the one on the search path."""
    listing = Path(sys.prefix, "tools.json")
    paths: dict[str, str] = (
        json.loads(listing.read_text(encoding="utf-8"))["paths"] if listing.exists() else {}
    )
    return paths.get(name) or shutil.which(name)
