"""Read what a scanner wrote: JSON, strictly, into typed values.

Scanners are programs of others whose reports quote the image: a report that is cut, mistyped or ambiguous is no report.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from gate.errors import Unavailable
from gate.limits import LIMITS

T = TypeVar("T")


def named(name: str, default: Any = msgspec.UNSET) -> Any:
    """Declare a field of a report that is called otherwise there; without a default it must be present."""
    return msgspec.field(name=name) if default is msgspec.UNSET else msgspec.field(name=name, default=default)


class Part(msgspec.Struct, frozen=True):
    """Base of the parts of a report: unknown fields are passed over, known ones have their type or the report is refused."""


def read(path: Path, kind: type[T], what: str, *, limit: int = LIMITS.scanner_output) -> T:
    """Read a JSON file as a value of `kind`; raises `Unavailable`, naming the document as `what`.

    Beside mistyped fields, keys that occur twice in an object and numbers that are none are refused: readers resolve
    them differently. Only `kind` is kept in memory; a report of 20 MiB takes half a second.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unavailable(f"there is no {what}: {error.strerror}", hint=_HINT) from None
    if not data:
        raise Unavailable(f"the {what} is empty", hint=_HINT)
    if len(data) > limit:
        raise Unavailable(f"the {what} has more than {limit:,} bytes", hint=_HINT)
    return decode(data, kind, what)


_HINT = "the scanner did not finish its work, or is another program than its name says; run it by hand"


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Read the bytes of a JSON document; see `read`."""

    def check(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("an object has the same key twice")

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a number")

    try:
        json.loads(data, object_pairs_hook=check, parse_constant=refuse, parse_int=len, parse_float=len)
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Unavailable(f"the {what} cannot be read: {str(error)[:200]}", hint=_HINT) from None


def moment(text: str, what: str) -> datetime:
    """Read an RFC 3339 time with zone; raises `Unavailable`."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise Unavailable(f"{what} is {text[:60]!r}, which is no time") from None
    if value.tzinfo is None:
        raise Unavailable(f"{what} is {text[:60]!r}, which names no time zone")
    return value.astimezone(UTC)
