"""Read a YAML document into nodes that know where they stand, the one way that every reader agrees on, or refuse it.

The common ground of YAML and JSON: mappings with text keys, lists, and scalars. As in YAML 1.2, `no` and dates are text.
Anchors and aliases (of which bombs are made), tags (which run code in some readers), merge keys, directives, several
documents and duplicate keys are refused, and so are plain scalars that two versions of YAML read differently (`010`).
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any, NoReturn

from gate.errors import InvalidInput
from gate.limits import KIB, MIB
from gate.options import Mark, Node, shown

DOCUMENT_LIMIT = 1 * MIB
"""Bytes of a document: a policy with a thousand exceptions has a quarter of that."""
LINE_LIMIT = 16 * KIB
"""Characters of a line: the parser's time for some tokens (tags) grows with the square of their length."""
NODE_LIMIT = 50_000
"""Values of a document: reading them takes about three seconds, and no policy that people keep has a tenth of them."""
DEPTH_LIMIT = 32
"""Nesting of a document: policies need five levels."""

_INTEGER = r"-?(?:0|[1-9][0-9]{0,17})"
_REAL = r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}"
_NUMERIC = (
    r"[-+]?(?:0[bB][01_]+|0[oO][0-7_]+|0[xX][0-9A-Fa-f_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
)
"""What some version of YAML takes for a number: octal, binary, hexadecimal, exponents, underscores, base 60, infinities."""
_MISLEADING = "\\r(?!\\n)|[\\x85\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]"
"""Characters that end a line for some readers only, or turn the direction of text: people would see another document."""
_WORDS = {"": None, "~": None} | {
    spelling: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}


def parse(data: bytes, file: str) -> Node:
    """Parse the one document in `data`; `file` names it in errors.

    Raises `InvalidInput` with line and column for whatever is not plain, small, unambiguous YAML, and for a document
    that holds nothing: empty, only comments, or null.
    """
    text = _text(data, file)
    from ruamel.yaml import YAML  # here, because a run without a policy file need not import it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    events = YAML(typ="safe", pure=True).parse(text)
    try:
        root = _Builder(file).build(events)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise InvalidInput(f"{place}: this is not valid YAML: {what}") from None
    except ReaderError as error:
        raise _forbidden(text, error.position, file) from None
    except (YAMLError, ValueError, OverflowError, AssertionError) as error:
        # The parser lets these slip, for escapes beyond Unicode and for versions that are not YAML's.
        raise InvalidInput(f"{Mark(file, 1, 1)}: this is not valid YAML: {error}"[:300]) from None
    if root is None or root.value is None:
        raise InvalidInput(f"{Mark(file, 1, 1)}: the document is empty", hint="it starts with `schema: 1`")
    return root


def _text(data: bytes, file: str) -> str:
    """Decode a document within its limit."""
    if len(data) > DOCUMENT_LIMIT:
        raise InvalidInput(f"{Mark(file, 1, 1)}: the document has more than {DOCUMENT_LIMIT:,} bytes")
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = data[: error.start].split(b"\n")
        place = Mark(file, len(lines), len(lines[-1]) + 1)
        raise InvalidInput(
            f"{place}: the byte 0x{data[error.start]:02X} is not UTF-8", hint="save it as UTF-8"
        ) from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            raise InvalidInput(f"{Mark(file, number, 1)}: the line has more than {LINE_LIMIT:,} characters")
    suspicious = "\r" in text or not text.isascii()  # saves compiling the expression for most policies
    if suspicious and (found := re.search(_MISLEADING, text)):
        raise _forbidden(text, found.start(), file)
    return text


def _forbidden(text: str, position: int, file: str) -> InvalidInput:
    """Build the error for a character that must not stand in a document."""
    lines = text[:position].split("\n")
    place = Mark(file, len(lines), len(lines[-1]) + 1)
    return InvalidInput(
        f"{place}: the character U+{ord(text[position]):04X} cannot stand here",
        hint="remove or escape it",
    )


class _Builder:
    """Builds nodes from the parser's events, and refuses what passes a bound as soon as it does."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes = 0
        self.depth = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        """Return the root, or None for a stream without a document."""
        root: Node | None = None
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second document starts here", "keep one document in the file")
                if event.version is not None or event.tags:
                    self._refuse(
                        event, "directives (%YAML, %TAG) change how a document reads", "leave them out"
                    )
            elif kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                root = self._node(event, events, None)
        return root

    def _node(self, event: Any, events: Iterator[Any], key: Mark | None) -> Node:
        """Build the node that starts with `event`."""
        kind = type(event).__name__
        if kind == "AliasEvent" or event.anchor is not None:
            self._refuse(
                event,
                "anchors and aliases (& and *) are not supported",
                "write the value out where it is used",
            )
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag[:60]!r} is not supported", "write the plain value")
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            self._refuse(event, f"the document has more than {NODE_LIMIT:,} values", "")
        if kind == "ScalarEvent":
            place = key if key is not None and event.value == "" and event.implicit[0] else self._mark(event)
            return Node(self._scalar(event), place, key)
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            self._refuse(event, f"the document nests deeper than {DEPTH_LIMIT} levels", "")
        items = self._mapping(events) if kind == "MappingStartEvent" else self._list(events)
        self.depth -= 1
        return Node(items, self._mark(event), key)

    def _list(self, events: Iterator[Any]) -> list[Node]:
        """Build the items up to the end of a list."""
        items: list[Node] = []
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self._node(event, events, None))
        return items

    def _mapping(self, events: Iterator[Any]) -> dict[str, Node]:
        """Build the entries up to the end of a mapping."""
        items: dict[str, Node] = {}
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            name = self._node(event, events, None)
            if not isinstance(name.value, str):
                self._refuse(
                    event, f"a key is {shown(name.plain())}, not a text", "quote it if it is meant as text"
                )
            if name.value == "<<":
                self._refuse(event, "merge keys (<<) are not supported", "write the entries out")
            if name.value in items:
                first = items[name.value].key
                line = f", first in line {first.line}" if first else ""
                self._refuse(
                    event, f"the key {name.value[:60]!r} stands here a second time{line}", "keep one of them"
                )
            items[name.value] = self._node(next(events), events, name.mark)
        return items

    def _scalar(self, event: Any) -> str | int | float | bool | None:
        """Type a scalar; quoted and block scalars are text."""
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(
                event,
                "an escape stands for half a character",
                "write the character itself, or \\U and 8 digits",
            )
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in "+-.0123456789":
            return text
        if re.fullmatch(_INTEGER, text):
            return int(text)
        if re.fullmatch(_REAL, text):
            return float(text)
        if re.fullmatch(_NUMERIC, text):
            self._refuse(
                event,
                f"{text[:40]} is read as different values by different versions of YAML",
                f"write a plain decimal number, or '{text[:40]}' in quotes if it is a text",
            )
        return text

    def _mark(self, event: Any) -> Mark:
        """Return where an event starts."""
        return Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _refuse(self, event: Any, what: str, remedy: str) -> NoReturn:
        """Refuse what starts at `event`."""
        raise InvalidInput(f"{self._mark(event)}: {what}", hint=remedy)
