"""The adapter of `requests` that connects as we want it to: checked addresses, our trust, a bounded wall clock.

Adapters are used without a session: sessions keep cookies, follow redirects, and read `.netrc` and the environment.
Imported only where a request is made, because `requests` takes longer to import than small images take to read.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gate.registry.address import Reach
from gate.registry.connect import Connector
from gate.registry.watch import Watchman


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """Connects to addresses as near as `allowed`; proxies are connected to wherever they are, because the caller names them."""

    def __init__(
        self, context: ssl.SSLContext | None, allowed: Reach, connector: Connector, watchman: Watchman
    ) -> None:
        self._context = context
        self._pools = _pools(allowed, connector, watchman)
        super().__init__()

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **proxy_kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Leave TLS to the context that the pools were made with."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave TLS to the context: it verifies, and `requests` would add trust of its own."""


def _pools(allowed: Reach, connector: Connector, watchman: Watchman) -> dict[str, Any]:
    """Make the pool classes, by scheme."""

    def open_socket(connection: HTTPConnection) -> socket.socket:
        # Through a proxy `host` is the proxy's, and what it connects to is its business.
        nearest = Reach.LOOPBACK if connection.proxy is not None else allowed
        seconds = connection.timeout if isinstance(connection.timeout, int | float) else 0.0
        connected = connector.connect(connection.host, connection.port or 0, nearest, seconds)
        watchman.arm(connected)
        return connected

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return open_socket(self)

        def request(self, *arguments: Any, **named: Any) -> None:
            if self.sock is not None:
                watchman.arm(self.sock)
            super().request(*arguments, **named)

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return open_socket(self)

        def connect(self) -> None:
            super().connect()
            watchman.arm(self.sock)

        def request(self, *arguments: Any, **named: Any) -> None:
            if self.sock is not None:
                watchman.arm(self.sock)
            super().request(*arguments, **named)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


BROKEN: tuple[type[Exception], ...] = (urllib3.exceptions.HTTPError, OSError, ValueError)
"""What sending and reading raise when something goes wrong; `requests` raises `OSError`s."""
