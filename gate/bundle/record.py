"""What came from which bundle: a note in the cache folder, by which reports say it of the databases that they rest on."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from gate.limits import LIMITS

FILE = "bundle.json"


class Record(Struct, frozen=True):
    """The bundle that was used last: the digest of its manifest, when it was used, and by title the identity of each part."""

    digest: str
    used: datetime
    parts: Mapping[str, str]


def write_record(folder: Path, record: Record) -> None:
    """Keep a record; the file appears as a whole."""
    private = folder / f".{FILE}.part"
    private.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    os.replace(private, folder / FILE)


def read_record(folder: Path) -> Record | None:
    """Return the record in a cache folder, None where no bundle was used, or none that can be read."""
    try:
        with (folder / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(LIMITS.answer), type=Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def traced(facts: Mapping[str, object], record: Record | None) -> dict[str, object]:
    """Return the facts of a verdict, where every database and feed that came from the bundle says so."""
    if record is None:
        return dict(facts)
    known = frozenset(record.parts.values()) - {""}
    return {name: _marked(value, record.digest, known) for name, value in facts.items()}


def _marked(section: object, digest: str, known: Collection[object]) -> object:
    """Return a section of facts with the bundle's digest beside each of its own databases' digests."""
    if not isinstance(section, Mapping):
        return section
    marked: dict[str, Any] = {}
    for name, value in section.items():
        marked[name] = _marked(value, digest, known)
    return marked | ({"bundle": digest} if section.get("digest") in known else {})
