"""The inspection of one image: its layers read once, in parallel, and the evidence that comes from what is in them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from gate.cache import Cache
from gate.deadline import Deadline
from gate.errors import Fault, MalformedImage, Unavailable, kept
from gate.evidence import Bases, Secret, Secrets
from gate.limits import LIMITS, MIB
from gate.oci.descriptor import Digest
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image, Layer, RemoteLayer
from gate.oci.layer import LayerIndex, Reading, index_layer, read_contents
from gate.oci.stream import drain
from gate.packages.inventory import (
    DATABASE_DIRECTORIES,
    LISTS,
    LOOKED_AT,
    READS,
    Inventory,
    format_of,
    read_inventory,
)
from gate.parallel import in_parallel

if TYPE_CHECKING:
    from gate.cache.layers import CachedLayer

_ACCOUNTS = ("etc/passwd", "etc/group")
_KEPT = frozenset(path.encode() for path in (*READS, *_ACCOUNTS))
_KEPT_BELOW = tuple(directory.encode() for directory in DATABASE_DIRECTORIES)
_KEPT_LISTS = tuple((folder.encode(), ending.encode()) for folder, ending in LISTS)
_LAYER_THREADS = 4
"""Layers read at a time, at most: each holds a few MiB, and more threads than cores gain nothing."""

_WORTH_THREADS = 4 * MIB
"""Stored bytes below which one thread is faster than starting several."""

_WORTH_KEEPING = 1 * MIB
"""Stored bytes of a layer from which reading its kept index is faster than making it again."""


def reading(*, marks: bool, credentials: bool) -> Reading:
    """Return what the pass looks at: the files that evidence needs, and byte signatures and credentials where asked for."""
    return Reading(_KEPT, _KEPT_BELOW, _KEPT_LISTS, marks=marks, credentials=credentials)


class Inspection:
    """Reads the layers of one image and makes evidence of them.

    Remote layers are read through the cache, and kept indexes spare reading a layer again. `verified` says that the bytes
    of the layers were verified already, and lie where nobody else writes.
    """

    def __init__(
        self,
        image: Image,
        look: Reading,
        deadline: Deadline,
        cache: Cache | None = None,
        *,
        verified: bool = False,
    ) -> None:
        self._look = look
        self._deadline = deadline
        self._cache = cache
        self._verified = verified
        self._indexes: list[LayerIndex] | None = None
        self._remote = cache is not None and all(isinstance(layer, RemoteLayer) for layer in image.layers)
        self.image = self._through_store(image) if self._remote else image

    def evidence(self) -> dict[type, object]:
        """Return every kind of evidence that comes from files, or the `Unavailable` that says why there is none."""
        filesystem = kept(self._filesystem)
        if not isinstance(filesystem, Filesystem):
            return dict.fromkeys((Filesystem, Inventory, Secrets), filesystem)
        return {
            Filesystem: filesystem,
            Inventory: kept(lambda: _inventory(filesystem)),
            Secrets: kept(lambda: _secrets(filesystem)),
        }

    def read(self) -> None:
        """Index the layers in parallel, each blob once, unless that is done; raises what reading a layer raises."""
        if self._indexes is not None:
            return
        unique = {_blob(layer): layer for layer in self.image.layers}
        size = sum(layer.descriptor.size for layer in unique.values())
        threads = 1 if size < _WORTH_THREADS else min(os.cpu_count() or 1, _LAYER_THREADS, len(unique))
        stopped = threading.Event()
        calls = {key: partial(self._index, layer, stopped) for key, layer in unique.items()}
        indexes = in_parallel(threads, calls, stopped)
        self._indexes = [indexes[_blob(layer)] for layer in self.image.layers]

    @property
    def remote(self) -> bool:
        """Whether the layers are fetched, and kept in the store, when they are read."""
        return self._remote

    def _through_store(self, image: Image) -> Image:
        """Have remote layers go through the store."""
        from gate.cache.layers import through  # here, because runs that read files do without the store

        assert self._cache is not None
        return through(self._cache.blobs, image, self._deadline.check)

    def _index(self, layer: Layer, stopped: threading.Event) -> LayerIndex:
        """Return the index of one layer, and keep it, where reading it later is faster than making it again."""

        def check(
            _: bytes,
        ) -> None:  # once the run is over, or another layer failed, this one stops at its next read
            if stopped.is_set():
                raise Unavailable("another layer could not be read")
            self._deadline.check()

        if self._cache is None or layer.descriptor.size < _WORTH_KEEPING:
            return self._made(layer, check)
        index = self._cache.indexes.get(layer, self._look)
        if index is None:
            index = self._made(layer, check)
            self._cache.indexes.put(layer, self._look, index)
        elif not self._verified and not self._remote:
            drain(layer, sink=check)
        return index

    def _made(self, layer: Layer, check: Callable[[bytes], object]) -> LayerIndex:
        """Read one layer and return its index; a remote one is kept in the store while it arrives."""
        if not self._remote:
            return index_layer(layer, self._look, sink=check)

        def read(source: Layer, sink: Callable[[bytes], object]) -> LayerIndex:
            def both(data: bytes) -> None:
                check(data)
                sink(data)

            return index_layer(source, self._look, sink=both)

        return cast("CachedLayer", layer).read(read)

    def _filesystem(self) -> Filesystem:
        """Squash the layers."""
        self.read()
        layers = self.image.layers
        filesystem = Filesystem(self._indexes or [], [str(layer.diff_id) for layer in layers])
        self._look_again(filesystem)
        return filesystem

    def _look_again(self, filesystem: Filesystem) -> None:
        """Read the layers once more that hold a wanted file under another name, which a link leads to."""
        paths = [*_database_files(filesystem).values(), *(f"/{path}" for path in _ACCOUNTS)]
        for layer, positions in filesystem.not_kept(paths).items():
            self._deadline.check()
            for position, content in read_contents(self.image.layers[layer], positions).items():
                if self._look.allowance.take(len(content)):
                    filesystem.add_content(layer, position, content)


def _blob(layer: Layer) -> tuple[Digest, Digest, int, str]:
    """Return what is claimed of a layer's bytes: layers of which all that is the same are read once."""
    descriptor = layer.descriptor
    return descriptor.digest, layer.diff_id, descriptor.size, descriptor.media_type


