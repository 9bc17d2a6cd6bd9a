"""Connections: one whose request is over before it connects leaves nothing open."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from gate.deadline import Deadline
from gate.registry.address import Reach, Url
from gate.registry.connect import Connector
from gate.registry.connections import Connections, Message, Trust
from gate.registry.retries import Transient
from gate.registry.watch import Watchman


class Remembering(Connector):
    """A connector that keeps what it connected."""

    def __init__(self) -> None:
        super().__init__()
        self.connected: list[socket.socket] = []

    def connect(self, host: str, port: int, allowed: Reach, seconds: float) -> socket.socket:
        self.connected.append(super().connect(host, port, allowed, seconds))
        return self.connected[-1]


def test_a_connection_that_comes_too_late_is_closed() -> None:
    watchman, connector = Watchman(Deadline(60)), Remembering()
    watch = watchman.watch(60)
    watch.cut()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = Url.parse(f"http://127.0.0.1:{server.getsockname()[1]}/", "x")
        trust = Trust(None, ssl.create_default_context)
        connections = Connections(trust, Reach.LOOPBACK, connector, watchman)
        with pytest.raises(Transient, match="too long"):
            connections.send(url, "", Message("GET", {}, None, 5, 5))
        connections.close()
    watchman.close()
    assert [one.fileno() for one in connector.connected] == [-1]


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[Url, list[int]]]:
    """Give each connection these answers, one a request, and note how many requests came over each."""
    served: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                left = list(answers)
                while left:
                    connection, _ = server.accept()
                    served.append(0)
                    with connection:
                        while left and connection.recv(65_536):
                            served[-1] += 1
                            answer = left.pop(0)
                            connection.sendall(answer)
                            if b"close" in answer:
                                break

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Url.parse(f"http://127.0.0.1:{server.getsockname()[1]}/", "x"), served
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def connections() -> Iterator[Connections]:
    watchman = Watchman(Deadline(60))
    watchman.watch(60)
    made = Connections(Trust(None, ssl.create_default_context), Reach.LOOPBACK, Connector(), watchman)
    try:
        yield made
    finally:
        made.close()
        watchman.close()


def answered(made: Connections, url: Url) -> tuple[bytes, dict[str, str]]:
    response = made.send(url, "", Message("GET", {}, None, 5, 5))
    try:
        return response.read(1_000), response.headers
    finally:
        response.close()
        response.close()


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_connection_serves_on_only_after_a_whole_answer() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5_000
    with answering(WHOLE, long, WHOLE) as (url, served), connections() as made:
        assert [answered(made, url)[0] for _ in range(3)] == [b"ok", b"x" * 1_000, b"ok"]
    assert served == [2, 1]


def test_one_that_the_other_side_ended_is_not_used_again() -> None:
    ends = WHOLE.replace(b"\r\n\r\n", b"\r\nX: close\r\n\r\n")
    with answering(ends, WHOLE, WHOLE) as (url, served), connections() as made:
        assert answered(made, url)[0] == b"ok"
        time.sleep(0.1)
        assert [answered(made, url)[0] for _ in range(2)] == [b"ok", b"ok"]
    assert served == [1, 2]


def test_lines_of_one_header_are_joined() -> None:
    lines = (
        b'WWW-Authenticate: Basic realm="a  b",\r\n\tBearer realm="c"\r\nwww-authenticate: Digest realm="d"'
    )
    with answering(WHOLE.replace(b"Content", lines + b"\r\nContent")) as (url, _), connections() as made:
        headers = answered(made, url)[1]
    assert headers["www-authenticate"] == 'Basic realm="a  b", Bearer realm="c", Digest realm="d"'


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_an_answer_that_nobody_closed_ends_with_the_others(more: bytes) -> None:
    """Reading failed, and what would have closed it waits to be collected."""
    answer = WHOLE.replace(b"Content", more + b"Content")
    with answering(answer) as (url, served):
        with connections() as made:
            left = made.send(url, "", Message("GET", {}, None, 5, 5))
        with pytest.raises((OSError, ValueError)):
            left.read(10)
        left.close()
    assert served == [1]
