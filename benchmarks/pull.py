"""What reading an image from a registry costs beside reading it from a layout, and beside `skopeo copy`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import BUILD, Figure, best, run, tool
from tests.kit.servers import docker_registry

RATE = 25_000_000
"""Bytes a second of the slow registry."""
ROUNDS = 3
NAME = "bench/image:1"
_POLICY = "schema: 1\nrules:\n  no-shell: {action: warn}\n  no-setuid: {action: warn}\n  no-package-manager: {action: warn}\n"


@dataclass(frozen=True, slots=True)
class Pulls:
    """What the rounds came to: wall-clock figures by task, and what crossed the wire of the slow registry in one check."""

    figures: dict[str, Figure]
    blobs: int
    bytes: int


def pulls(image: Path) -> Pulls | None:
    """Measure in turn, from a registry that Debian packages; None where it or skopeo is not there."""
    servers, skopeo = tool("debian_servers"), tool("skopeo")
    if servers is None or skopeo is None:
        return None
    policy = BUILD / "pull.yaml"
    policy.write_text(_POLICY, encoding="ascii")
    figures: dict[str, list[Figure]] = {}
    sent: list[dict[str, int]] = []
    with docker_registry(Path(servers)) as host:
        target = f"docker://{host}/{NAME}"
        run([skopeo, "copy", "-q", "--dest-tls-verify=false", f"oci:{image}", target])
        for _ in range(ROUNDS):
            _note(figures, "layout", _check(f"oci:{image}", policy))
            _note(figures, "registry", _check(target, policy))
            with _slow(host, sent) as slow:
                _note(figures, "registry, 25 MB/s", _check(f"docker://{slow}/{NAME}", policy))
            with _slow(host, []) as slow, tempfile.TemporaryDirectory() as folder:
                command = [skopeo, "copy", "-q", "--src-tls-verify=false", f"docker://{slow}/{NAME}"]
                _note(figures, "skopeo copy, 25 MB/s", run([*command, f"dir:{folder}/copy"]))
    found = {name: best(values) for name, values in figures.items()}
    return Pulls(found, max(each["blobs"] for each in sent), max(each["bytes"] for each in sent))


def _note(figures: dict[str, list[Figure]], name: str, figure: Figure) -> None:
    """Add a figure."""
    figures.setdefault(name, []).append(figure)


def _check(reference: str, policy: Path) -> Figure:
    """Check an image with nothing in the cache."""
    cache = BUILD / "pull-cache"
    shutil.rmtree(cache, ignore_errors=True)
    program = str(Path(sys.executable).with_name("image-gate"))
    command = [
        program,
        "check",
        reference,
        "--policy",
        str(policy),
        "--format",
        "json",
        "--cache-dir",
        str(cache),
    ]
    return run(command)


@contextmanager
def _slow(host: str, sent: list[dict[str, int]]) -> Iterator[str]:
    """Run the slow proxy, and note what it sent."""
    command = [sys.executable, "-m", "benchmarks.throttle", host, str(RATE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            sent.append(json.loads(process.stdout.readline()))
