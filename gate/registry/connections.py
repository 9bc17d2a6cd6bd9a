"""Connections that are made as we want it to: to checked addresses, with our trust, within a bounded time.

Over `http.client` and no library above it: those keep cookies, follow redirects or read `.netrc` and the environment, and
take longer to import than small images take to read. Imported only where a request is made, because this, too, takes time.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gate.registry.address import PORTS, Reach, Url
from gate.registry.body import Body
from gate.registry.connect import Connector
from gate.registry.proxies import place_and_login
from gate.registry.watch import Watchman

BROKEN: tuple[type[Exception], ...] = (HTTPException, OSError, ValueError)
"""What sending and reading raise when something goes wrong."""

_FOLDED = re.compile(r"[ \t]*\r?\n[ \t]*")


class ProxyFailed(OSError):
    """A proxy does not lead to where a request was to go; its one argument says why."""


class Message(Struct, frozen=True):
    """What is sent: the method, the headers, the body, and the seconds within which to connect and to say something."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None
    connect_seconds: float
    silence_seconds: float


class Trust(Struct, frozen=True):
    """Whom connections trust: servers, None without TLS, and proxies that are spoken to over TLS."""

    servers: ssl.SSLContext | None
    proxies: Callable[[], ssl.SSLContext]


class Connections:
    """Connects to addresses as near as `allowed`, and keeps connections for further requests; safe to use from several threads.

    Proxies are connected to wherever they are, because the caller names them.
    """

    def __init__(self, trust: Trust, allowed: Reach, connector: Connector, watchman: Watchman) -> None:
        self._trust = trust
        self._allowed = allowed
        self._connector = connector
        self._watchman = watchman
        self._idle: defaultdict[tuple[object, str], list[_Connection]] = defaultdict(list)
        self._used: set[_Connection] = set()
        self._closed = False
        self._lock = threading.Lock()

    def send(self, url: Url, proxy: str, message: Message) -> Response:
        """Send a request, through a proxy where one is named; raises one of `BROKEN`, or `Unavailable`."""
        key = url.origin, proxy
        connection = self._take(key) or _Connection(url, lambda seconds: self._open(url, proxy, seconds))
        with self._lock:
            self._used.add(connection)
        # The target is exactly what was checked, and what a storage has signed.
        target, headers = url.target, message.headers
        if proxy and url.scheme == "http":
            target, headers = str(url), {**headers, **_authorization(place_and_login(proxy)[1])}
        try:
            head = connection.ask(target, replace(message, headers=headers), self._watchman)
            return Response(head, lambda usable: self._give_back(key, connection, usable=usable))
        except BaseException:
            self._give_back(key, connection, usable=False)
            raise

    def close(self) -> None:
        """Close all connections, those of answers among them that nobody closed because reading them failed."""
        with self._lock:
            self._closed = True
            left = [*self._used, *(connection for kept in self._idle.values() for connection in kept)]
            self._used.clear()
            self._idle.clear()
        for connection in left:
            connection.close()

    def _take(self, key: tuple[object, str]) -> _Connection | None:
        """Return an idle connection that still stands."""
        while True:
            with self._lock:
                if not self._idle[key]:
                    return None
                connection = self._idle[key].pop()
            if connection.stands:
                return connection
            connection.close()

    def _give_back(self, key: tuple[object, str], connection: _Connection, *, usable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        with self._lock:
            self._used.discard(connection)
            usable = usable and not self._closed and connection.sock is not None
            if usable:
                self._idle[key].append(connection)
        if not usable:
            connection.close()

    def _open(self, url: Url, proxy: str, seconds: float) -> socket.socket:
        """Connect to a server, directly or through a proxy."""
        if not proxy:
            connected = self._connected(url, self._allowed, seconds)
        else:
            place, login = place_and_login(proxy)
            connected = self._connected(place, Reach.LOOPBACK, seconds)  # where it is, its owner decides
            try:
                if place.scheme == "https":
                    connected = self._secured(connected, self._trust.proxies(), place.host)
                if url.scheme == "https":
                    _tunnel(connected, url, login)
            except TimeoutError:
                connected.close()
                raise
            except (OSError, HTTPException, ValueError) as error:
                connected.close()
                raise ProxyFailed(str(error)) from error
        secured: socket.socket = self._secured(connected, self._trust.servers, url.host)
        return secured

    def _connected(self, url: Url, nearest: Reach, seconds: float) -> socket.socket:
        """Connect to a host."""
        connected = self._connector.connect(url.host, url.port, nearest, seconds)
        try:
            self._watchman.arm(connected)
        except BaseException:  # the request's time is over, and nobody else knows of the connection yet
            connected.close()
            raise
        return connected

    def _secured(self, connected: Any, context: ssl.SSLContext | None, host: str) -> Any:
        """Speak TLS over a connection, if there is to be any; within TLS, as behind some proxies, it takes an object of its own."""
        if context is None:
            return connected
        try:
            if isinstance(connected, ssl.SSLSocket):
                from urllib3.util.ssltransport import SSLTransport  # here, because hardly any proxy needs it

                secured: Any = SSLTransport(connected, context, host)
            else:
                secured = context.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise
        try:
            self._watchman.arm(secured)
        except BaseException:
            secured.close()
            raise
        return secured


class _Connection(HTTPConnection):
    """One connection, which serves one request after the other; `opener` takes the seconds within which to connect."""

    def __init__(self, url: Url, opener: Callable[[float], socket.socket]) -> None:
        super().__init__(url.host, url.port)
        self.default_port = PORTS[url.scheme]
        self._opener = opener
        self._head: HTTPResponse | None = None

    def ask(self, target: str, message: Message, watchman: Watchman) -> HTTPResponse:
        """Send a request, and return the head of its answer."""
        if self.sock is None:
            self.sock = self._opener(message.connect_seconds)
        else:
            watchman.arm(self.sock)
        self.sock.settimeout(message.silence_seconds)
        self.request(message.method, target, message.body, dict(message.headers))
        self._head = self.getresponse()
        return self._head

    def close(self) -> None:
        """Close, and the answer with it, to which the last of a connection's passes on."""
        super().close()
        if self._head is not None:
            self._head.close()

    @property
    def stands(self) -> bool:
        """Whether an idle connection can be used: where something comes, the other side ended it, or is out of step."""
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        return not waiting.poll(0)


class Response:
    """What a server answered: status, headers (names in lower case, lines of one name joined), and the body."""

    def __init__(self, head: HTTPResponse, give_back: Callable[[bool], None]) -> None:
        self.status: int = head.status
        self.headers = _headers(head)
        self._head = head
        self._give_back: Callable[[bool], None] | None = give_back
        try:
            self._body = Body(head)
        except BaseException:
            head.close()
            raise
        self.length = self._body.length

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes of the body, as it was sent; nothing at the end. Raises one of `BROKEN` where it breaks off."""
        return self._body.read(size)

    def close(self) -> None:
        """Close; the connection serves on where the body was read to its end."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            self._head.close()
            give_back(self._body.ended)


def _headers(head: HTTPResponse) -> dict[str, str]:
    """Join the lines of each header."""
    found: dict[str, str] = {}
    for name, value in head.headers.items():
        key, line = name.lower(), _FOLDED.sub(" ", value)
        found[key] = f"{found[key]}, {line}" if key in found else line
    return found


def _tunnel(connected: socket.socket, url: Url, login: str) -> None:
    """Have a proxy connect to a server (RFC 9110, section 9.3.6)."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    headers = {"Host": f"{host}:{url.port}", **_authorization(login)}
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    connected.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    head = HTTPResponse(connected, method="CONNECT")
    try:
        head.begin()
        if not 200 <= head.status < 300:
            raise ProxyFailed(f"it answers {head.status} {head.reason}")
    finally:
        head.close()


def _authorization(login: str) -> dict[str, str]:
    """Return the header that tells a proxy who asks."""
    return {"Proxy-Authorization": login} if login else {}
