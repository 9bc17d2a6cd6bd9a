"""Files that this machine wrote itself: each carries a code made with the machine's key, and is whole or not there."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

_CODE = 32
"""Bytes of the code in front of each file (HMAC-SHA256)."""
_DECODING = threading.Lock()


def decoded(body: memoryview, kind: type[T]) -> T:
    """Decode what was read as a value of `kind`; raises `msgspec.MsgspecError` for what is none.

    One thread at a time: where two are the first to decode a type, msgspec (0.22) hands one of them what the other has
    not filled in yet, and the process dies of it.
    """
    with _DECODING:
        return msgspec.msgpack.decode(body, type=kind)


class SealedFolder:
    """Files below one folder; what was changed, cut, renamed or written with another key is as good as not there."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def read(self, name: str, limit: int) -> memoryview | None:
        """Return what was written under a name; None where there is nothing, or more than `limit` bytes."""
        path = self._folder / name
        try:
            with path.open("rb") as file:
                data = file.read(_CODE + limit + 1)
            os.utime(path)  # what was used last is removed last
        except OSError:
            return None
        code, body = data[:_CODE], memoryview(data)[_CODE:]
        whole = len(body) <= limit and hmac.compare_digest(code, self._code(name, body))
        return body if whole else None

    def write(self, name: str, body: bytes) -> None:
        """Write a file, if the disk takes it."""
        temporary = self._folder / f".{name[:64]}-{os.urandom(8).hex()}"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as file:
                    file.write(self._code(name, body))
                    file.write(body)
                temporary.replace(self._folder / name)
            finally:
                temporary.unlink(missing_ok=True)

    def _code(self, name: str, body: bytes | memoryview) -> bytes:
        """Return the code of a file under its name, so that none can stand in for another."""
        return hmac.digest(
            self._key,
            hmac.digest(self._key, name.encode(), "sha256") + hashlib.sha256(body).digest(),
            "sha256",
        )
