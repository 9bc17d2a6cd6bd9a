"""Read the YAML that compose files, charts and manifests are written in: wider than policies, and as bounded.

Anchors, merge keys, tags and several documents are understood, because the tools that write and read these files use
them. What is not looked at does not matter; what is looked at has one reading, or is refused: a key that stands twice, an
unknown tag, a number where a text belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gate.errors import InvalidInput
from gate.limits import LIMITS

_CORE = "tag:yaml.org,2002:"
_RESET, _OVERRIDE = "!reset", "!override"
"""What Docker Compose knows beside the core tags: a value that is taken away, and one that replaces what it would join."""

_NULLS = frozenset(["", "~", "null", "Null", "NULL"])
_NO_TEXTS = re.compile(
    r"(?:true|false|yes|no|on|off|y|n)|[-+]?\.?[0-9][0-9_.,:]*(?:e[-+]?[0-9]+)?|0[xob][0-9a-f_]+|[-+]?\.(?:inf|nan)",
    re.IGNORECASE,
)
"""Plain scalars that some version of YAML reads as a number or as true or false."""
_LONG_TAG = re.compile(r"(?<![^\s\[{,])![^\s]{1024}")
"""The parser's time for a tag grows with the square of its length."""

_TEMPLATE = "if it is a template, list what it renders to (`helm template`, `docker compose config`)"


class Value(Struct, frozen=True):
    """One value and the line it stands in.

    `value` is a mapping from text to values, a list of values, a text, or None. `plain` says of a text that it stands
    without quotes. `tag` is one that changes what it means. `twice` are keys of a mapping that stand there again.
    """

    value: Any
    line: int
    plain: bool = False
    tag: str = ""
    twice: frozenset[str] = frozenset()


