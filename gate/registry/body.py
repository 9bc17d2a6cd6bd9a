"""The body of an answer: where it ends, read strictly and in bounded memory (RFC 9112, sections 6 and 7).

`http.client` reads the head alone. Its own reading of chunks takes for their sizes whatever Python takes for a number: with
`-1` it reads all that a server ever sends, in one piece.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import BinaryIO, cast

_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LINE_ENDS = (b"\r\n", b"\n")
_LONGEST = 8 * 1024
_TRAILERS = 100
"""Lines after the last chunk, as many as `http.client` takes in a head."""


class Body:
    """Reads the body that follows a head, as it was sent.

    `length` is how long it is by its head, None where it ends in another way. `ended` says that it was read to its end. Raises
    `HTTPException` where the head does not say how it ends, and so does every read, or `OSError`, where it breaks off.
    """

    def __init__(self, head: HTTPResponse) -> None:
        self._head = head
        self._stream = cast("BinaryIO", head.fp)
        coding, lengths = _stated(head, "transfer-encoding"), _stated(head, "content-length")
        if coding - {"chunked"} or len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise HTTPException("the head does not say where the body ends")
        self.length = int(lengths.pop()) if lengths and not coding else None
        empty = head.length == 0  # so are bodies of some statuses, whatever their heads state
        self._chunked = bool(coding) and not empty
        self._left = 0 if self._chunked else head.length
        self._in_chunks = False
        self.ended = False
        if empty:
            self._end()

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; nothing at the end."""
        if self.ended:
            return b""
        if self._chunked:
            return self._read_chunks(size)
        if self._left is not None:
            return self._read_counted(size)
        data = self._stream.read(size)
        if not data:
            self._end()
        return data

    def _read_counted(self, size: int) -> bytes:
        """Read from the body or the chunk of which so many bytes are left."""
        assert self._left is not None
        data = self._stream.read(min(size, self._left))
        if not data:
            raise IncompleteRead(b"", self._left)
        self._left -= len(data)
        if not self._left and not self._chunked:
            self._end()
        return data

    def _read_chunks(self, size: int) -> bytes:
        """Read from as many chunks as it takes."""
        parts: list[bytes] = []
        while size > 0 and not self.ended:
            if not self._left:
                self._next_chunk()
                continue
            data = self._read_counted(size)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def _next_chunk(self) -> None:
        """Go on to the next chunk; the last one has no bytes, and only trailers after it, which do not matter."""
        if self._in_chunks and self._line() not in _LINE_ENDS:
            raise HTTPException("a chunk is longer than its size")
        self._in_chunks = True
        match = _CHUNK.fullmatch(self._line())
        if match is None:
            raise HTTPException("a chunk has no size")
        self._left = int(match[1], 16)
        if self._left:
            return
        if not any(self._line() in _LINE_ENDS for _ in range(_TRAILERS)):
            raise HTTPException("there are too many trailers")
        self._end()

    def _line(self) -> bytes:
        """Read a line, no further than any is long."""
        line = self._stream.readline(_LONGEST)
        if not line:
            raise IncompleteRead(b"")
        return line

    def _end(self) -> None:
        """Let the connection serve the next request."""
        self.ended = True
        self._head.close()


def _stated(head: HTTPResponse, name: str) -> set[str]:
    """Return the values of a header that may be there several times."""
    lines = head.headers.get_all(name) or ()
    return {value.strip(" \t").lower() for line in lines for value in line.split(",")}
