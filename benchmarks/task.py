"""One measured task in a process of its own (`python -m benchmarks.task NAME LAYOUT`): prints seconds and bytes as JSON.

Time is counted from after the imports to the end of the work, memory over the life of the process.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gate.collect import Collector, Wanted
from gate.deadline import Deadline
from gate.evidence import Secrets, Subject
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image
from gate.packages.inventory import Inventory
from gate.scanners import ScannerSettings
from gate.sources import Access
from gate.sources.locate import locate
from gate.sources.open import open_source

_CHUNK = 256 * 1024
_DAY = 86_400.0


def limit(image: Image) -> int:
    """Inflate every layer and hash what goes in and what comes out: what no reader can do without."""
    from isal import igzip_lib

    expanded = 0
    bytes(16 * _CHUNK)  # so that the memory of one chunk serves the next, as in `gate.oci.stream`
    for layer in image.layers:
        stored, plain = hashlib.sha256(), hashlib.sha256()
        inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        with layer.open() as stream:
            while data := stream.read(_CHUNK):
                stored.update(data)
                while not inflate.eof:
                    chunk = inflate.decompress(data, 4 * _CHUNK)
                    data = b""
                    plain.update(chunk)
                    expanded += len(chunk)
                    if inflate.needs_input:
                        break
        assert str(layer.diff_id) == f"sha256:{plain.hexdigest()}"
        assert str(layer.descriptor.digest) == f"sha256:{stored.hexdigest()}"
    return expanded


def python_tarfile(image: Image) -> int:
    """List every layer with Python's own reader, which checks no digest."""
    entries = 0
    for layer in image.layers:
        with layer.open() as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            entries += sum(1 for _ in tar)
    return entries


def _collect(image: Image, kinds: frozenset[type], *, marks: bool) -> int:
    """Collect evidence as a check does, without scanners."""
    settings = ScannerSettings(Path("unused"), Path("unused"), Path("unused"))
    collector = Collector(Wanted(kinds, marks, (), {}), {}, settings, Access.to_files(Deadline(_DAY)))
    now = datetime.now(UTC)
    subject = Subject("benchmark", "oci", image.digest, image.manifest.config.digest, image.platform, (), now)
    evidence = collector.collect(image, subject)
    assert evidence.get(Inventory).problems == ()
    return sum(1 for _ in evidence.get(Filesystem).paths())


def paths(image: Image) -> int:
    """What rules on paths, modes and packages need."""
    return _collect(image, frozenset({Filesystem, Inventory}), marks=False)


def marks(image: Image) -> int:
    """The same, and the byte signatures of programs."""
    return _collect(image, frozenset({Filesystem, Inventory}), marks=True)


def secrets(image: Image) -> int:
    """The same, and the search for credentials."""
    return _collect(image, frozenset({Filesystem, Inventory, Secrets}), marks=True)


TASKS: dict[str, Callable[[Image], int]] = {
    task.__name__: task for task in (limit, python_tarfile, paths, marks, secrets)
}


def main(name: str, layout: str) -> None:
    """Run one task and print what it took."""
    with open_source(locate(f"oci:{layout}"), None) as opened:
        image = opened.images[0]
        wall, cpu = time.perf_counter(), time.process_time()
        result = TASKS[name](image)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "result": result}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
