from __future__ import annotations

from typing import Any

import pytest

from gate.errors import Unavailable
from gate.registry import RegistrySettings
from gate.registry.address import Url
from gate.registry.proxies import proxy_for

HTTPS = Url.parse("https://registry.example.com/v2/", "x")
HTTP = Url.parse("http://registry.example.com:5000/v2/", "x")
PROXY, OTHER = "http://proxy.example.com:3128", "http://other.example.com:3128"


def proxy(url: Url = HTTPS, proxy: str = "", **environment: str) -> str:
    return proxy_for(url, RegistrySettings(proxy=proxy, environment=environment))


def test_none_where_nobody_names_one() -> None:
    assert proxy() == ""
    assert proxy(HTTP_PROXY=PROXY) == ""
    assert proxy(HTTP, HTTPS_PROXY=PROXY) == ""


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_by_the_environment(name: str) -> None:
    environment: dict[str, Any] = {name: PROXY}
    assert proxy(**environment) == PROXY


def test_by_the_scheme() -> None:
    both: dict[str, Any] = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": OTHER}
    assert proxy(HTTP, **both) == PROXY
    assert proxy(HTTPS, **both) == OTHER


def test_lower_case_comes_first_and_the_caller_before_both() -> None:
    assert proxy(https_proxy=PROXY, HTTPS_PROXY=OTHER) == PROXY
    assert proxy(proxy=PROXY, https_proxy=OTHER) == PROXY


def test_a_header_of_a_request_to_us_names_no_proxy() -> None:
    assert proxy(HTTP, HTTP_PROXY=PROXY, REQUEST_METHOD="GET") == ""
    assert proxy(HTTP, http_proxy=PROXY, REQUEST_METHOD="GET") == PROXY


def test_an_address_without_scheme() -> None:
    assert proxy(proxy="proxy.example.com:3128") == "http://proxy.example.com:3128"
    assert proxy(proxy="user:password@proxy.example.com") == "http://user:password@proxy.example.com"


@pytest.mark.parametrize(
    "url", ["https://localhost:5000/", "http://127.0.0.1:5000/", "https://[::1]/", "http://127.8.8.8/"]
)
def test_this_machine_is_asked_without(url: str) -> None:
    assert proxy(Url.parse(url, "x"), proxy=PROXY) == ""


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "https://registry.example.com/", True),
        ("registry.example.com", "https://registry.example.com/", True),
        ("REGISTRY.example.com", "https://registry.example.com/", True),
        ("example.com", "https://registry.example.com/", True),
        (".example.com", "https://registry.example.com/", True),
        ("*.example.com", "https://registry.example.com/", True),
        ("other.example.com example.com", "https://registry.example.com/", True),
        ("other.example.com, example.com", "https://registry.example.com/", True),
        ("ample.com", "https://registry.example.com/", False),
        ("registry.example.com.evil.example.org", "https://registry.example.com/", False),
        ("registry.example.com:443", "https://registry.example.com/", True),
        ("registry.example.com:5000", "https://registry.example.com/", False),
        ("registry.example.com:5000", "https://registry.example.com:5000/", True),
        ("10.0.0.1", "https://10.0.0.1/", True),
        ("10.0.0.0/8", "https://10.9.9.9/", True),
        ("10.0.0.5/8", "https://10.9.9.9/", True),
        ("192.168.0.0/16", "https://10.9.9.9/", False),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/", True),
        ("0.0.0.1", "https://10.0.0.1/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("[fd00::1]", "https://[fd00::1]/", True),
        (",, ,", "https://registry.example.com/", False),
        ("", "https://registry.example.com/", False),
    ],
)
def test_what_is_asked_without(no_proxy: str, url: str, direct: bool) -> None:
    assert proxy(Url.parse(url, "x"), proxy=PROXY, NO_PROXY=no_proxy) == ("" if direct else PROXY)


@pytest.mark.parametrize(
    "address", ["socks5://user:hunter2@proxy.example.com", "ftp://proxy.example.com", "http://", "http://a b", "http://user:hunter2@"]
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(Unavailable, match="proxy cannot be used") as caught:
        proxy(proxy=address)
    assert "hunter2" not in str(caught.value)
