"""Registry clients that are closed after the test, and retries that do not wait long."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.registry import RegistrySettings
from gate.registry.address import IPAddress, Reach, reach_of
from gate.registry.client import RegistryClient
from gate.registry.transport import Transport

Client = Callable[..., RegistryClient]
Sender = Callable[..., Transport]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)


@pytest.fixture
def client() -> Iterator[Client]:
    """Make a client with these settings, for `seconds`."""
    with ExitStack() as stack:

        def make(seconds: float = 30, **settings: Any) -> RegistryClient:
            made = RegistryClient(RegistrySettings(**settings), Deadline(seconds))
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def transport() -> Iterator[Sender]:
    """Make a transport with these settings, for `seconds`."""
    with ExitStack() as stack:

        def make(seconds: float = 30, **settings: Any) -> Transport:
            made = Transport(RegistrySettings(**settings), Deadline(seconds))
            stack.callback(made.close)
            return made

        yield make


Names = dict[str, str]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The addresses of host names, as a name server would tell them; what is not in it does not exist."""
    known: Names = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: Any, **named: Any) -> Any:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for each in known[host].split() for found in real(each, port, *arguments, **named)]

    monkeypatch.setattr("gate.registry.connect.socket.getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def public(names: Names, monkeypatch: pytest.MonkeyPatch) -> Names:
    """The same, and 127.0.0.1, where the servers of tests listen, counts as an address of the public internet."""

    def reach(address: IPAddress) -> Reach:
        return Reach.PUBLIC if str(address) == "127.0.0.1" else reach_of(address)

    monkeypatch.setattr("gate.registry.connect.reach_of", reach)
    monkeypatch.setattr("gate.registry.address.reach_of", reach)
    return names
