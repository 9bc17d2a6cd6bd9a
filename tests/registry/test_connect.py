from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gate.errors import Unavailable
from gate.registry.address import Reach
from gate.registry.connect import Connector
from gate.registry.retries import Transient
from tests.registry.conftest import Names

HOST = "registry.example.com"


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def reached(host: str, port: int, allowed: Reach = Reach.LOOPBACK, connector: Connector | None = None) -> str:
    """Connect, and return the address that was connected to."""
    with (connector or Connector()).connect(host, port, allowed, 5) as connected:
        return str(connected.getpeername()[0])


def test_an_address_and_a_name(port: int) -> None:
    assert reached("127.0.0.1", port) == "127.0.0.1"
    assert reached("localhost", port) == "127.0.0.1"


def test_the_first_address_that_may_be_contacted(port: int, public: Names) -> None:
    public[HOST] = "169.254.169.254 10.0.0.1 127.0.0.1"
    assert reached(HOST, port, Reach.PUBLIC) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "allowed", "message"),
    [
        ("169.254.169.254", Reach.LOOPBACK, "never contacted"),
        ("::ffff:169.254.169.254", Reach.LOOPBACK, "never contacted"),
        ("10.0.0.1", Reach.PUBLIC, "a private address"),
        ("127.0.0.2", Reach.PUBLIC, "a loopback address"),
        ("127.0.0.2", Reach.PRIVATE, "a loopback address"),
        ("0.0.0.0", Reach.LOOPBACK, "never contacted"),
    ],
)
def test_a_name_that_leads_nearer_than_allowed(
    address: str, allowed: Reach, message: str, names: Names
) -> None:
    names[HOST] = address
    with pytest.raises(Unavailable, match=message):
        reached(HOST, 9, allowed)


def test_what_was_checked_is_what_is_connected_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that says something else the second time is not asked a second time."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    real = socket.getaddrinfo
    monkeypatch.setattr(
        "gate.registry.connect.socket.getaddrinfo",
        lambda _, *rest, **named: real(next(answers), *rest, **named),
    )
    assert reached(HOST, port) == "127.0.0.1"


def test_how_near_a_host_is(port: int, public: Names) -> None:
    connector = Connector()
    assert connector.reach(HOST, port) is Reach.PUBLIC  # nobody knows yet
    assert connector.reach("10.0.0.1", port) is Reach.PRIVATE
    public[HOST] = "127.0.0.1"
    reached(HOST, port, connector=connector)
    assert connector.reach(HOST, port) is Reach.PUBLIC


def test_a_host_that_was_ever_public_stays_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a registry could move to a private address for a moment to be allowed to lead there."""
    connector = Connector()
    seen = iter([Reach.PRIVATE] * 2 + [Reach.PUBLIC] * 2 + [Reach.PRIVATE] * 2)
    monkeypatch.setattr("gate.registry.connect.reach_of", lambda _: next(seen))
    monkeypatch.setattr("gate.registry.connect.literal", lambda _: None)
    expected = [Reach.PRIVATE, Reach.PUBLIC, Reach.PUBLIC]
    for reach in expected:
        reached("localhost", port, connector=connector)
        assert connector.reach("localhost", port) is reach


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match=f"cannot be reached at port {port}: Connection refused") as caught:
        reached("127.0.0.1", port)
    assert not isinstance(caught.value, Transient)


def test_a_name_that_is_not_there(names: Names) -> None:
    with pytest.raises(Unavailable, match="cannot be found out: Name or service not known") as caught:
        reached(HOST, 443)
    assert not isinstance(caught.value, Transient)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), False),
        (UnicodeError("label too long"), False),
    ],
)
def test_name_servers_that_fail(error: Exception, transient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("gate.registry.connect.socket.getaddrinfo", fail)
    with pytest.raises(Unavailable) as caught:
        reached(HOST, 443)
    assert isinstance(caught.value, Transient) == transient


def test_a_name_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.connect.socket.getaddrinfo", lambda *_, **__: [])
    with pytest.raises(Unavailable, match="has no address"):
        reached(HOST, 443)


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(
        "gate.registry.connect.socket.getaddrinfo", lambda *_, **__: [None] * silent.wait(30) and []
    )
    start = time.monotonic()
    with pytest.raises(Transient, match="no name server tells"):
        Connector().connect(HOST, 443, Reach.LOOPBACK, 0.2)
    assert time.monotonic() - start < 5
    silent.set()


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("gate.registry.connect._open", late)
    with pytest.raises(Transient, match="cannot be reached within"):
        reached("127.0.0.1", 443)
