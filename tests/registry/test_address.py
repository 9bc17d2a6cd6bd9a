from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import Unavailable
from gate.registry.address import Reach, Url, check_literal, is_loopback, literal, reach_of

PUBLIC, PRIVATE, LOOPBACK, FORBIDDEN = Reach.PUBLIC, Reach.PRIVATE, Reach.LOOPBACK, Reach.FORBIDDEN


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("8.8.8.8", PUBLIC),
        ("2606:4700::1111", PUBLIC),
        ("10.1.2.3", PRIVATE),
        ("172.16.0.1", PRIVATE),
        ("192.168.1.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("198.18.0.1", PRIVATE),
        ("fd12:3456::1", PRIVATE),
        ("127.0.0.1", LOOPBACK),
        ("127.255.0.1", LOOPBACK),
        ("::1", LOOPBACK),
        ("169.254.169.254", FORBIDDEN),
        ("169.254.0.1", FORBIDDEN),
        ("fe80::1", FORBIDDEN),
        ("fd00:ec2::254", FORBIDDEN),
        ("fd20:ce::254", FORBIDDEN),
        ("100.100.100.200", FORBIDDEN),
        ("168.63.129.16", FORBIDDEN),
        ("192.0.0.192", FORBIDDEN),
        ("0.0.0.0", FORBIDDEN),
        ("::", FORBIDDEN),
        ("224.0.0.1", FORBIDDEN),
        ("ff02::1", FORBIDDEN),
        ("255.255.255.255", FORBIDDEN),
        ("240.0.0.1", FORBIDDEN),
        ("fec0::1", FORBIDDEN),
        # Addresses that carry another one.
        ("::ffff:8.8.8.8", PUBLIC),
        ("::ffff:169.254.169.254", FORBIDDEN),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("::ffff:10.0.0.1", PRIVATE),
        ("64:ff9b::8.8.8.8", PUBLIC),
        ("64:ff9b::a9fe:a9fe", FORBIDDEN),
        ("64:ff9b::127.0.0.1", LOOPBACK),
        ("2002:a9fe:a9fe::", FORBIDDEN),
        ("2002:0a00:0001::", PRIVATE),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", FORBIDDEN),
    ],
)
def test_how_near_an_address_is(address: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(address)) is reach


