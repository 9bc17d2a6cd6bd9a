"""Which proxy a request goes through: what the caller says, else what the environment says."""

from __future__ import annotations

import base64
import ipaddress
import re
import urllib.parse

from gate.errors import Unavailable
from gate.registry import RegistrySettings
from gate.registry.address import Url, is_loopback, literal

_PROXY = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^/?#]*@)?[^/?#@\s]+/?")


def proxy_for(url: Url, settings: RegistrySettings) -> str:
    """Return the address of the proxy for a URL, or nothing where there is to be none.

    Of `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` either spelling is read, the lower case one first; `HTTP_PROXY` in upper
    case is not where `REQUEST_METHOD` is set, because there it is a header of a request to us (CVE-2016-5385). `NO_PROXY` counts
    for both the caller's proxy and the environment's. This machine is never asked through a proxy.
    """
    environment = settings.environment

    def value(name: str) -> str:
        upper = "" if name == "http_proxy" and "REQUEST_METHOD" in environment else name.upper()
        return environment.get(name, "") or environment.get(upper, "")

    proxy = settings.proxy or value(f"{url.scheme}_proxy") or value("all_proxy")
    if not proxy or is_loopback(url.host) or _excepted(url, value("no_proxy")):
        return ""
    match = _PROXY.fullmatch(proxy)
    if match is None or (match["scheme"] or "http").lower() not in ("http", "https"):
        raise _refused()
    return proxy if match["scheme"] else f"http://{proxy}"


def place_and_login(proxy: str) -> tuple[Url, str]:
    """Return where a proxy is, and the `Proxy-Authorization` for it, empty where its address holds no login."""
    scheme, _, rest = proxy.partition("://")
    login, _, place = rest.rpartition("@")
    try:
        url = Url.parse(f"{scheme}://{place}", "the proxy")
    except Unavailable:
        raise _refused() from None
    user, _, password = login.partition(":")
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}".encode()
    return url, f"Basic {base64.b64encode(pair).decode()}" if user else ""


def _refused() -> Unavailable:
    """Build the error for an address that cannot be used; it may hold a password."""
    return Unavailable(
        "the address of the proxy cannot be used",
        hint="it must be http://[USER:PASSWORD@]HOST:PORT; look at --proxy, HTTPS_PROXY and HTTP_PROXY",
    )


def _excepted(url: Url, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names a host: `*`, a domain with all below it, a host with a port, an address or a network."""
    return any(_names(entry.lower(), url) for entry in re.split(r"[,\s]+", no_proxy) if entry)


def _names(entry: str, url: Url) -> bool:
    """Whether one entry names the host of a URL."""
    if entry == "*":
        return True
    address = literal(url.host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, _, port = entry.rpartition(":") if re.search(r":[0-9]{1,5}\Z", entry) else (entry, "", "")
    name = name.removeprefix("*").strip("[]").removeprefix(".")
    if not name or (port and int(port) != url.port):
        return False
    return url.host == name or (address is None and url.host.endswith(f".{name}"))
