"""One request, bounded in time and size, with its redirects followed by hand; no state but connections."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gate import __version__
from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.reference import DEFAULT_REGISTRY
from gate.registry import HostSettings, RegistrySettings
from gate.registry.address import Reach, Url, check_literal, is_loopback
from gate.registry.connect import Connector
from gate.registry.failures import failure_of
from gate.registry.messages import Answer, Request
from gate.registry.proxies import proxy_for
from gate.registry.tls import Profile, context_of, profile_of
from gate.registry.watch import Watchman

if TYPE_CHECKING:
    from gate.registry.connections import Connections

SERVED_BY = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Registries that answer under another host than the one in their names."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECT = "what the registry redirects to"


class Transport:
    """Sends requests; safe to use from several threads."""

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self.settings = settings
        self.deadline = deadline
        self._connector = Connector()
        self._watchman = Watchman(deadline)
        self._connections: dict[tuple[Profile | None, Reach], Connections] = {}
        self._contexts: dict[Profile, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.proxied: set[str] = set()
        """The hosts that were asked through a proxy, which resolved their names: only literal addresses were checked."""

    def reach(self, url: Url) -> Reach:
        """Return how near a host is that was connected to: that near it may lead by redirects and token servers."""
        return min(self._connector.reach(url.host, url.port), Reach.LOOPBACK)

    def host_settings(self, authority: str) -> HostSettings:
        """Return what the configuration says of a host, under whichever of its names."""
        named = next((name for name, host in SERVED_BY.items() if host == authority), authority)
        for name in (authority, named, f"{authority}:443", authority.removesuffix(":443")):
            if name in self.settings.hosts:
                return self.settings.hosts[name]
        return HostSettings()

    def check_scheme(self, url: Url, what: str) -> None:
        """Refuse plain HTTP to anything but this machine, unless the configuration allows it for the host."""
        if url.scheme == "https" or is_loopback(url.host) or self.host_settings(url.authority).plain_http:
            return
        raise Unavailable(
            f"{what} is without TLS, at {url.authority[:200]!r}",
            hint="where that is meant, set plain_http for this host in the configuration",
        )

    def send(self, request: Request) -> Answer:
        """Send a request and follow its redirects; raises `Transient` where it may go better the next time.

        1. Of a redirect only the address is taken, read strictly.
        2. It never leads from TLS to none, nor nearer than the registry itself is.
        3. Credentials stay with the server that they were meant for.
        """
        url, nearest = request.url, request.nearest
        for _ in range(request.redirects + 1):
            own = url.origin == request.url.origin
            answer = self._send(url, request, request.authorization if own else "", nearest)
            if answer.status not in _REDIRECTS or not request.redirects:
                return answer
            answer.discard()
            target = url.join(answer.headers.get("location", ""), _REDIRECT)  # 1
            if url.scheme == "https" and target.scheme != "https":  # 2
                raise Unavailable(f"{url.authority!r} redirects from TLS to a server without it")
            own = target.origin == request.url.origin
            nearest = request.nearest if own else min(request.nearest, self.reach(request.url))
            check_literal(target, nearest, _REDIRECT)
            if not own:
                self.check_scheme(target, _REDIRECT)
            url = target
        raise Unavailable(
            f"{request.url.authority!r} redirects more than {request.redirects} times",
            hint="this is a fault of the registry or of a proxy before it",
        )

    def close(self) -> None:
        """Close all connections."""
        self._watchman.close()
        with self._lock:
            for connections in self._connections.values():
                connections.close()
            self._connections.clear()

    def _send(self, url: Url, request: Request, authorization: str, nearest: Reach) -> Answer:
        """Send one request to one address."""
        from gate.registry.connections import BROKEN, Message

        headers = {
            "User-Agent": f"image-gate/{__version__}",
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if authorization:
            headers["Authorization"] = authorization
        method = request.method or "GET"
        body = request.body or None
        if request.form is not None:
            method, body = "POST", urlencode(request.form).encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        proxy = proxy_for(url, self.settings)
        if proxy:
            self.proxied.add(url.authority)
        connections = self._reaching(url, nearest)
        watch = self._watchman.watch(request.seconds)

        def fail(error: Exception) -> Unavailable:
            self.deadline.check()
            return failure_of(error, url, watch)

        try:
            message = Message(method, headers, body, *self._timeouts(request.seconds))
            response = connections.send(url, proxy, message)
        except Unavailable:
            watch.end()
            self.deadline.check()
            raise
        except BROKEN as error:
            watch.end()
            raise fail(error) from None
        except BaseException:
            watch.end()
            raise
        return Answer(url, response, watch, fail)

    def _timeouts(self, seconds: float) -> tuple[float, float]:
        """Return the time limits for connecting and for silence, which end before the run does."""
        left = max(min(seconds, self.deadline.left), 0.001)
        return min(LIMITS.connect_seconds, left), min(LIMITS.silence_seconds, left)

    def _reaching(self, url: Url, nearest: Reach) -> Connections:
        """Return the connections with a host's TLS, that reach as near as allowed."""
        from gate.registry.connections import Connections, Trust

        profile = (
            profile_of(self.settings, self.host_settings(url.authority)) if url.scheme == "https" else None
        )
        trust = Trust(
            None if profile is None else self._context(profile),
            lambda: self._context(profile_of(self.settings, HostSettings())),
        )
        with self._lock:
            key = (profile, nearest)
            if key not in self._connections:
                self._connections[key] = Connections(trust, nearest, self._connector, self._watchman)
            return self._connections[key]

    def _context(self, profile: Profile) -> ssl.SSLContext:
        """Return the TLS of a profile."""
        with self._lock:
            if profile not in self._contexts:
                self._contexts[profile] = context_of(profile)
            return self._contexts[profile]
