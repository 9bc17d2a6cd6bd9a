"""A blob as it comes over the network: a transfer that breaks goes on where it broke."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from http import HTTPStatus

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry.messages import Answer
from gate.registry.retries import Transient, pause

_CONTENT_RANGE = re.compile(
    r"bytes (?P<start>[0-9]{1,18})-(?P<end>[0-9]{1,18})/(?P<size>[0-9]{1,18}|\*)", re.ASCII
)

Opener = Callable[[int], Answer]
"""Opens the blob from a position on; raises `Unavailable` where no endpoint gives it."""


class BlobStream(io.BufferedIOBase):
    """Reads a blob of `size` bytes; nothing is verified here, only that every byte is the one of its position.

    A byte more than `size` may come, so that a reader sees that there is one; then it ends. The bytes come with the first
    read, so that a stream that waits to be read keeps no connection.
    """

    def __init__(self, opener: Opener, size: int, start: int, deadline: Deadline) -> None:
        super().__init__()
        self._opener = opener
        self._size = size
        self._position = start
        self._deadline = deadline
        self._answer: Answer | None = None
        self._ended = 0 < size <= start
        self._tried = 0
        self._mark = start

    def readable(self) -> bool:
        """It can be read, and nothing else."""
        return True

    def tell(self) -> int:
        """Return the position in the blob."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end."""
        wanted = self._size + 1 - self._position
        if size is not None and size >= 0:
            wanted = min(wanted, size)
        parts: list[bytes] = []
        while wanted > 0 and (data := self.read1(wanted)):
            parts.append(data)
            wanted -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, at most once from the network; nothing at the end."""
        if self.closed:
            raise ValueError("the stream is closed")
        left = self._size + 1 - self._position
        wanted = min(LIMITS.chunk, left if size < 0 else min(size, left))
        while wanted > 0 and not self._ended:
            self._deadline.check()
            try:
                data = self._next(wanted)
            except Transient as error:
                self._ended = 0 < self._size == self._position  # what broke came after the last byte
                self._break(error)
                continue
            self._position += len(data)
            if self._position - self._mark >= LIMITS.resume_progress:
                self._mark, self._tried = self._position, 0
            self._ended = not data
            return data
        return b""

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into `buffer`; returns the number of bytes, 0 at the end."""
        data = self.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Give the connection back, or end it where the blob was not read to its end."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        super().close()

    def _next(self, wanted: int) -> bytes:
        """Read from the transfer, or start one; raises `Transient` where it breaks."""
        if self._answer is None:
            answer = self._opener(self._position)
            try:
                _skip(answer, self._position)
            except BaseException:
                answer.close()
                raise
            self._answer = answer
        data = self._answer.read(wanted)
        if not data and self._position < self._size and self._answer.length is None:
            # Without a stated length an end is no different from a connection that broke.
            raise Transient(f"the transfer ends {self._size - self._position:,} bytes early")
        return data

    def _break(self, error: Transient) -> None:
        """Note that a transfer broke; raises `Unavailable` where that happens too often without bringing anything on."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        if self._ended:
            return
        self._tried += 1
        if self._tried > LIMITS.retries:
            raise Unavailable(
                f"{error.message} (after {self._position:,} of {self._size:,} bytes, tried {self._tried} times)",
                hint=error.hint or "the registry or the network has a problem; try again later",
            ) from None
        pause(self._deadline, error, self._tried)


def _skip(answer: Answer, position: int) -> None:
    """Bring a transfer to a position: a server may ignore ranges, but what it sends must be what it says."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if match is None or int(match["start"]) != position:
            raise Unavailable(
                f"{answer.url.authority!r} was asked for what follows byte {position:,} and sends another part",
                hint="this is a fault of the registry or of a proxy before it",
            )
        return
    left = position
    while left > 0:
        data = answer.read(min(left, LIMITS.chunk))
        if not data:
            raise Transient("the transfer ends before the place at which it broke")
        left -= len(data)