def _database_files(filesystem: Filesystem) -> dict[str, str]:
    """Return where the files are that tell what is installed, by the path under which they are known.

    Links can lead a whole directory of them elsewhere. Raises `MalformedImage` for more than any package manager keeps.
    """
    places = {path: f"/{path}" for path in READS}
    for directory in DATABASE_DIRECTORIES:
        start = len(filesystem.real_path(directory) or "") + 1
        for entry in filesystem.under(directory):
            path = directory + entry.path[start:]
            if format_of(path) is not None:
                places[path] = entry.path
            if len(places) > LIMITS.database_files:
                raise MalformedImage(
                    f"the image has more than {LIMITS.database_files:,} package database files"
                )
    return places


def _inventory(filesystem: Filesystem) -> Inventory:
    """Read the package databases; one that many links lead to is read again and again, but not without end."""
    contents: dict[str, bytes | Unavailable] = {}
    left = LIMITS.kept_total
    for path, place in _database_files(filesystem).items():
        content = kept(lambda place=place: filesystem.content(place))  # type: ignore[misc]
        if isinstance(content, bytes) and (left := left - len(content)) < 0:
            raise MalformedImage(
                f"the package databases have more than {LIMITS.kept_total:,} bytes, with all links to them"
            )
        if content is not None:
            contents[path] = content
    return read_inventory(contents, filesystem.paths(LOOKED_AT))


def with_packages(bases: Bases, filesystem: Filesystem) -> Bases | Unavailable:
    """Add what the package databases of the recognised base list, read from its layers alone.

    Databases that cannot be read there leave open which packages are its own, and nothing else.
    """
    under = bases.under(filesystem.diff_ids)
    if not under:
        return bases
    lower = kept(lambda: filesystem.lower(len(under[0].diff_ids)))
    if isinstance(lower, Unavailable):
        return lower
    inventory = kept(lambda: _inventory(lower).complete())
    if isinstance(inventory, Unavailable):
        return inventory if isinstance(inventory, Fault) else bases
    found = ((one.type, one.name, one.version.removeprefix("0:")) for one in inventory.packages)
    return replace(bases, packages=frozenset(found))


def _secrets(filesystem: Filesystem) -> Secrets:
    """Gather the credentials that the pass found."""
    found = [
        Secret(credential.kind, entry.layer, entry.path, "", credential.redacted, removed)
        for entry, credential, removed in filesystem.credentials()
    ]
    return Secrets(tuple(found))
