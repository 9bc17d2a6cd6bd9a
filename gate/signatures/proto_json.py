"""Read the JSON form of protocol buffers, and what lies near it, so that it has one reading or none.

Bundles and trusted roots are protocol buffers in JSON: numbers may be strings, zeros and empty lists are left out, bytes
are base64. Everything that does not fit raises `Refused` and names the place.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.signatures import Refused

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def parse(data: bytes, fields: Iterable[str], what: str, *, limit: int = LIMITS.signature) -> Fields:
    """Parse a document whose top is an object with `fields`; raises `Refused` for what `strict_json` calls malformed."""
    try:
        return Fields(strict_json.parse(data, what, limit=limit), fields, what)
    except MalformedImage as error:
        raise Refused(error.message, hint=error.hint) from None


def decoded(text: str, what: str) -> bytes:
    """Decode base64 (RFC 4648, section 4) that nobody can write in a second way.

    Logs sign the text, we compare the bytes: characters outside the alphabet, missing padding or spare bits would let
    the two part.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{what} is not base64") from None
    if base64.b64encode(data) != text.encode():
        raise Refused(f"{what} is base64 that also has another spelling")
    return data


class Fields:
    """An object with named fields and the words that name its place in errors."""

    def __init__(self, value: Any, fields: Iterable[str], what: str) -> None:
        """Check `value`; raises `Refused` if it is no object, or has keys that some readers take for a field."""
        try:
            self.value = strict_json.named_fields(value, fields, what)
        except MalformedImage as error:
            raise Refused(error.message, hint=error.hint) from None
        self.what = what

    def __contains__(self, name: str) -> bool:
        return self.value.get(name) is not None

    def text(self, name: str) -> str:
        """Return a string; empty where it is absent."""
        value = self.value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Refused(f"{self.what}, {name} is not a string")
        return value

    def bytes(self, name: str) -> bytes:
        """Return bytes that stand as base64; empty where they are absent."""
        return decoded(self.text(name), f"{self.what}, {name}")

    def number(self, name: str) -> int:
        """Return a whole number from 0, written as one or as a string; 0 where it is absent."""
        value = self.value.get(name)
        if value is None:
            return 0
        if type(value) is int and 0 <= value < 2**63:
            return value
        if isinstance(value, str) and _NUMBER.fullmatch(value) and int(value) < 2**63:
            return int(value)
        raise Refused(f"{self.what}, {name} is not a whole number from 0 to 2^63 - 1")

    def time(self, name: str) -> datetime | None:
        """Return a time (RFC 3339); None where it is absent."""
        value = self.text(name)
        if not value:
            return None
        try:
            if not _TIME.fullmatch(value):
                raise ValueError(value)
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused(f"{self.what}, {name} is not a time as RFC 3339 writes it") from None

    def object(self, name: str, fields: Iterable[str]) -> Fields:
        """Return an object; raises `Refused` where it is absent."""
        if name not in self:
            raise Refused(f"{self.what} has no {name}")
        return Fields(self.value[name], fields, f"{self.what}, {name}")

    def items(self, name: str, limit: int) -> list[Any]:
        """Return a list of at most `limit` items; empty where it is absent."""
        try:
            return strict_json.objects(self.value.get(name), f"{self.what}, {name}", limit=limit)
        except MalformedImage as error:
            raise Refused(error.message) from None

    def objects(self, name: str, fields: Iterable[str], limit: int) -> list[Fields]:
        """Return a list of objects."""
        found = self.items(name, limit)
        return [Fields(item, fields, f"{self.what}, {name}[{number}]") for number, item in enumerate(found)]
