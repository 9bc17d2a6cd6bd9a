"""Registry clients that are closed after the test, and retries that do not wait long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.registry import RegistrySettings
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
