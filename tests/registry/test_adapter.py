"""Pools of connections: one whose request is over before it connects leaves nothing open."""

from __future__ import annotations

import socket

import pytest

from gate.deadline import Deadline
from gate.registry.adapter import Adapter
from gate.registry.address import Reach, Url
from gate.registry.connect import Connector
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
        adapter = Adapter(None, Reach.LOOPBACK, connector, watchman)
        with pytest.raises(Transient, match="too long"):
            adapter.pool(url, "").urlopen("GET", "/", retries=False, timeout=5)
        adapter.close()
    watchman.close()
    assert [one.fileno() for one in connector.connected] == [-1]
