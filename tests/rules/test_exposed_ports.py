from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gate.errors import InvalidInput
from gate.rules.exposed_ports import ExposedPortsOptions, check
from tests.kit.trees import config


def found(*ports: str, **options: Any) -> list[str]:
    settings = msgspec.convert(
        {name.replace("_", "-"): value for name, value in options.items()}, ExposedPortsOptions
    )
    return [finding.message for finding in check(config(ExposedPorts={port: {} for port in ports}), settings)]


@pytest.mark.parametrize(
    "ports", [(), ("8080/tcp",), ("443",), ("8000-8010/udp",), ("2222/tcp",), ("22000/tcp",)]
)
def test_passes_ordinary_ports(ports: tuple[str, ...]) -> None:
    assert found(*ports) == []


@pytest.mark.parametrize(
    ("port", "service"),
    [
        ("22/tcp", "ssh"),
        ("22", "ssh"),
        ("22/TCP", "ssh"),
        ("23/tcp", "telnet"),
        ("20-30/tcp", "ftp"),
        ("2375/tcp", "docker"),
    ],
)
def test_finds_ports_of_remote_administration(port: str, service: str) -> None:
    assert found(port) == [f"port {port} is exposed ({service}), which is forbidden"]


@pytest.mark.parametrize(
    "port", ["0/tcp", "65536/tcp", "99999", "80-70/tcp", "http", "80/icmp", "٨٠/tcp", "80/tcp/udp", ""]
)
def test_finds_what_is_no_port(port: str) -> None:
    assert len(found(port)) == 1


def test_only_allowed_ports_pass_where_some_are_named() -> None:
    assert found("8080/tcp", "8443", allowed=["8000-8999/tcp"]) == []
    assert found("8080/udp", allowed=["8000-8999/tcp"]) == [
        "port 8080/udp is exposed, and the policy does not allow it"
    ]
    assert found("8080/udp", allowed=["8080"]) == []
    assert len(found("8080-9000/tcp", allowed=["8000-8999"])) == 1
    assert len(found("8080/tcp", allowed=[])) == 1


def test_an_allowed_port_must_not_be_forbidden_either() -> None:
    assert len(found("22/tcp", allowed=["1-1024"])) == 1
    assert found("22/tcp", allowed=["22"], forbidden=[]) == []


def test_forbidden_ports_can_be_named() -> None:
    assert found("8080/tcp", forbidden=["8080/tcp"]) == ["port 8080/tcp is exposed, which is forbidden"]
    assert found("8080/udp", forbidden=["8080/tcp"]) == []


def test_privileged_ports_count_only_by_option() -> None:
    assert found("80/tcp") == []
    assert found("80/tcp", "1024/tcp", privileged=True) == ["port 80/tcp is exposed and below 1024"]


@pytest.mark.parametrize("port", ["80-70", "70000", "0"])
def test_refuses_ranges_that_are_none(port: str) -> None:
    with pytest.raises(InvalidInput, match="no port or range"):
        found("80/tcp", allowed=[port])


def test_refuses_other_texts_in_options() -> None:
    with pytest.raises(msgspec.ValidationError):
        found("80/tcp", allowed=["http"])