@given(st.ip_addresses())
def test_every_address_has_a_reach(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    reach = reach_of(address)
    if address.is_link_local:
        assert reach is FORBIDDEN
    if reach is PUBLIC and address.version == 4:
        assert address.is_global


@pytest.mark.parametrize(
    ("value", "parts", "again"),
    [
        ("https://registry.example.com", ("https", "registry.example.com", 443, "/"), "https://registry.example.com/"),
        ("HTTPS://Registry.Example.COM/V2/", ("https", "registry.example.com", 443, "/V2/"),
         "https://registry.example.com/V2/"),
        ("http://localhost:5000/v2/?a=b&c=%2F", ("http", "localhost", 5000, "/v2/?a=b&c=%2F"), None),
        ("https://10.0.0.1:443/x", ("https", "10.0.0.1", 443, "/x"), "https://10.0.0.1/x"),
        ("http://[::1]:5000/x", ("http", "::1", 5000, "/x"), None),
        ("https://[FE80::1]", ("https", "fe80::1", 443, "/"), "https://[fe80::1]/"),
        ("https://my_bucket.s3.example.com/a?X-Amz-Signature=00", ("https", "my_bucket.s3.example.com", 443,
         "/a?X-Amz-Signature=00"), None),
        ("https://registry.example.com?x=1", ("https", "registry.example.com", 443, "/?x=1"),
         "https://registry.example.com/?x=1"),
    ],
)  # fmt: skip
def test_an_address_is_read(value: str, parts: tuple[str, str, int, str], again: str | None) -> None:
    url = Url.parse(value, "x")
    assert (url.scheme, url.host, url.port, url.target) == parts
    assert str(url) == (again or value)
    assert Url.parse(str(url), "x") == url


@pytest.mark.parametrize(
    "value",
    [
        "", "registry.example.com", "//registry.example.com/", "ftp://registry.example.com/", "file:///etc/passwd",
        "javascript:alert(1)", "https:/registry.example.com", "https:///x", "https://", "https://user@registry.example.com/",
        "https://user:password@registry.example.com/", "https://registry.example.com@evil.example.org/",
        "https://registry.example.com\\@evil.example.org/", "https://registry.example.com:0/", "https://registry.example.com:65536/",
        "https://registry.example.com:/", "https://registry.example.com:443:443/", "https://registry.example.com:-1/",
        "https://registry.example.com:٤٤٣/", "https://regıstry.example.com/", "https://registry.example.com/#fragment",
        "https://registry.example.com/a b", "https://registry.example.com/\r\nHost: evil", "https://registry.example.com/\x00",
        "https://registry.example.com/ü", "https://registry.example.com\t/", " https://registry.example.com/",
        "https://registry.example.com/\n", "https://registry.example.com./", "https://.example.com/", "https://a..b/", "https://-a.example/",
        # Numbers that some readers take for addresses.
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://1.2.3.256/",
        "https://169.254.169.254.0x0/", "https://[::1/", "https://::1/", "https://[fe80::1%25eth0]/", "https://[1.2.3.4]x/", "https://[]/",
        "https://registry.example.com/" + "a" * 20_000,
    ],
)  # fmt: skip
def test_an_address_that_readers_differ_on_is_refused(value: str) -> None:
    with pytest.raises(Unavailable, match="not an address that can be used"):
        Url.parse(value, "x")


def test_no_secret_of_an_address_is_quoted() -> None:
    with pytest.raises(Unavailable) as caught:
        Url.parse("https://user:hunter2@registry.example.com/?signature=hunter3#x", "the place")
    assert "hunter" not in str(caught.value)
    assert "registry.example.com" in str(caught.value)


@given(st.text(max_size=80) | st.from_regex(r"https?://[ -~]{0,40}"))
def test_whatever_is_read_is_read_the_same_again(value: str) -> None:
    try:
        url = Url.parse(value, "x")
    except Unavailable:
        return
    assert Url.parse(str(url), "x") == url
    assert "@" not in url.host
    assert str(url).isascii()


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v2/x?y=z", "https://registry.example.com:5000/v2/x?y=z"),
        ("?again=1", "https://registry.example.com:5000/v2/a?again=1"),
        ("b", "https://registry.example.com:5000/v2/b"),
        ("../c", "https://registry.example.com:5000/c"),
        ("//storage.example.com/x", "https://storage.example.com/x"),
        ("https://storage.example.com/x", "https://storage.example.com/x"),
        ("http://storage.example.com:80/", "http://storage.example.com/"),
    ],
)
def test_a_location_is_joined(location: str, expected: str) -> None:
    assert str(Url.parse("https://registry.example.com:5000/v2/a", "x").join(location, "x")) == expected


@pytest.mark.parametrize(
    "location",
    ["", " /x", "/x\n", "java\tscript:x", "file:///etc/passwd", "//user@host/", "https://[", "//\\evil.example.org", "\\\\evil", "/ü",
     "https:evil.example.org", "mailto:a@b", "data:text/html,x", "/" + "a" * 20_000],
)  # fmt: skip
def test_a_location_that_readers_differ_on_is_refused(location: str) -> None:
    with pytest.raises(Unavailable):
        Url.parse("https://registry.example.com/v2/a", "x").join(location, "x")


@pytest.mark.parametrize(
    ("host", "allowed", "refused"),
    [
        ("registry.example.com", PUBLIC, ""),
        ("8.8.8.8", PUBLIC, ""),
        ("10.0.0.1", PUBLIC, "a private address"),
        ("10.0.0.1", PRIVATE, ""),
        ("127.0.0.1", PRIVATE, "a loopback address"),
        ("127.0.0.1", LOOPBACK, ""),
        ("169.254.169.254", LOOPBACK, "never contacted"),
        ("169.254.169.254", FORBIDDEN, "never contacted"),
        ("[::ffff:a9fe:a9fe]", LOOPBACK, "never contacted"),
    ],
)
def test_a_literal_address_is_checked(host: str, allowed: Reach, refused: str) -> None:
    url = Url.parse(f"https://{host}/", "x")
    if not refused:
        return check_literal(url, allowed, "the place")
    with pytest.raises(Unavailable, match=refused):
        check_literal(url, allowed, "the place")
    return None


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("localhost.example.com", False), ("127.0.0.1.example.com", False), ("10.0.0.1", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_what_this_machine_is_called(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_a_name_is_no_literal() -> None:
    assert literal("registry.example.com") is None
    assert literal("localhost") is None
    assert str(literal("10.0.0.1")) == "10.0.0.1"
