"""One request, bounded in time and size, with its redirects followed by hand; no state but connections."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gate import __version__
from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.reference import DEFAULT_REGISTRY
from gate.registry import HostSettings, RegistrySettings
from gate.registry.address import Reach, Url, check_literal, is_loopback
from gate.registry.connect import Connector
from gate.registry.proxies import proxy_for
from gate.registry.retries import Transient
from gate.registry.tls import Profile, context_of, profile_of
from gate.registry.watch import Watch, Watchman

if TYPE_CHECKING:
    from gate.registry.adapter import BoundedAdapter

SERVED_BY = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Registries that answer under another host than the one in their names."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHORT = 16 * 1024
_REDIRECT = "what the registry redirects to"


class Request(Struct, frozen=True):
    """What is asked: address, headers, whether the caller named the host (or a registry did), and how long it may take.

    `form` makes it a POST. `authorization` goes to the host of `url` alone, wherever redirects lead.
    """

    url: Url
    headers: Mapping[str, str] = {}
    authorization: str = ""
    form: Mapping[str, str] | None = None
    nearest: Reach = Reach.LOOPBACK
    seconds: float = LIMITS.request_seconds
    redirects: int = LIMITS.redirects

    def __repr__(self) -> str:
        return f"Request({self.url.authority!r}, …)"


class Answer:
    """Status, headers (names in lower case), and a body that is read once, as it was sent: nothing is decoded."""

    def __init__(
        self, url: Url, response: Any, watch: Watch, fail: Callable[[Exception], Unavailable]
    ) -> None:
        self.url = url
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.raw.headers.itermerged()
        }
        self._raw = response.raw
        self._watch = watch
        self._fail = fail

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; nothing at the end. Raises `Transient` where the transfer breaks."""
        from gate.registry.adapter import BROKEN

        try:
            data: bytes = self._raw.read(size, decode_content=False)
        except BROKEN as error:
            raise self._fail(error) from None
        if not data and self._watch.over:
            raise self._fail(TimeoutError())
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

    @property
    def length(self) -> int | None:
        """How long the body is by its header; None where it ends with the connection."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None

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
        self._raw.close()
        self._raw.release_conn()


class Transport:
    """Sends requests; safe to use from several threads."""

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self.settings = settings
        self.deadline = deadline
        self._connector = Connector()
        self._watchman = Watchman(deadline)
        self._adapters: dict[tuple[Profile | None, Reach], BoundedAdapter] = {}
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
            for adapter in self._adapters.values():
                adapter.close()
            self._adapters.clear()

    def _send(self, url: Url, request: Request, authorization: str, nearest: Reach) -> Answer:
        """Send one request to one address."""
        import requests

        from gate.registry.adapter import BROKEN

        headers = {
            "User-Agent": f"image-gate/{__version__}",
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if authorization:
            headers["Authorization"] = authorization
        method = "GET" if request.form is None else "POST"
        proxy = proxy_for(url, self.settings)
        if proxy:
            self.proxied.add(url.authority)
        adapter = self._adapter(url, nearest)
        watch = self._watchman.watch(request.seconds)

        def fail(error: Exception) -> Unavailable:
            return self._failure(error, url, watch)

        try:
            prepared = requests.Request(method, str(url), headers, data=request.form).prepare()
            prepared.url = str(url)  # exactly what was checked, and what a storage has signed
            response = adapter.send(
                prepared,
                stream=True,
                timeout=self._timeouts(request.seconds),
                proxies={url.scheme: proxy} if proxy else {},
            )
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

    def _adapter(self, url: Url, nearest: Reach) -> BoundedAdapter:
        """Return the adapter for a host's TLS, that reaches as near as allowed."""
        from gate.registry.adapter import BoundedAdapter

        profile = (
            profile_of(self.settings, self.host_settings(url.authority)) if url.scheme == "https" else None
        )
        with self._lock:
            if profile is not None and profile not in self._contexts:
                self._contexts[profile] = context_of(profile)
            key = (profile, nearest)
            if key not in self._adapters:
                context = self._contexts[profile] if profile is not None else None
                self._adapters[key] = BoundedAdapter(context, nearest, self._connector, self._watchman)
            return self._adapters[key]

    def _failure(self, error: Exception, url: Url, watch: Watch) -> Unavailable:
        """Say what went wrong: in our words, because those of the libraries hold addresses with their secrets."""
        from requests.exceptions import ProxyError

        self.deadline.check()
        host = url.authority[:200]
        cause = _cause(error)
        if watch.over or isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return Transient(
                f"{host!r} takes too long to answer", hint="the registry or the network is overloaded"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unavailable(
                f"the certificate of {host!r} cannot be verified: {cause.verify_message}",
                hint="where it is of an authority of your own, name that with --ca-file or in the configuration",
            )
        if isinstance(cause, ssl.SSLError):
            return Transient(
                f"TLS with {host!r} fails: {(cause.reason or 'it ends').replace('_', ' ').lower()}"
            )
        if isinstance(error, ProxyError):
            return Transient(
                f"the proxy does not lead to {host!r}: {str(cause)[:200]}", hint="look at the proxy"
            )
        if isinstance(cause, OSError) and cause.strerror:
            return Transient(f"the connection to {host!r} breaks: {cause.strerror}")
        return Transient(f"the answer of {host!r} breaks off, or is not as HTTP wants it")


def _cause(error: BaseException) -> BaseException:
    """Return what is at the bottom of the errors that libraries wrap into each other."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), error.__cause__, error.__context__, *error.args]
        found = next((each for each in inner if isinstance(each, BaseException)), None)
        if found is None or isinstance(error, ssl.SSLError):
            return error
        error = found
    return error
