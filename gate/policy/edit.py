"""Add exceptions to a YAML document and take them out, without touching a byte beside them.

The text is cut and extended where the parser says that nodes start and end: writing the document anew, even by a writer
that keeps comments, moves those between entries and changes indentation. What comes out is read again, strictly, and is
refused if anything but the exceptions differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from gate.errors import InvalidInput
from gate.policy import document

Entry = Mapping[str, str | date | Sequence[str]]

_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9 ./_()-]*[A-Za-z0-9./_)-])?")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What some version of YAML takes for something else than a text."""
_BY_HAND = "edit it by hand, or write exceptions as a plain list, one below the other"


def with_exception(data: bytes, file: str, entry: Entry) -> bytes:
    """Return the document with one exception more; raises `InvalidInput` where that cannot be done safely."""
    before = document.parse(data, file).plain()
    text = data.decode("utf-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    root, key, items = _places(text)
    if items is None:
        if root.flow_style:
            raise InvalidInput(f"{file} is written as one flow mapping {{…}}", hint=_BY_HAND)
        column = root.start_mark.column
        head = text if text.endswith("\n") else text + newline
        changed = head + newline + " " * column + "exceptions:" + newline + _block(entry, column + 2, newline)
    elif not items.value:
        first, rest = text[: items.start_mark.index].rstrip(" "), text[items.end_mark.index :]
        line, end, others = rest.partition("\n")
        block = _block(entry, key.start_mark.column + 2, newline)
        changed = first + line + (end or newline) + block + others
    elif items.flow_style:
        at = items.value[-1].end_mark.index
        changed = f"{text[:at]}, {_flow(entry)}{text[at:]}"
    else:
        column = items.start_mark.column
        at = _own_comments_end(text, _line_end(text, _content_end(text, items.value[-1])), column)
        head = text[:at] if text[:at].endswith("\n") else text[:at] + newline
        changed = head + _block(entry, column, newline) + text[at:]
    wanted = {name: str(value) if isinstance(value, date) else value for name, value in entry.items()}
    return _checked(changed, file, before, [*before.get("exceptions", ()), wanted])


def without_exceptions(data: bytes, file: str, numbers: Collection[int]) -> bytes:
    """Return the document without the exceptions of these positions; comments beside them stay."""
    before = document.parse(data, file).plain()
    if not numbers:
        return data
    text = data.decode("utf-8")
    _, key, items = _places(text)
    kept = [number for number in range(len(items.value)) if number not in numbers]
    cuts = _flow_cuts(items, kept) if items.flow_style else _block_cuts(text, items, numbers)
    if not kept and not items.flow_style:
        at = text.index(":", key.end_mark.index) + 1
        text, shift = f"{text[:at]} []{text[at:]}", 3
    else:
        shift = 0
    for start, end in sorted(cuts, reverse=True):
        text = text[: start + shift] + text[end + shift :]
    entries = before["exceptions"]
    return _checked(text, file, before, [entries[number] for number in kept])


def _places(text: str) -> tuple[Any, Any, Any]:
    """Return the root's node, and those of the key `exceptions` and of its list, None where there is none."""
    from ruamel.yaml import YAML  # here, because only commands that edit need nodes with an end

    root = YAML(typ="rt", pure=True).compose(text)
    for key, value in root.value if isinstance(root.value, list) else ():
        if key.value == "exceptions":
            if not isinstance(value.value, list) or any(isinstance(item, tuple) for item in value.value):
                raise InvalidInput("`exceptions` is no list, so it cannot be edited", hint=_BY_HAND)
            return root, key, value
    return root, None, None


def _content_end(text: str, node: Any) -> int:
    """Return where the content of a node ends, without the comments and empty lines behind it."""
    if isinstance(node.value, list) and not node.flow_style and node.value:
        last = node.value[-1]
        return _content_end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return len(text[:end].rstrip()) if getattr(node, "style", None) in ("|", ">") else end


def _line_end(text: str, at: int) -> int:
    """Return where the line of a position ends, its line feed included."""
    return text.find("\n", at) + 1 or len(text)


def _own_comments_end(text: str, at: int, column: int) -> int:
    """Return where the comments end that follow an item and stand further in than its dash, in `column`: they are its own."""
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        rest = line.lstrip(" ")
        if not rest.startswith("#") or len(line) - len(rest) <= column:
            break
        at = end
    return at


def _block_cuts(text: str, items: Any, numbers: Collection[int]) -> list[tuple[int, int]]:
    """Return the lines of items of a block list, each from its dash on."""
    cuts = []
    for number in numbers:
        item = items.value[number]
        start = text.rfind("\n", 0, item.start_mark.index) + 1
        while not text[start:].lstrip(" ").startswith("-"):  # the dash may stand in a line of its own
            start = text.rfind("\n", 0, start - 1) + 1
        cuts.append((start, _line_end(text, _content_end(text, item))))
    return cuts


def _flow_cuts(items: Any, kept: Sequence[int]) -> list[tuple[int, int]]:
    """Return what separates the kept items of a flow list too much: each cut up to the next item, or after the last."""
    nodes = items.value
    if not kept:
        return [(items.start_mark.index + 1, items.end_mark.index - 1)]
    cuts = [
        (nodes[number].start_mark.index, nodes[number + 1].start_mark.index)
        for number in range(kept[-1])
        if number not in kept
    ]
    return [*cuts, (nodes[kept[-1]].end_mark.index, nodes[-1].end_mark.index)]


def _block(entry: Entry, column: int, newline: str) -> str:
    """Write an entry as an item of a block list whose dashes stand in `column`."""
    lines = [f"{name}: {_value(value)}" for name, value in entry.items()]
    leads = ["- ", *["  "] * (len(lines) - 1)]
    return "".join(f"{' ' * column}{lead}{line}{newline}" for lead, line in zip(leads, lines, strict=True))


def _flow(entry: Entry) -> str:
    """Write an entry as a flow mapping."""
    return "{" + ", ".join(f"{name}: {_value(value)}" for name, value in entry.items()) + "}"


def _value(value: str | date | Sequence[str]) -> str:
    """Write a value: quoted, unless every reader of YAML takes it for this text as it is."""
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _checked(text: str, file: str, before: Mapping[str, Any], exceptions: Sequence[object]) -> bytes:
    """Return the text as bytes if it holds what it held, and these exceptions."""
    try:
        data = text.encode("utf-8")
        after = document.parse(data, file).plain()
    except UnicodeEncodeError:
        raise InvalidInput("a text holds characters that are not Unicode", hint="write it anew") from None
    except InvalidInput as error:
        raise InvalidInput(f"{file} cannot be edited: {error.message}", hint=error.hint or _BY_HAND) from None
    if after != {**before, "exceptions": list(exceptions)}:
        raise InvalidInput(f"{file} cannot be edited without changing something else", hint=_BY_HAND)
    return data