class Reader:
    """Reads the documents of one file, and counts what they come to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._left = LIMITS.list_values

    def documents(self, text: str) -> Iterator[Value]:
        """Yield the documents that are not empty, one at a time; raises `InvalidInput` with the line."""
        from ruamel.yaml import YAML  # here, because only lists need it
        from ruamel.yaml.error import MarkedYAMLError, YAMLError
        from ruamel.yaml.reader import ReaderError

        if found := _LONG_TAG.search(text):
            raise self.error(text.count("\n", 0, found.start()) + 1, "a tag of more than 1,024 characters")
        try:
            for document in self._built(YAML(typ="safe", pure=True).parse(text)):
                if document.value is not None:
                    yield document
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(part for part in (error.context, error.problem) if part)
            line = mark.line + 1 if mark else 1
            raise self.error(line, f"not valid YAML: {what[:200]}", _TEMPLATE) from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise self.error(line, "not valid YAML: it holds a control character") from None
        except (YAMLError, ValueError, OverflowError, AssertionError) as error:
            # The parser lets these slip, for escapes beyond Unicode and for versions that are not YAML's.
            raise self.error(1, f"not valid YAML: {str(error)[:200]}") from None

    def error(self, line: int, what: str, hint: str = "") -> InvalidInput:
        """Build the error for something in a line of the file."""
        return InvalidInput(f"{self.file}:{line}: {what}", hint=hint)

    def take(self, value: Value, count: int = 1) -> None:
        """Count values that are looked at; aliases make few that are written many."""
        self._left -= count
        if self._left < 0:
            raise self.error(value.line, f"the file comes to more than {LIMITS.list_values:,} values")

    def get(self, mapping: Value, key: str) -> Value | None:
        """Return what a mapping has under a key, None where that is nothing; one that stands there twice is refused."""
        self.take(mapping)
        if key in mapping.twice:
            raise self.error(mapping.line, f"the key {key!r} stands twice in one mapping", "keep one of them")
        found = mapping.value.get(key) if isinstance(mapping.value, dict) else None
        if found is None or found.value is None or found.tag == _RESET:
            return None
        if found.tag:
            raise self.error(found.line, f"the tag {found.tag[:60]!r} of {key!r} is not supported")
        return found  # type: ignore[no-any-return]  # a mapping's values are of this type

    def mapping(self, value: Value, label: str) -> Value:
        """Return a value that must be a mapping without a key that stands twice."""
        if not isinstance(value.value, dict) or value.tag:
            raise self.error(value.line, f"{label} is not a mapping")
        if value.twice:
            key = sorted(value.twice)[0]
            raise self.error(value.line, f"{label} has the key {key[:60]!r} twice", "keep one of them")
        self.take(value, len(value.value))
        return value

    def items(self, value: Value, label: str) -> list[Value]:
        """Return the items of a value that must be a list."""
        if not isinstance(value.value, list) or value.tag:
            raise self.error(value.line, f"{label} is not a list")
        self.take(value, len(value.value))
        return value.value

    def text(self, value: Value, label: str) -> str:
        """Return a value that must be a text."""
        if not isinstance(value.value, str) or value.tag:
            raise self.error(value.line, f"{label} is not a text")
        if value.plain and _NO_TEXTS.fullmatch(value.value):
            raise self.error(
                value.line,
                f"{label} is {value.value[:60]}, which is no text to every reader",
                "put it in quotes",
            )
        return value.value

    def _built(self, events: Iterator[Any]) -> Iterator[Value]:
        """Build the documents of a stream; anchors end with the document."""
        for event in events:
            if type(event).__name__ not in (
                "StreamStartEvent",
                "StreamEndEvent",
                "DocumentStartEvent",
                "DocumentEndEvent",
            ):
                yield _Builder(self, events).node(event, 0)


class _Builder:
    """Builds one document from the parser's events."""

    def __init__(self, reader: Reader, events: Iterator[Any]) -> None:
        self._reader = reader
        self._events = events
        self._anchors: dict[str, Value] = {}

    def node(self, event: Any, depth: int) -> Value:
        """Build what starts with an event."""
        line = event.start_mark.line + 1
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event.anchor, line)
        if depth > LIMITS.list_depth:
            raise self._reader.error(line, f"the document nests deeper than {LIMITS.list_depth} levels")
        if kind == "ScalarEvent":
            built = _scalar(event, line)
        elif kind == "MappingStartEvent":
            built = self._mapping(_tag(event), line, depth)
        else:
            built = Value(self._list(depth), line, tag=_tag(event))
        self._reader.take(built)
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, name: str, line: int) -> Value:
        """Return what an alias stands for; one within its own anchor would have no end."""
        found = self._anchors.get(name)
        if found is None:
            raise self._reader.error(line, f"the alias *{name[:60]} has no anchor before it")
        return found

    def _list(self, depth: int) -> list[Value]:
        """Build the items up to the end of a list."""
        items: list[Value] = []
        for event in self._events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self.node(event, depth + 1))
        return items

    def _mapping(self, tag: str, line: int, depth: int) -> Value:
        """Build the entries up to the end of a mapping; its own come before those it merges, the first merged first."""
        own: dict[str, Value] = {}
        twice: set[str] = set()
        merged: list[Value] = []
        for event in self._events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self.node(event, depth + 1)
            value = self.node(next(self._events), depth + 1)
            name = "null" if key.value is None else key.value
            if not isinstance(name, str):
                raise self._reader.error(key.line, "a key is not a text", _TEMPLATE)
            if name == "<<" and key.plain:
                merged += self._to_merge(value, already=bool(merged))
            else:
                twice |= {name} & own.keys()
                own[name] = value
        for below in merged:
            self._reader.take(below, len(below.value))
            twice |= below.twice - own.keys()
            own = {**below.value, **own}
        return Value(own, line, tag=tag, twice=frozenset(twice))

    def _to_merge(self, value: Value, *, already: bool) -> list[Value]:
        """Return the mappings that a merge key names."""
        found = value.value if isinstance(value.value, list) else [value]
        if already or not all(isinstance(one.value, dict) and not one.tag for one in found):
            raise self._reader.error(value.line, "<< merges one mapping or a list of them, once in a mapping")
        return list(found)


def _scalar(event: Any, line: int) -> Value:
    """Build a text or nothing."""
    text, plain = event.value, bool(event.implicit[0])
    tag = _tag(event)
    if event.tag == f"{_CORE}str":
        return Value(text, line)
    if (plain and text in _NULLS) or event.tag == f"{_CORE}null":
        return Value(None, line)
    return Value(text, line, plain or event.tag is not None, tag)


def _tag(event: Any) -> str:
    """Return a tag that changes what a value means; the core tags of texts and collections say what is there anyway."""
    known = (None, "!", _OVERRIDE, f"{_CORE}str", f"{_CORE}null", f"{_CORE}map", f"{_CORE}seq")
    return "" if event.tag in known else str(event.tag)
