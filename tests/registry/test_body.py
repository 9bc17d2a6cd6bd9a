from __future__ import annotations

import io
from http.client import HTTPException, HTTPResponse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.registry.body import Body


class Connection:
    """Bytes that a server sent; `asked` is how many a reader wanted at once, at most."""

    def __init__(self, sent: bytes) -> None:
        self._stream = Counting(sent)

    def makefile(self, mode: str) -> Counting:
        assert mode == "rb"
        return self._stream


class Counting(io.BytesIO):
    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        Counting.asked = max(Counting.asked, size)
        return super().read(size)


def body(*headers: str, body: bytes = b"", status: str = "200 OK", method: str = "GET") -> Body:
    """Return the body that follows these headers."""
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers))
    head = HTTPResponse(Connection(f"{lines}\r\n".encode("latin-1") + body), method=method)  # type: ignore[arg-type]
    head.begin()
    return Body(head)


def whole(found: Body, step: int = 1_000) -> bytes:
    """Read a body to its end."""
    parts = []
    while data := found.read(step):
        assert len(data) <= step
        parts.append(data)
    assert found.ended
    return b"".join(parts)


CHUNKED = "Transfer-Encoding: chunked"


def test_a_body_of_a_stated_length() -> None:
    found = body("Content-Length: 5", body=b"hello, and the next answer")
    assert found.length == 5
    assert whole(found) == b"hello"
    assert whole(body("Content-Length: 5", "Content-Length: 5", body=b"hello!")) == b"hello"


def test_a_body_that_ends_with_the_connection() -> None:
    found = body(body=b"hello")
    assert found.length is None
    assert whole(found) == b"hello"


@pytest.mark.parametrize(
    ("headers", "options"),
    [
        (("Content-Length: 0",), {}),
        (("Content-Length: 5",), {"method": "HEAD"}),
        ((CHUNKED,), {"method": "HEAD"}),
        ((CHUNKED,), {"status": "204 No Content"}),
        (("Content-Length: 5",), {"status": "304 Not Modified"}),
    ],
)
def test_answers_without_a_body(headers: tuple[str, ...], options: dict[str, Any]) -> None:
    found = body(*headers, body=b"HTTP/1.1 200 OK", **options)
    assert found.ended
    assert found.read(10) == b""


def test_what_breaks_off_gives_what_came_and_then_fails() -> None:
    found = body("Content-Length: 5", body=b"he")
    assert found.read(10) == b"he"
    for _ in range(2):
        with pytest.raises(HTTPException):
            found.read(10)
    assert not found.ended


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 60), st.booleans())
def test_chunks_come_to_what_is_in_them(parts: list[bytes], step: int, more: bool) -> None:
    extension, trailer = (" ; a=b", b"X: y\r\n") if more else ("", b"")
    sent = b"".join(f"{len(part):X}{extension}\r\n".encode() + part + b"\r\n" for part in parts)
    found = body(CHUNKED, "Content-Length: 3", body=sent + b"0\r\n" + trailer + b"\r\nthe next answer")
    assert found.length is None
    assert whole(found, step) == b"".join(parts)


@pytest.mark.parametrize(
    "size", ["-1", "-5", "+5", "0x5", "1_0", " 5", "", "g", "5 5", "f" * 16, "5" * 9_000, "٥"]
)
def test_what_is_no_size_of_a_chunk_is_refused(size: str) -> None:
    """`-1` has `http.client` read everything, in one piece."""
    with pytest.raises(HTTPException):
        body(CHUNKED, body=size.encode() + b"\r\n" + b"x" * 20_000).read(10)


def test_a_large_chunk_is_read_in_small_pieces() -> None:
    Counting.asked = 0
    assert body(CHUNKED, body=b"fffffffff\r\n" + b"x" * 100_000).read(1_000) == b"x" * 1_000
    assert Counting.asked == 1_000


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"5\r\nhe", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhelloXX0\r\n\r\n",
        b"5\r\nhello and more\r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 101, b"0\r\n" + b"x" * 9_000,
    ],
)  # fmt: skip
def test_chunks_that_break_off_or_do_not_fit(sent: bytes) -> None:
    with pytest.raises(HTTPException):
        whole(body(CHUNKED, body=sent))


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5, 6",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -5",),
        ("Content-Length: 5x",),
        (f"Content-Length: {'9' * 30}",),
        ("Content-Length:",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: gzip",),
        (CHUNKED, "Transfer-Encoding: identity"),
    ],
)
def test_heads_that_leave_open_where_the_body_ends(headers: tuple[str, ...]) -> None:
    with pytest.raises(HTTPException, match="where the body ends"):
        body(*headers, body=b"hello")
