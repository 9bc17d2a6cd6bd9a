"""Trivy's cache folder, one for each run: the databases, and what it found in the layers of this image before.

That is kept so that a new database does not make Trivy read the layers again. It keeps it in one file, in which it checks nothing: whoever writes to it decides what Trivy sees. So no file serves
two images, each is sealed with the machine's key, and Trivy gets it in the private folder of the run.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gate.cache.scans import ScanStore
from gate.limits import LIMITS
from gate.scanners import Basis, ScanTarget

_FOLDER, _FILE = "fanal", "fanal.db"


def link_databases(databases: Path, cache: Path) -> None:
    """Make a cache folder with links to the databases: nothing but they is shared with other runs."""
    cache.mkdir()
    for name in ("db", "java-db"):
        source = (databases / name).absolute()
        if source.is_dir():
            (cache / name).symlink_to(source)


class _Grounds(Struct, frozen=True):
    """All that Trivy's reading of layers depends on: jars are recognised with the database for Java, nothing with the other."""

    manifest_digest: str
    config_digest: str
    basis: Basis


class _Layers(Struct, frozen=True):
    """The file."""

    content: bytes


class AnalysedLayers:
    """The layers of one image as Trivy reads them on one basis; without a memory, it always reads them."""

    def __init__(self, memory: ScanStore | None, target: ScanTarget, basis: Basis) -> None:
        self._memory = memory
        self._grounds = _Grounds(target.manifest_digest, target.config_digest, basis)

    def give(self, cache: Path) -> None:
        """Put into a cache folder of Trivy what is known."""
        known = self._memory.get(self._grounds, _Layers) if self._memory is not None else None
        if known is not None:
            (cache / _FOLDER).mkdir(mode=0o700)
            (cache / _FOLDER / _FILE).write_bytes(known.content)

    def keep(self, cache: Path) -> None:
        """Keep what Trivy left in its cache folder after a scan whose report was accepted."""
        if self._memory is None:
            return
        with suppress(OSError), (cache / _FOLDER / _FILE).open("rb") as file:
            content = file.read(LIMITS.cached_scan + 1)
            self._memory.put(self._grounds, _Layers(content))
