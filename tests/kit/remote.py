"""Layers that cross a network when they are read, without one: what was asked of them is noted."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from gate.oci.descriptor import Descriptor, Digest
from samples.images import layers as sample


class Transfer(io.BytesIO):
    """Bytes on their way, counted; `at` is called with the position before each read and may raise."""

    def __init__(self, layer: RemoteSample, start: int, at: Callable[[int], object]) -> None:
        super().__init__(layer.data[start:])
        self._layer, self._start, self._at = layer, start, at

    def read(self, size: int | None = -1, /) -> bytes:
        self._at(self._start + self.tell())
        data = super().read(min(size or 0, self._layer.step) if self._layer.step else size)
        self._layer.sent += len(data)
        return data


class RemoteSample:
    """A sample layer in a registry. `starts` are the positions it was opened at, `sent` the bytes that were read."""

    def __init__(
        self,
        layer: sample.Layer,
        at: Callable[[int], object] = lambda _: None,
        *,
        data: bytes | None = None,
        step: int = 0,
    ) -> None:
        self.descriptor = Descriptor(layer.media_type, Digest.parse(layer.digest), len(layer.data))
        self.diff_id = Digest.parse(layer.diff_id)
        self.data = layer.data if data is None else data
        self.step = step
        self.starts: list[int] = []
        self.sent = 0
        self._at = at

    def open(self) -> BinaryIO:
        """Open from the start."""
        return self.open_at(0)

    def open_at(self, start: int) -> BinaryIO:
        """Open from a byte on."""
        self.starts.append(start)
        return Transfer(self, start, self._at)
