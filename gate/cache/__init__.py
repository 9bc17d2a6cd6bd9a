"""The gate's folder on disk: verified blobs, the indexes of layers, and the private folders of runs.

    v1/oci-layout, v1/index.json   make v1/ an OCI layout
    v1/blobs/sha256/               content by digest, complete and verified when it was written (blobs.py)
    v1/partial/                    blobs on their way, each locked by whoever fetches it
    v1/index/                      the indexes of layers, by layer and version of the gate (indexes.py)
    v1/scans/                      what scanners said, by all that it rests on (scans.py)
    v1/runs/                       private folders of runs (workspace.py)

Any number of processes use one folder at once. Nothing in it is believed: a blob is hashed again by whoever reads it,
and an index or a scan is taken only if this machine made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from gate.limits import LIMITS

if TYPE_CHECKING:
    from pathlib import Path

    from gate.cache.blobs import BlobStore
    from gate.cache.indexes import IndexStore
    from gate.cache.scans import ScanStore

VERSION = "v1"
"""The form of the folder; another one would have another name, so that two versions of the gate can share a cache."""


class Cache:
    """The folder as one run uses it. Its parts are made when they are first used: a run that needs none leaves none.

    `stack` removes the private folder at the end of the run, and what is too much in the store. A folder that is not `kept`
    after the run needs no key of this machine either.
    """

    def __init__(
        self,
        folder: Path | Callable[[], Path],
        stack: ExitStack,
        *,
        bound: int = LIMITS.cache_bytes,
        kept: bool = True,
    ) -> None:
        self._folder = folder
        self._stack = stack
        self._bound = bound
        self._kept = kept

    @cached_property
    def folder(self) -> Path:
        """The folder itself; it may be given as a function, because finding the user's takes 8 ms and few runs need it."""
        return self._folder() if callable(self._folder) else self._folder

    @cached_property
    def work_dir(self) -> Path:
        """A private folder of this run; raises `InvalidInput` where none can be made."""
        from gate.cache.workspace import workspace

        return self._stack.enter_context(workspace(self.folder))

    @cached_property
    def blobs(self) -> BlobStore:
        """Content by digest; raises `InvalidInput` where the folder cannot be used."""
        from gate.cache.blobs import BlobStore

        self._stack.callback(self.trim)
        return BlobStore(self.folder / VERSION)

    @cached_property
    def indexes(self) -> IndexStore:
        """The indexes of layers."""
        from gate.cache.indexes import IndexStore
        from gate.cache.key import machine_key, passing_key

        self._stack.callback(self.trim)
        key = machine_key() if self._kept else passing_key()
        return IndexStore(self.folder / VERSION / "index", key)

    @cached_property
    def scans(self) -> ScanStore:
        """What scanners said."""
        from gate.cache.key import machine_key
        from gate.cache.scans import ScanStore

        self._stack.callback(self.trim)
        return ScanStore(self.folder / VERSION / "scans", machine_key())

    def trim(self) -> None:
        """Remove what was not used for longest, where the store has become too large."""
        from gate.cache.upkeep import prune

        prune(self.folder, self._bound)


@contextmanager
def open_cache(folder: Path | Callable[[], Path], *, kept: bool = True) -> Iterator[Cache]:
    """Give the cache at `folder` to one run; whether it is `kept` after the run is the caller's to see to."""
    with ExitStack() as stack:
        yield Cache(folder, stack, kept=kept)
