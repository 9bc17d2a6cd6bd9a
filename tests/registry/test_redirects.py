from __future__ import annotations

from typing import Any

import pytest

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry import HostSettings
from gate.registry.address import Reach, Url
from gate.registry.messages import Request
from tests.kit.certificates import Authority
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.registry.conftest import Names, Sender

IMAGES = {"shop/api:1.4": CLEAN_IMAGE}
SECRET = "Bearer the-secret"


def at(registry: Registry, path: str = "/v2/", host: str = "") -> Url:
    """Return an address of a registry."""
    return Url.parse(f"{registry.scheme}://{host or registry.host}{path}", "x")


def test_credentials_stay_with_the_server_they_are_for(transport: Sender) -> None:
    with serving_registry(IMAGES, blobs_elsewhere=True) as registry:
        request = Request(at(registry, f"/v2/shop/api/blobs/{CLEAN_IMAGE.config.digest}"), {}, SECRET)
        answer = transport().send(request)
        assert answer.body(10_000) == CLEAN_IMAGE.config.data
        assert answer.url.authority == registry.hosts["storage"]
        assert registry.credentials("registry") == {SECRET}
        assert registry.credentials("storage") == set()


def test_and_go_along_on_a_redirect_to_the_same_server(transport: Sender) -> None:
    with serving_registry(IMAGES, redirect={"ping": "/v2/shop/api/tags/list"}) as registry:
        transport().send(Request(at(registry), {}, SECRET)).close()
        assert [call.authorization for call in registry.calls] == [SECRET, SECRET]


def test_redirects_are_followed_only_so_far(transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("ping", "redirect-loop")]) as registry:
        with pytest.raises(Unavailable, match="redirects more than 5 times"):
            transport().send(Request(at(registry)))
        assert registry.count("ping") == LIMITS.redirects + 1
        answer = transport().send(Request(at(registry), redirects=0))
        assert answer.status == 307
        answer.close()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("file:///etc/passwd", "not an address that can be used"),
        ("http://user:hunter2@127.0.0.1/", "not an address that can be used"),
        ("", "not an address that can be used"),
        ("http://169.254.169.254/latest/meta-data/", "never contacted"),
        ("http://[::ffff:169.254.169.254]/", "without TLS"),
        ("https://[::ffff:169.254.169.254]/", "never contacted"),
        ("http://registry.example.com/", "is without TLS"),
        ("http://metadata.example.com/", "is without TLS"),
        ("https://metadata.example.com/", "never contacted"),
    ],
)
def test_where_a_registry_on_this_machine_may_not_lead(
    location: str, message: str, transport: Sender, names: Names
) -> None:
    names["metadata.example.com"] = "169.254.169.254"
    with (
        serving_registry(IMAGES, redirect={"ping": location}) as registry,
        pytest.raises(Unavailable) as caught,
    ):
        transport().send(Request(at(registry)))
    assert message in str(caught.value) or "never contacted" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("https://10.0.0.5/x", "a private address"),
        ("https://inside.example.com/x", "a private address"),
        ("https://127.0.0.2/x", "a loopback address"),
        ("https://here.example.com/x", "a loopback address"),
        ("https://metadata.example.com/x", "never contacted"),
        ("https://localhost:1/x", "a loopback address"),
    ],
)
def test_a_public_registry_leads_to_public_addresses_alone(
    location: str, message: str, transport: Sender, public: Names
) -> None:
    public |= {
        "registry.example.com": "127.0.0.1", "inside.example.com": "10.0.0.5", "here.example.com": "127.0.0.2",
        "localhost": "127.0.0.2", "metadata.example.com": "169.254.169.254",
    }  # fmt: skip
    with serving_registry(IMAGES, redirect={"ping": location}) as registry:
        port = registry.host.rpartition(":")[2]
        host = f"registry.example.com:{port}"
        sender = transport(hosts={host: HostSettings(plain_http=True)})
        with pytest.raises(Unavailable, match=message):
            sender.send(Request(at(registry, host=host)))


def test_a_private_registry_leads_to_private_addresses_but_not_to_this_machine(
    transport: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.registry.transport.Transport.reach", lambda *_: Reach.PRIVATE)
    with serving_registry(IMAGES, redirect={"ping": "https://127.0.0.3/x"}) as registry:
        with pytest.raises(Unavailable, match="a loopback address"):
            transport().send(Request(at(registry)))
        registry.behaviour.redirect = {"ping": "https://10.255.255.1:1/x"}
        with pytest.raises(Unavailable) as caught:
            transport(1).send(Request(at(registry), seconds=0.3))
        assert "private address" not in str(caught.value)


def test_never_from_tls_to_none(transport: Sender, tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    with (
        serving_registry(
            IMAGES, redirect={"ping": "http://127.0.0.1:9/x"}, tls=authority.server()
        ) as registry,
        pytest.raises(Unavailable, match="from TLS to a server without it"),
    ):
        transport(ca_file=str(authority.ca_file)).send(Request(at(registry)))
