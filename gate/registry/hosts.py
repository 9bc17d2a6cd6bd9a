"""Where a registry is asked: its mirrors in their order, then itself, each with its scheme and path."""

from __future__ import annotations

import threading

from msgspec import Struct

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.registry.address import Url, is_loopback
from gate.registry.messages import Request
from gate.registry.retries import Transient, persist
from gate.registry.transport import SERVED_BY, Transport

_BAD_REQUEST = 400
"""What servers of TLS answer to plain HTTP."""


class Endpoint(Struct, frozen=True):
    """One place to ask: `key` is the `host[:port]` under which settings and credentials name it.

    `url` is its root, and `prefix` stands before the names of repositories.
    """

    key: str
    url: Url
    prefix: str = ""
    mirror: bool = False

    def repository(self, name: Reference) -> str:
        """Return what a repository is called here."""
        return f"{self.prefix}/{name.repository}" if self.prefix else name.repository

    def at(self, name: Reference, rest: str) -> Url:
        """Return the address of something in a repository, such as `manifests/1.4`."""
        url = self.url
        return Url(url.scheme, url.host, url.port, f"/v2/{self.repository(name)}/{rest}")


class Hosts:
    """Finds the endpoints of registries; each is found once per run."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._endpoints: dict[tuple[str, bool], Endpoint] = {}
        self._lock = threading.Lock()

    def keys(self, registry: str) -> tuple[tuple[str, bool], ...]:
        """Return what `endpoint` takes, in the order in which a registry's endpoints are asked."""
        mirrors = self._transport.host_settings(registry).mirrors
        return (*((mirror, True) for mirror in mirrors), (registry, False))

    def endpoint(self, key: tuple[str, bool]) -> Endpoint:
        """Return one endpoint; raises `Unavailable` where it cannot be asked."""
        with self._lock:
            if key not in self._endpoints:
                self._endpoints[key] = self._find(*key)
            return self._endpoints[key]

    def _find(self, name: str, mirror: bool) -> Endpoint:
        """Find out how an endpoint is asked."""
        host, _, prefix = name.partition("/")
        what = "the mirror" if mirror else "the registry"
        prefix = prefix.strip("/")
        if "?" in Url.parse(f"https://{host}/{prefix}", what).target:
            raise Unavailable(f"{what} {name[:200]!r} is not host[:port][/path]")
        place = SERVED_BY.get(host, host)
        url = Url.parse(f"https://{place}/", what)
        if self._transport.host_settings(host).plain_http or (
            is_loopback(url.host) and self._is_plain(place, what)
        ):
            url = Url.parse(f"http://{place}/", what)
        return Endpoint(host, url, prefix, mirror)

    def _is_plain(self, place: str, what: str) -> bool:
        """Ask a registry on this machine whether it speaks plain HTTP; nothing secret is sent."""
        plain = Url.parse(f"http://{place}/v2/", what)
        encrypted = Url.parse(f"https://{place}/v2/", what)

        def ask() -> bool:
            try:
                if self._answers(plain):
                    return True
            except Transient as error:
                # A server of TLS may just hang up; where it does not speak TLS either, this is what counts.
                try:
                    return not self._answers(encrypted)
                except Transient:
                    raise error from None
            return not self._answers(encrypted)

        return persist(self._transport.deadline, ask)

    def _answers(self, url: Url) -> bool:
        """Whether an address answers as a server of its scheme does."""
        answer = self._transport.send(Request(url, seconds=LIMITS.connect_seconds, redirects=0))
        answer.discard()
        return answer.status != _BAD_REQUEST


def is_safe(url: Url) -> bool:
    """Whether credentials may be sent to an address: over TLS, or without leaving this machine."""
    return url.scheme == "https" or is_loopback(url.host)


def refuse_unsafe(url: Url) -> Unavailable:
    """Build the error for credentials that are needed where they may not be sent."""
    return Unavailable(
        f"{url.authority[:200]!r} wants a login, and credentials are only sent over TLS",
        hint="give the registry a certificate, and name its authority with --ca-file where it is your own",
    )
