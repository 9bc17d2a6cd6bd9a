"""Pools of connections that are made as we want it to: to checked addresses, with our trust, within a bounded time.

Over `urllib3` and not `requests`, whose sessions keep cookies, follow redirects, and read `.netrc` and the environment, and
which takes twice as long to import; imported only where a request is made, because even so that is longer than small images
take to read.
"""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.parse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gate.registry.address import Reach, Url
from gate.registry.connect import Connector
from gate.registry.watch import Watchman


class Adapter:
    """Connects to addresses as near as `allowed`; proxies are connected to wherever they are, because the caller names them."""

    def __init__(
        self, context: ssl.SSLContext | None, allowed: Reach, connector: Connector, watchman: Watchman
    ) -> None:
        self._context = context
        self._pools = _pools(allowed, connector, watchman)
        self._managers: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def pool(self, url: Url, proxy: str) -> HTTPConnectionPool:
        """Return the connections to a host, through a proxy where one is named; raises one of `BROKEN`."""
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = self._manager(proxy)
            return self._managers[proxy].connection_from_host(url.host, url.port, url.scheme)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()

    def _manager(self, proxy: str) -> urllib3.PoolManager:
        """Make the pools of one proxy, or of direct connections."""
        named: dict[str, Any] = {"maxsize": _CONNECTIONS, "ssl_context": self._context}
        if proxy:
            manager: urllib3.PoolManager = urllib3.ProxyManager(proxy, proxy_headers=_login(proxy), **named)
        else:
            manager = urllib3.PoolManager(**named)
        manager.pool_classes_by_scheme = self._pools
        return manager


_CONNECTIONS = 10
"""How many connections to a host are kept, more than ever serve at a time."""


def _login(proxy: str) -> dict[str, str]:
    """Return the header that tells a proxy the user name and password in its address."""
    parts = urllib.parse.urlsplit(proxy)
    if not parts.username:
        return {}
    user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
    return urllib3.util.make_headers(proxy_basic_auth=f"{user}:{password}")


def _pools(allowed: Reach, connector: Connector, watchman: Watchman) -> dict[str, Any]:
    """Make the pool classes, by scheme."""

    def open_socket(connection: HTTPConnection) -> socket.socket:
        # Through a proxy `host` is the proxy's, and what it connects to is its business.
        nearest = Reach.LOOPBACK if connection.proxy is not None else allowed
        seconds = connection.timeout if isinstance(connection.timeout, int | float) else 0.0
        connected = connector.connect(connection.host, connection.port or 0, nearest, seconds)
        try:
            watchman.arm(connected)
        except BaseException:  # the request's time is over, and nobody else knows of the connection yet
            connected.close()
            raise
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
"""What sending and reading raise when something goes wrong."""
