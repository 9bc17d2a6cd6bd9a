"""The indexes of layers, kept so that a layer is read once by each version of the gate."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec

from gate import __version__
from gate.cache.sealed import SealedFolder, decoded
from gate.limits import LIMITS
from gate.oci.credentials import Credential
from gate.oci.image import Layer
from gate.oci.layer import LayerIndex, Reading, room_of, take_room

_COLUMNS = ("modes", "uids", "gids", "sizes", "mtimes")


class _Encoded(msgspec.Struct, frozen=True, array_like=True):
    """An index as it is written: columns as bytes of this machine's order."""

    paths: list[bytes]
    types: bytes
    modes: bytes
    uids: bytes
    gids: bytes
    sizes: bytes
    mtimes: bytes
    links: dict[int, bytes]
    xattrs: dict[int, dict[str, bytes]]
    elf: set[int]
    marks: dict[int, tuple[str, ...]]
    interpreters: dict[int, str]
    credentials: dict[int, tuple[Credential, ...]]
    kept: dict[int, bytes]


class IndexStore:
    """Indexes below one folder, sealed with `key`."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._files = SealedFolder(folder, key)

    def get(self, layer: Layer, reading: Reading) -> LayerIndex | None:
        """Return the index of a layer as this reading would make it, or None."""
        body = self._files.read(_name(layer, reading), 2 * LIMITS.cached_index)
        if body is None:
            return None
        index = _index(decoded(body, _Encoded))
        return index if take_room(index, reading) else None

    def put(self, layer: Layer, reading: Reading, index: LayerIndex) -> None:
        """Keep an index, if the disk takes it; one that lacks what it had no room for would be wrong for other images."""
        size = room_of(index) + sum(map(len, index.kept.values()))
        if index.complete and size <= LIMITS.cached_index:
            self._files.write(_name(layer, reading), msgspec.msgpack.encode(_encoded(index)))


def _name(layer: Layer, reading: Reading) -> str:
    """Name an index by all that it depends on: the layer, what is looked at, and the version of the gate."""
    descriptor = layer.descriptor
    kept = sorted(reading.keep), sorted(reading.keep_below), sorted(reading.keep_lists)
    looked_at = (kept, reading.marks, reading.credentials)
    stated = (
        str(descriptor.digest),
        str(layer.diff_id),
        descriptor.size,
        descriptor.media_type,
        looked_at,
        __version__,
        sys.byteorder,
        _Encoded.__struct_fields__,
    )
    return hashlib.sha256(msgspec.msgpack.encode(stated)).hexdigest()


def _encoded(index: LayerIndex) -> _Encoded:
    """Return the written form of an index."""
    columns = {name: getattr(index, name).tobytes() for name in _COLUMNS}
    rest = {
        name: getattr(index, name)
        for name in ("paths", "links", "elf", "marks", "interpreters", "credentials", "kept")
    }
    xattrs = {position: dict(found) for position, found in index.xattrs.items()}
    return _Encoded(types=bytes(index.types), xattrs=xattrs, **columns, **rest)


def _index(written: _Encoded) -> LayerIndex:
    """Return the index that was written."""
    index = LayerIndex(
        paths=written.paths,
        types=bytearray(written.types),
        links=written.links,
        xattrs=dict(written.xattrs),
        elf=written.elf,
        marks=written.marks,
        interpreters=written.interpreters,
        credentials=written.credentials,
        kept=written.kept,
    )
    for name in _COLUMNS:
        getattr(index, name).frombytes(getattr(written, name))
    return index
