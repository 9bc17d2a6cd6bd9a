"""Looks at what a run of a scanner leaves behind, and scans sample images with the real ones."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from gate.scanners import ScanTarget
from samples.images.builder import Settings, build_image
from samples.images.entries import Entry, with_parents
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory


def run_files(folder: Path) -> list[Path]:
    """Every file and folder below a folder, which need not be there."""
    return sorted(folder.rglob("*")) if folder.exists() else []


def is_alive(process: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent to look does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def ends_soon(process: int, seconds: float = 5.0) -> bool:
    """Whether a process has ended after a moment; the kernel needs one to end what was killed."""
    until = time.monotonic() + seconds
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(process)


def write_target(folder: Path, *layers: Mapping[str, Entry]) -> ScanTarget:
    """Write an image of these layers as an OCI layout that holds nothing else, as the gate hands it to scanners."""
    image = build_image([layer_of(with_parents(entries)) for entries in layers], Settings(None))
    layout = write_directory(oci_layout({"": image}), folder)
    entry = json.loads((layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((layout / "blobs" / "sha256" / entry["digest"].partition(":")[2]).read_text())
    return ScanTarget(layout, entry["digest"], manifest["config"]["digest"])
