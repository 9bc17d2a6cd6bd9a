"""One request to a server, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry.address import Reach, Url
from gate.registry.watch import Watch

if TYPE_CHECKING:
    from gate.registry.connections import Response

_SHORT = 16 * 1024
"""A body that is read only to keep its connection: shorter than what a new connection costs."""


class Request(Struct, frozen=True):
    """What is asked: address, headers, whether the caller named the host (or a registry did), and how long it may take.

    `form` makes it a POST; `method` and `body` are for what is written (push.py). `authorization` goes to the host of
    `url` alone, wherever redirects lead.
    """

    url: Url
    headers: Mapping[str, str] = {}
    authorization: str = ""
    form: Mapping[str, str] | None = None
    nearest: Reach = Reach.LOOPBACK
    seconds: float = LIMITS.request_seconds
    redirects: int = LIMITS.redirects
    method: str = ""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.url.authority!r}, …)"


class Answer:
    """Status, headers (names in lower case), and a body that is read once, as it was sent: nothing is decoded.

    `length` is how long the body is by its head, None where it ends in another way.
    """

    def __init__(
        self, url: Url, response: Response, watch: Watch, fail: Callable[[Exception], Unavailable]
    ) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.length = response.length
        self._response = response
        self._watch = watch
        self._fail = fail

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; nothing at the end. Raises `Transient` where the transfer breaks."""
        from gate.registry.connections import BROKEN

        try:
            data = self._response.read(size)
        except BROKEN as error:
            raise self._fail(error) from None
        if not data:
            if self._watch.over:
                raise self._fail(TimeoutError())
            self._watch.end()  # the connection may serve another request already
        return data

    def body(self, limit: int) -> bytes:
        """Read the body and close; one that has more than `limit` bytes is returned one byte too long."""
        parts: list[bytes] = []
        left = limit + 1
        try:
            while left > 0 and (data := self.read(min(left, LIMITS.chunk))):
                parts.append(data)
                left -= len(data)
        finally:
            self.close()
        return b"".join(parts)

    def discard(self) -> None:
        """Close where the body does not matter; a short one is read, so that the connection serves on."""
        try:
            if self.length is not None and self.length <= _SHORT:
                self.read(_SHORT)
        except Unavailable:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close; the connection serves on where the body was read to its end."""
        self._watch.end()
        self._response.close()
