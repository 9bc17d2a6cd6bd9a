"""What `--images` names: references line by line, or the images of a compose file or of Kubernetes manifests.

Which of them a file is, is told by its content. A line may hold any reference; names in manifests are image names and
never paths, whatever lies in the working directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.sources import Location, compose, kubernetes
from gate.sources.locate import locate, locate_name
from gate.sources.tool_yaml import Reader

STANDARD_INPUT = "standard input"
"""What standard input is called in messages."""

_YAML = re.compile(r"\s*(?:(?:---|%|[{\"'&!?]|- )|\[(?:[\s\"'{]|$)|[^\s#]+:(?:\s|$))", re.ASCII)
"""How the first line of a YAML or JSON document starts that is no reference."""
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_EXPECTED = "list one reference a line, or give a compose file (with `services`) or Kubernetes manifests (with `apiVersion` and `kind`)"


def read(path: str) -> bytes:
    """Read a list, which may be a pipe, no further than its limit; raises `InvalidInput`."""
    try:
        with open(path, "rb") as file:
            return file.read(LIMITS.list_file + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"--images {path[:300]!r} cannot be read: {reason}", hint=_EXPECTED) from None


def parse(data: bytes, file: str, variables: compose.Variables) -> tuple[Location, ...]:
    """Return what a list names, in its order and as often as it does; `file` names it in messages.

    Raises `InvalidInput` with file and line. A list that names nothing is refused: nothing checked is not a pass.
    """
    text = _text(data, file)
    first = next((line for line in text.split("\n") if _COMMENT.sub("", line).strip()), "")
    found: list[Location] = []
    listed = _in_yaml(text, file, variables) if _YAML.match(first) else _line_by_line(text, file)
    for location in listed:
        if len(found) >= LIMITS.references:
            raise InvalidInput(f"{file}: it names more than {LIMITS.references:,} images")
        found.append(location)
    if not found:
        raise InvalidInput(f"{file}: it names no image", hint=_EXPECTED)
    return tuple(found)


def _text(data: bytes, file: str) -> str:
    """Decode a list within its limits."""
    if len(data) > LIMITS.list_file:
        raise InvalidInput(f"{file}: it has more than {LIMITS.list_file:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{file}:{line}: it is not UTF-8", hint="save it as UTF-8") from None
    for number, characters in enumerate(map(len, text.split("\n")), 1):
        if characters > LIMITS.list_line:
            raise InvalidInput(f"{file}:{number}: the line has more than {LIMITS.list_line:,} characters")
    return text


def _line_by_line(text: str, file: str) -> Iterator[Location]:
    """Yield the references of a plain list."""
    for number, line in enumerate(text.split("\n"), 1):
        reference = _COMMENT.sub("", line).strip(" \t\r")
        if not reference:
            continue
        if len(reference.split()) > 1:
            raise InvalidInput(
                f"{file}:{number}: there is more than one word", hint="list one reference a line"
            )
        try:
            yield locate(reference)
        except InvalidInput as error:
            raise InvalidInput(f"{file}:{number}: {error.message}", hint=error.hint) from None


def _in_yaml(text: str, file: str, variables: compose.Variables) -> Iterator[Location]:
    """Yield the images of manifests."""
    reader = Reader(file)
    composed = False
    for number, document in enumerate(reader.documents(text)):
        if composed:
            raise reader.error(document.line, "a second document in a compose file", "keep one in a file")
        if kubernetes.is_object(document):
            listed = kubernetes.images(document, reader)
        elif isinstance(document.value, dict) and {"services", "include"} & document.value.keys():
            composed = True
            if number:
                raise reader.error(
                    document.line, "a compose file among other documents", "keep one in a file"
                )
            listed = compose.images(document, reader, variables)
        else:
            raise reader.error(document.line, "this is no list of images", _EXPECTED)
        yield from _named(listed, reader)


def _named(listed: Iterator[tuple[str, int]], reader: Reader) -> Iterator[Location]:
    """Turn names into locations."""
    for name, line in listed:
        try:
            yield locate_name(name)
        except InvalidInput as error:
            raise reader.error(line, error.message, error.hint) from None
