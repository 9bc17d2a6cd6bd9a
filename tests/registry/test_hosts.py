from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.oci.reference import Reference
from gate.registry import HostSettings
from gate.registry.address import Url
from gate.registry.hosts import Endpoint, Hosts, is_safe
from tests.kit.certificates import Authority
from tests.kit.registry import Fault, serving_registry
from tests.registry.conftest import Sender


def test_docker_hub_is_served_by_another_host(transport: Sender) -> None:
    endpoint = Hosts(transport()).endpoint(("docker.io", False))
    assert str(endpoint.url) == "https://registry-1.docker.io/"
    assert endpoint.key == "docker.io"
    assert str(endpoint.at(Reference.parse("alpine"), "tags/list")) == (
        "https://registry-1.docker.io/v2/library/alpine/tags/list"
    )


def test_mirrors_come_first_in_their_order(transport: Sender) -> None:
    settings = HostSettings(mirrors=("mirror.example.com/hub/", "other.example.com:5000"))
    hosts = Hosts(transport(hosts={"docker.io": settings}))
    found = [hosts.endpoint(key) for key in hosts.keys("docker.io")]
    alpine = Reference.parse("alpine:3")
    assert [str(each.at(alpine, "manifests/3")) for each in found] == [
        "https://mirror.example.com/v2/hub/library/alpine/manifests/3",
        "https://other.example.com:5000/v2/library/alpine/manifests/3",
        "https://registry-1.docker.io/v2/library/alpine/manifests/3",
    ]
    assert [each.mirror for each in found] == [True, True, False]
    assert [each.key for each in found] == ["mirror.example.com", "other.example.com:5000", "docker.io"]
    assert [each.repository(alpine) for each in found] == [
        "hub/library/alpine",
        "library/alpine",
        "library/alpine",
    ]


def test_a_registry_elsewhere_is_asked_over_tls_unless_said_otherwise(transport: Sender) -> None:
    plain = {"registry.example.com:5000": HostSettings(plain_http=True)}
    hosts = Hosts(transport(hosts=plain))
    assert (
        str(hosts.endpoint(("registry.example.com:5000", False)).url) == "http://registry.example.com:5000/"
    )
    assert str(hosts.endpoint(("registry.example.com", False)).url) == "https://registry.example.com/"
    assert str(hosts.endpoint(("10.0.0.1:5000", False)).url) == "https://10.0.0.1:5000/"


@pytest.mark.parametrize(
    "mirror",
    [
        "",
        "https://mirror.example.com",
        "user@mirror.example.com",
        "mirror.example.com/a?b",
        "a b",
        "mirror.example.com/#x",
    ],
)
def test_a_mirror_that_is_none(mirror: str, transport: Sender) -> None:
    with pytest.raises(Unavailable, match=r"the mirror .*is not"):
        Hosts(transport()).endpoint((mirror, True))


def test_this_machine_is_asked_what_it_speaks(transport: Sender, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving_registry() as plain, serving_registry(tls=authority.server()) as encrypted:
        hosts = Hosts(transport(ca_file=str(authority.ca_file)))
        assert hosts.endpoint((plain.host, False)).url.scheme == "http"
        assert hosts.endpoint((encrypted.host, False)).url.scheme == "https"
        hosts.endpoint((plain.host, False))
        assert plain.count("ping") == 1  # it is asked once


@pytest.mark.parametrize("status", ["401", "403", "404", "429", "500", "503"])
def test_any_answer_of_http_will_do(status: str, transport: Sender) -> None:
    with serving_registry({}, [Fault("ping", status)]) as registry:
        assert Hosts(transport()).endpoint((registry.host, False)).url.scheme == "http"


def test_a_certificate_that_is_not_trusted_is_no_reason_to_do_without(
    transport: Sender, tmp_path: Path
) -> None:
    with (
        serving_registry(tls=Authority(tmp_path).server()) as registry,
        pytest.raises(Unavailable, match="certificate"),
    ):
        Hosts(transport()).endpoint((registry.host, False))


def test_it_may_be_allowed_to_speak_plain_http_without_being_asked(transport: Sender) -> None:
    with serving_registry() as registry:
        hosts = Hosts(transport(hosts={registry.host: HostSettings(plain_http=True)}))
        assert hosts.endpoint((registry.host, False)).url.scheme == "http"
        assert registry.calls == []


@pytest.mark.parametrize(
    ("url", "safe"),
    [("https://registry.example.com/", True), ("http://registry.example.com/", False), ("http://127.0.0.1:5000/", True),
     ("http://localhost/", True), ("http://10.0.0.1/", False)],
)  # fmt: skip
def test_where_credentials_may_go(url: str, safe: bool) -> None:
    assert is_safe(Url.parse(url, "x")) == safe


def test_an_endpoint_without_prefix() -> None:
    name: Any = Reference.parse("registry.example.com/a/b@sha256:" + "0" * 64)
    endpoint = Endpoint("registry.example.com", Url.parse("https://registry.example.com/", "x"))
    assert endpoint.repository(name) == "a/b"
