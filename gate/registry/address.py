"""Which addresses may be contacted, and the one way in which URLs are read.

A registry names further addresses: in redirects and as its token server. They are read strictly, so that no two readers
see two hosts in one of them, and reach no further than the registry itself does: a public one leads to public addresses
alone, and none ever leads to link-local ones, where clouds keep the credentials of their machines.
"""

from __future__ import annotations

import enum
import ipaddress
import re
import urllib.parse

from msgspec import Struct

from gate.errors import Unavailable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>/[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*|\?[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?",
    re.ASCII | re.IGNORECASE,
)
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_OTHER_SCHEME = re.compile(r"(?!https?://)[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
PORTS = {"http": 80, "https": 443}
"""The ports of the schemes."""

_LONGEST = 16 * 1024
"""Signed addresses of storages stay below 4 KiB."""

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's host agent
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
    )
)
"""Where clouds serve the credentials of their machines, beside the link-local addresses."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TEREDO = ipaddress.ip_network("2001::/32")


class Reach(enum.IntEnum):
    """How near an address is; what may be contacted is stated as the nearest that is allowed."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    FORBIDDEN = 3


def reach_of(address: IPAddress) -> Reach:
    """Tell how near an address is; one that carries another is as near as the nearer of the two."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return reach_of(inner)
        if address in _TEREDO or address.is_site_local:
            return Reach.FORBIDDEN  # no registry is there, and what they lead to cannot be told
    if address in _METADATA or address.is_link_local or address.is_unspecified or address.is_multicast:
        return Reach.FORBIDDEN
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.is_reserved and address.version == 4:
        return Reach.FORBIDDEN
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), if it does."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def literal(host: str) -> IPAddress | None:
    """Return the address that a host is, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by what it is called."""
    address = literal(host)
    return host == "localhost" if address is None else reach_of(address) is Reach.LOOPBACK


class Url(Struct, frozen=True):
    """An address of HTTP: scheme, host (lower case, IPv6 without brackets), port, and path with query."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, value: str, what: str) -> Url:
        """Parse an absolute address; `what` names it in errors. Raises `Unavailable`.

        User names, fragments, backslashes, spaces, other schemes, and numbers that only some readers take for addresses
        (`127.1`, `0x7f000001`) are refused.
        """
        match = _URL.fullmatch(value) if len(value) <= _LONGEST else None
        if match is None:
            raise _refused(what, value)
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
        port = int(match["port"] or PORTS[scheme])
        numeric = "[" in match["host"] or _NUMBER.fullmatch(host.rpartition(".")[2])
        if (numeric and literal(host) is None) or ".." in host or not 0 < port < 65_536:
            raise _refused(what, value)
        target = match["target"] or "/"
        return cls(scheme, host, port, target if target.startswith("/") else f"/{target}")

    def join(self, location: str, what: str) -> Url:
        """Return what an address given by a page of this one means, absolute or relative."""
        if not _VISIBLE.fullmatch(location) or len(location) > _LONGEST or _OTHER_SCHEME.match(location):
            raise _refused(what, location)
        try:
            return Url.parse(urllib.parse.urljoin(str(self), location), what)
        except ValueError:
            raise _refused(what, location) from None

    @property
    def authority(self) -> str:
        """`host[:port]` as a reference or the configuration writes it, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What makes two addresses the same server."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def check_literal(url: Url, allowed: Reach, what: str) -> None:
    """Refuse a host that is an address, where that is nearer than allowed; names are checked when they are resolved."""
    address = literal(url.host)
    if address is not None:
        check_reach(url.host, address, allowed, what)


def check_reach(host: str, address: IPAddress, allowed: Reach, what: str = "") -> None:
    """Raise `Unavailable` where an address is nearer than allowed."""
    reach = reach_of(address)
    if reach <= min(allowed, Reach.LOOPBACK):
        return
    subject = f"{what or 'the registry'} is at {host[:200]!r}" + (
        f", which is {address}" if str(address) != host else ""
    )
    if reach is Reach.FORBIDDEN:
        raise Unavailable(
            f"{subject}: link-local and metadata addresses are never contacted",
            hint="no registry belongs there; look at what the name resolves to",
        )
    raise Unavailable(
        f"{subject}, a {reach.name.lower()} address that a registry elsewhere must not lead to",
        hint="only a registry that is itself at such an address may; find out why it does",
    )


def _refused(what: str, value: str) -> Unavailable:
    """Build the error for an address that cannot be used; it may hold secrets behind its path, so little is quoted."""
    shown = re.split(r"[?#]", value, maxsplit=1)[0]
    shown = re.sub(r"//[^/]*@", "//***@", shown)
    return Unavailable(
        f"{what} is not an address that can be used: {shown[:200]!r}",
        hint="it must be http or https, with a plain host and without user name",
    )
