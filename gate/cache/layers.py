"""Layers through the cache: each is fetched once, verified and indexed while it arrives, and read from here afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from msgspec.structs import replace

from gate.cache.blobs import Arrival, BlobStore
from gate.errors import IntegrityError
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.image import Image, Layer, RemoteLayer
from gate.oci.stream import drain

T = TypeVar("T")
Check = Callable[[], None]
Read = Callable[[Layer, Callable[[bytes], object]], T]
"""What reads a layer to its end, verifies it, and feeds the stored bytes to a sink."""


def through(blobs: BlobStore, image: Image, check: Check) -> Image:
    """Return an image of remote layers whose layers are read through the store; `check` may raise between reads."""
    layers = tuple(
        CachedLayer(layer, blobs, check) for layer in image.layers if isinstance(layer, RemoteLayer)
    )
    return replace(image, layers=layers)


class CachedLayer:
    """A remote layer that is fetched when it is first read, and read from the store from then on."""

    def __init__(self, layer: RemoteLayer, blobs: BlobStore, check: Check) -> None:
        self.descriptor: Descriptor = layer.descriptor
        self.diff_id: Digest = layer.diff_id
        self._layer = layer
        self._blobs = blobs
        self._check = check

    def open(self) -> BinaryIO:
        """Open the stored bytes; they are fetched again should the store have lost them."""
        stream = self._blobs.open(self.descriptor)
        if stream is None:
            self.read(lambda layer, sink: drain(layer, sink=sink))
            stream = self._blobs.open(self.descriptor)
        return stream if stream is not None else self._layer.open()

    def read(self, read: Read[T]) -> T:
        """Return what `read` makes of the layer, wherever its bytes are; what has to be fetched is kept."""
        while True:
            with self._blobs.receiving(self.descriptor, self._check) as arrival:
                if arrival is not None:
                    return self._receive(arrival, read)
            try:
                return read(self, lambda _: self._check())
            except IntegrityError:
                # Either the image is malformed, or the store's copy is damaged, and what the registry sends may be right.
                if self._blobs.is_intact(self.descriptor, self._check):
                    raise

    def link(self, target: Path) -> bool:
        """Make `target` a link to the stored blob, verified, which is fetched where it is not there; whether that worked."""
        if self._blobs.link(self.descriptor, target, self._check):
            return True
        self.read(lambda layer, sink: drain(layer, sink=sink))
        return self._blobs.link(self.descriptor, target, self._check)

    def _receive(self, arrival: Arrival, read: Read[T]) -> T:
        """Read the layer while it arrives, after what an earlier try has left of it; that is forgotten if it proves wrong."""

        def sink(data: bytes) -> None:
            self._check()
            arrival.write(data)

        if arrival.present:
            try:
                result = read(_Resumed(self._layer, arrival), sink)
            except IntegrityError:
                arrival.restart()
            else:
                arrival.keep()
                return result
        result = read(self._layer, sink)
        arrival.keep()
        return result


class _Resumed:
    """A remote layer of which the first bytes are there already."""

    def __init__(self, layer: RemoteLayer, arrival: Arrival) -> None:
        self.descriptor: Descriptor = layer.descriptor
        self.diff_id: Digest = layer.diff_id
        self._layer = layer
        self._arrival = arrival

    def open(self) -> BinaryIO:
        """Open the bytes that are there, followed by those that are not."""
        first = self._arrival.open_present()
        if self._arrival.present == self.descriptor.size:
            return first
        return cast("BinaryIO", _Joined(first, partial(self._layer.open_at, self._arrival.present)))


class _Joined(io.RawIOBase):
    """Two streams as one; the second is opened when the first has ended."""

    def __init__(self, first: BinaryIO, second: Callable[[], BinaryIO]) -> None:
        super().__init__()
        self._stream = first
        self._next: Callable[[], BinaryIO] | None = second

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes."""
        data = self._stream.read(size)
        if not data and self._next is not None:
            self._stream.close()
            self._stream, self._next = self._next(), None
            data = self._stream.read(size)
        return data

    def close(self) -> None:
        """Close the stream that is open."""
        self._stream.close()
        super().close()
