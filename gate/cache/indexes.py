"""The indexes of layers, kept so that a layer is read once by each version of the gate."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from gate import __version__
from gate.limits import LIMITS
from gate.oci.credentials import Credential
from gate.oci.image import Layer
from gate.oci.layer import LayerIndex, Reading, room_of, take_room

_CODE = 32
"""Bytes of the code in front of each index (HMAC-SHA256)."""
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
    """Indexes below one folder, each with a code made with `key`; whatever has another code is as good as not there."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def get(self, layer: Layer, reading: Reading) -> LayerIndex | None:
        """Return the index of a layer as this reading would make it, or None."""
        name = _name(layer, reading)
        path = self._folder / name
        try:
            with path.open("rb") as file:
                data = file.read(2 * LIMITS.cached_index)
            os.utime(path)  # what was used last is removed last
        except OSError:
            return None
        code, body = data[:_CODE], memoryview(data)[_CODE:]
        if not hmac.compare_digest(code, self._code(name, body)):
            return None
        index = _decoded(msgspec.msgpack.decode(body, type=_Encoded))
        return index if take_room(index, reading) else None

    def put(self, layer: Layer, reading: Reading, index: LayerIndex) -> None:
        """Keep an index, if the disk takes it; one that lacks what it had no room for would be wrong for other images."""
        size = room_of(index) + sum(map(len, index.kept.values()))
        if not index.complete or size > LIMITS.cached_index:
            return
        name = _name(layer, reading)
        body = msgspec.msgpack.encode(_encoded(index))
        temporary = self._folder / f".{name[:64]}-{os.urandom(8).hex()}"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as file:
                    file.write(self._code(name, body))
                    file.write(body)
                temporary.replace(self._folder / name)
            finally:
                temporary.unlink(missing_ok=True)

    def _code(self, name: str, body: bytes | memoryview) -> bytes:
        """Return the code of an index under its name, so that none can stand in for another."""
        return hmac.digest(
            self._key,
            hmac.digest(self._key, name.encode(), "sha256") + hashlib.sha256(body).digest(),
            "sha256",
        )


def _name(layer: Layer, reading: Reading) -> str:
    """Name an index by all that it depends on: the layer, what is looked at, and the version of the gate."""
    descriptor = layer.descriptor
    looked_at = (sorted(reading.keep), sorted(reading.keep_below), reading.marks, reading.credentials)
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


def _decoded(written: _Encoded) -> LayerIndex:
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
