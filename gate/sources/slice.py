"""A part of a file as a file of its own."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from gate.errors import Unavailable


class Slice(io.RawIOBase):
    """Reads `size` bytes of a file from `start` on.

    Every read names its position, so any number of slices of one file can be read by several threads.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._descriptor = file.fileno()
        self._position = start
        self._end = start + size

    def readable(self) -> bool:
        """A slice can be read, and nothing else."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into `buffer`; returns the number of bytes, 0 at the end."""
        wanted = min(len(buffer), self._end - self._position)
        try:
            data = os.pread(self._descriptor, wanted, self._position)
        except OSError as error:
            raise Unavailable(f"the archive cannot be read: {error.strerror}") from None
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
