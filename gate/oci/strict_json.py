"""Read JSON the one way that every reader agrees on, or refuse it.

Python, Go and JavaScript disagree on duplicate keys, on keys that differ in case only, on huge numbers and on broken
Unicode. A document that two readers would read differently can show one thing to a gate and another to an engine
(GHSA-77vh-xpmg-72qh is one of that family), so it is malformed here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from gate.errors import MalformedImage
from gate.limits import LIMITS

Object = Mapping[str, Any]

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Possessive, because a string of megabytes would else cost a hundred times its size in places to go back to."""


def parse(data: bytes, what: str, *, limit: int = LIMITS.document) -> Any:
    """Parse one JSON document (RFC 8259) of at most `limit` bytes; `what` names it in errors.

    Raises `MalformedImage` for anything beyond the common ground: duplicate keys, a byte order mark, invalid UTF-8 or
    lone surrogates, NaN and infinities, numbers that lose their value, nesting deeper than `LIMITS.json_depth`.
    """
    if len(data) > limit:
        raise MalformedImage(f"{what} has {len(data):,} bytes; at most {limit:,} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedImage(f"{what} is not valid UTF-8 (byte {error.start})") from None
    _check_depth(data, what)

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = counts.most_common(1)[0][0][:100]
            raise MalformedImage(
                f"{what} has the key {twice!r} twice in one object, which readers resolve differently"
            )
        return found

    def constant(name: str) -> NoReturn:
        raise MalformedImage(f"{what} holds {name}, which is not JSON")

    def integer(digits: str) -> int:
        if len(digits) > LIMITS.json_digits:
            raise MalformedImage(f"{what} holds a number of {len(digits)} digits")
        return int(digits)

    def real(digits: str) -> float:
        value = float(digits)
        if len(digits) > LIMITS.json_digits or value in (float("inf"), float("-inf")):
            raise MalformedImage(f"{what} holds the number {digits[:40]}, which no reader can represent")
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=object_of, parse_constant=constant, parse_int=integer, parse_float=real
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedImage(f"{what} is not valid JSON: {error}") from None
    if "\\u" in text:
        _check_surrogates(text, what)
    return value


def _check_depth(data: bytes, what: str) -> None:
    """Refuse deep nesting before a recursive parser meets it."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        byte = data[token.start()]
        if byte in b"[{":
            depth += 1
            if depth > LIMITS.json_depth:
                raise MalformedImage(f"{what} nests deeper than {LIMITS.json_depth} levels")
        elif byte in b"]}":
            depth -= 1


def _check_surrogates(text: str, what: str) -> None:
    """Refuse escapes of lone surrogates: Go replaces them, Python keeps them, so the two read different strings."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedImage(
            f"{what} holds an escaped lone surrogate, which readers replace differently"
        ) from None


def named_fields(value: Any, fields: Iterable[str], what: str) -> Object:
    """Return `value` as an object with named fields; unknown fields are allowed, look-alikes are not.

    Go matches field names without regard to case, most others do not. So a key that equals one of `fields`, or another
    key, only after case folding has two readings and raises `MalformedImage`.
    """
    if not isinstance(value, dict):
        raise MalformedImage(f"{what} is {_kind(value)}, not an object")
    exact = {name.casefold(): name for name in fields}
    for key in value:
        folded = key.casefold()
        if exact.setdefault(folded, key) != key:
            raise MalformedImage(
                f"{what} has the key {key[:100]!r} where readers that ignore case see {exact[folded][:100]!r}",
                hint="write the field as the OCI specification spells it, once",
            )
    return value


def text(value: Any, what: str) -> str:
    """Return `value` if it is a string, `""` for null or absence (as Go reads both)."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedImage(f"{what} is {_kind(value)}, not a string")
    return value


def texts(value: Any, what: str) -> tuple[str, ...]:
    """Return `value` if it is a list of strings; null and absence read as the empty list."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedImage(f"{what} is {_kind(value)}, not a list of strings")
    return tuple(text(item, what) for item in value)


def text_map(value: Any, what: str) -> dict[str, str]:
    """Return `value` if it maps free keys to strings (labels, annotations); null and absence read as empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedImage(f"{what} is {_kind(value)}, not an object")
    return {key: text(item, what) for key, item in value.items()}


def objects(value: Any, what: str, *, limit: int) -> list[Any]:
    """Return `value` if it is a list of at most `limit` items; null and absence read as the empty list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedImage(f"{what} is {_kind(value)}, not a list")
    if len(value) > limit:
        raise MalformedImage(f"{what} has {len(value):,} items; at most {limit:,} are read")
    return value


def size(value: Any, what: str) -> int:
    """Return `value` if it is a whole number of bytes; `true`, fractions and negative numbers are not."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise MalformedImage(f"{what} is not a size in bytes")
    return value


def _kind(value: Any) -> str:
    """Name the JSON type of `value`."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
