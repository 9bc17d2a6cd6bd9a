"""Fetch one file from an address, bounded in size and time, to a private file; its caller decides what it is worth."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry import RegistrySettings

if TYPE_CHECKING:
    from gate.registry.transport import Transport


class NotThere(Unavailable):
    """An address whose server says that there is nothing."""


class Download(Struct, frozen=True):
    """What is fetched from where: `what` names it in errors, `limit` are the most bytes, `hint` says what helps."""

    address: str
    what: str
    limit: int
    hint: str


def download(wanted: Download, target: Path, settings: RegistrySettings, deadline: Deadline) -> str:
    """Write what an address answers to a file and return its digest; tried again where that may help.

    Nothing is believed of the answer but its bytes, which the caller compares or looks into. Raises `Unavailable`, and its kind
    `NotThere` where there is nothing.
    """
    from gate.registry.retries import persist  # here and below: few runs need the network
    from gate.registry.transport import Transport

    with contextlib.closing(Transport(settings, deadline)) as transport:
        return persist(deadline, _attempt(transport, wanted, target))


def _attempt(transport: Transport, wanted: Download, target: Path) -> Callable[[], str]:
    """Return what downloads once."""
    from gate.registry.address import Url
    from gate.registry.messages import Request
    from gate.registry.retries import TRANSIENT, Transient

    url = Url.parse(wanted.address, f"the address of {wanted.what}")
    transport.check_scheme(url, wanted.what)

    def once() -> str:
        answer = transport.send(Request(url, seconds=max(transport.deadline.left, 1.0)))
        with contextlib.closing(answer), target.open("wb") as written:
            if answer.status != 200:
                failure = Transient if answer.status in TRANSIENT else Unavailable
                raise (NotThere if answer.status in (404, 410) else failure)(
                    f"{url.authority!r} answers {answer.status} for {wanted.what}", hint=wanted.hint
                )
            chunks = iter(lambda: answer.read(LIMITS.chunk), b"")
            return write(bounded(chunks, wanted.limit), written)

    return once


def bounded(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield chunks as long as they are no more than `limit` bytes together; raises `Unavailable`."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise Unavailable(f"what was fetched has more than {limit:,} bytes")
        yield chunk


def write(chunks: Iterable[bytes], written: BinaryIO) -> str:
    """Write chunks and return the digest of what was written."""
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
        written.write(chunk)
    return f"sha256:{hashed.hexdigest()}"
