"""TLS through proxies that connect to the server (CONNECT)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.registry.address import Url
from gate.registry.messages import Request
from tests.kit.certificates import Authority
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.proxy import proxy_to
from tests.kit.registry import serving_registry
from tests.registry.conftest import Names, Sender

IMAGES = {"shop/api:1.4": CLEAN_IMAGE}
SECRET = "Bearer the-secret"
NAME = "registry.example.com"
URL = Url.parse(f"https://{NAME}/v2/", "x")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_to_a_registry_with_tls(scheme: str, authority: Authority, transport: Sender, names: Names) -> None:
    """The proxy learns the host alone; only the server, whose certificate is verified, learns the rest."""
    tls = authority.server() if scheme == "https" else None
    with (
        serving_registry(IMAGES, tls=authority.server(NAME)) as registry,
        proxy_to(registry.host, tls=tls) as proxy,
    ):
        sender = transport(proxy=f"{scheme}://me:hunter2%40@{proxy.host}", ca_file=str(authority.ca_file))
        for _ in range(3):
            assert sender.send(Request(URL, {}, SECRET)).body(100) == b"{}"
        assert registry.connections == 1
        assert registry.credentials("registry") == {SECRET}
        assert sender.proxied == {NAME}
        sender.close()
    assert proxy.heads == [
        f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\nProxy-Authorization: Basic bWU6aHVudGVyMkA=\r\n\r\n"
    ]
    assert names == {}


def test_an_address_of_ipv6(authority: Authority, transport: Sender) -> None:
    with proxy_to("127.0.0.1:9", answer="502 Bad Gateway") as proxy:
        sender = transport(proxy=f"http://{proxy.host}")
        with pytest.raises(Unavailable, match=r"proxy does not lead to '\[2001:db8::1\]:5000': .*502"):
            sender.send(Request(Url.parse("https://[2001:db8::1]:5000/v2/", "x")))
    assert proxy.heads == ["CONNECT [2001:db8::1]:5000 HTTP/1.1\r\nHost: [2001:db8::1]:5000\r\n\r\n"]


def test_a_proxy_is_not_the_server(authority: Authority, transport: Sender) -> None:
    """What stands behind the proxy must have the certificate of the name."""
    with (
        serving_registry(IMAGES, tls=authority.server("other.example.com")) as registry,
        proxy_to(registry.host) as proxy,
    ):
        sender = transport(proxy=f"http://{proxy.host}", ca_file=str(authority.ca_file))
        with pytest.raises(Unavailable, match=f"certificate of '{NAME}' cannot be verified"):
            sender.send(Request(URL, {}, SECRET))
        sender.close()
        assert registry.calls == []


def test_a_proxy_whose_certificate_is_of_nobody_we_know(tmp_path: Path, transport: Sender) -> None:
    with proxy_to("127.0.0.1:9", tls=Authority(tmp_path).server()) as proxy:
        sender = transport(proxy=f"https://me:hunter2@{proxy.host}")
        with pytest.raises(Unavailable, match="proxy does not lead") as caught:
            sender.send(Request(URL))
        assert "hunter2" not in str(caught.value)
    assert proxy.heads == []


def test_a_proxy_that_is_silent(transport: Sender) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = transport(proxy=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Unavailable, match="too long"):
            sender.send(Request(URL, seconds=0.3))


@pytest.mark.parametrize("place", ["127.0.0.1:99999", "0x7f.1:80", "[::g]:80", "a..b:80"])
def test_a_proxy_at_no_address(place: str, transport: Sender) -> None:
    with pytest.raises(Unavailable, match="the address of the proxy cannot be used") as caught:
        transport(proxy=f"http://me:hunter2@{place}").send(Request(URL))
    assert "hunter2" not in str(caught.value)
