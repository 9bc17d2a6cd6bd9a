"""What was found out with scanners, kept so that nothing is found out twice on the same grounds.

A kept value is named by everything that it depends on, so there is nothing to renew: other grounds have another name.
The names of values of this store and of the indexes of layers are made with different words, and lie in other folders.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from gate import __version__
from gate.cache.sealed import SealedFolder, decoded
from gate.limits import LIMITS

T = TypeVar("T")


class ScanStore:
    """Values below one folder, sealed with `key`. No verdict is among them: those are made anew in each run."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._files = SealedFolder(folder, key)

    def get(self, grounds: msgspec.Struct, kind: type[T]) -> T | None:
        """Return the value of this kind that rests on these grounds, or None."""
        body = self._files.read(_name(grounds, kind), LIMITS.cached_scan)
        if body is None:
            return None
        try:
            return decoded(body, kind)
        except msgspec.MsgspecError:  # this machine wrote it with another state of the code
            return None

    def put(self, grounds: msgspec.Struct, value: object) -> None:
        """Keep a value, if it is not too large and the disk takes it."""
        body = msgspec.msgpack.encode(value)
        if len(body) <= LIMITS.cached_scan:
            self._files.write(_name(grounds, type(value)), body)


def _name(grounds: msgspec.Struct, kind: type) -> str:
    """Name a value by its grounds, what it is, and the version of the gate, which stands for how it was made."""
    stated = (type(grounds).__qualname__, grounds, kind.__qualname__, __version__)
    return hashlib.sha256(msgspec.msgpack.encode(stated)).hexdigest()
