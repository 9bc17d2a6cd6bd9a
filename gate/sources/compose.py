"""The images of a compose file: those of its services, and those that they mount.

What Docker Compose would take from elsewhere (the file `.env`, other files, images that it builds) is not guessed: the
message names it, and `docker compose config` writes a file in which all of it is settled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.sources.tool_yaml import Reader, Value

_SETTLED = "`docker compose config` writes it out: docker compose config | image-gate check --images -"
_BUILT = "give it an `image`, or list what Docker Compose calls it: docker compose config --images | image-gate check --images -"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FORM = re.compile(r":?[-+?]|\Z")
_NESTED = 8
"""Variables in the defaults of variables; more than two are hardly ever written."""


class Variables(Struct, frozen=True):
    """What Docker Compose replaces variables by: the environment of the process, before what the file `.env` in `folder` sets."""

    environment: Mapping[str, str] = {}
    folder: str = ""

    def are_in_file(self, name: str) -> bool:
        """Whether the file sets a variable, or cannot be read; its values are not read, as no specification says how."""
        path = os.path.join(self.folder, ".env")
        if not os.path.isfile(path):
            return False
        try:
            with open(path, encoding="utf-8-sig", errors="replace") as file:
                text = file.read(LIMITS.list_file)
        except OSError:
            return True
        sets = rf"^\s*(?:export\s+)?{name}\s*(?:[=:]|$)"
        return len(text) == LIMITS.list_file or re.search(sets, text, re.MULTILINE) is not None


def images(root: Value, reader: Reader, variables: Variables) -> Iterator[tuple[str, int]]:
    """Yield each image's name and its line; raises `InvalidInput` for what only Docker Compose could tell."""
    included = reader.get(root, "include")
    if included is not None:
        raise reader.error(included.line, "it includes other files, which are not read", _SETTLED)
    services = reader.get(root, "services")
    if services is None:
        return
    for name, service in reader.mapping(services, "services").value.items():
        if service.value is not None and service.tag != "!reset":
            label = f"services.{name[:60]}"
            yield from _of_service(reader.mapping(service, label), label, reader, variables)


def _of_service(
    service: Value, label: str, reader: Reader, variables: Variables
) -> Iterator[tuple[str, int]]:
    """Yield the image of a service and those that it mounts."""
    image = reader.get(service, "image")
    if image is not None:
        yield _written_out(image, f"{label}.image", reader, variables), image.line
    elif reader.get(service, "provider") is None:
        raise _without_image(service, label, reader)
    volumes = reader.get(service, "volumes")
    for number, volume in enumerate(reader.items(volumes, f"{label}.volumes") if volumes else ()):
        kind = reader.get(volume, "type")
        if kind is not None and kind.value == "image":
            where = f"{label}.volumes[{number}].source"
            source = reader.get(volume, "source")
            if source is None:
                raise reader.error(volume.line, f"{where} is missing")
            yield _written_out(source, where, reader, variables), source.line


def _without_image(service: Value, label: str, reader: Reader) -> InvalidInput:
    """Say why a service has no image that could be judged; leaving it out would be a pass for something unseen."""
    for key, why, hint in (
        ("build", "is built, and its image has no name", _BUILT),
        ("extends", "takes its image from another one", f"give it an `image`; {_SETTLED}"),
    ):
        if reader.get(service, key) is not None:
            return reader.error(service.line, f"{label} {why}", hint)
    return reader.error(service.line, f"{label} has no image", _SETTLED)


def _written_out(value: Value, label: str, reader: Reader, variables: Variables) -> str:
    """Return a text in which variables are replaced as Docker Compose does it."""
    text = reader.text(value, label)
    return _Interpolation(label, value.line, reader, variables).of(text)


class _Interpolation:
    """Replaces variables in one text."""

    def __init__(self, label: str, line: int, reader: Reader, variables: Variables) -> None:
        self._label = label
        self._line = line
        self._reader = reader
        self._variables = variables

    def of(self, text: str, depth: int = 0) -> str:
        """Return `text` with every variable replaced; raises `InvalidInput` that names one that cannot be."""
        before, dollar, rest = text.partition("$")
        parts = []
        while dollar:
            parts.append(before)
            if rest.startswith("$"):
                found, rest = "$", rest[1:]
            else:
                found, rest = self._variable(rest, depth)
            parts.append(found)
            before, dollar, rest = rest.partition("$")
        return "".join([*parts, before])

    def _variable(self, text: str, depth: int) -> tuple[str, str]:
        """Return what the variable that `text` starts with (after `$`) comes to, and the text behind it."""
        braced = text.startswith("{")
        match = _NAME.match(text, int(braced))
        if match is None:
            raise self._error("has a $ that starts no variable", "write $$ where a $ is meant")
        name = match[0]
        inner, rest = self._braced(text[match.end() :], name) if braced else ("", text[match.end() :])
        form = _FORM.match(inner)
        if form is None or depth >= _NESTED:
            raise self._error(f"has a form of the variable {name} that is not supported", _SETTLED)
        stated = self._variables.environment.get(name)
        if stated is None and self._variables.are_in_file(name):
            raise self._error(f"needs the variable {name}, which the file .env sets", _SETTLED)
        operator, other = form[0], inner[form.end() :]
        is_set = bool(stated) if operator.startswith(":") else stated is not None
        if operator.endswith("+"):
            return (self.of(other, depth + 1) if is_set else ""), rest
        if is_set and stated is not None:
            return stated, rest
        if operator.endswith("-"):
            return self.of(other, depth + 1), rest
        raise self._error(
            f"needs the variable {name}", f"set it as Docker Compose will see it, or: {_SETTLED}"
        )

    def _braced(self, text: str, name: str) -> tuple[str, str]:
        """Split behind the brace that closes a variable."""
        depth = 1
        for position, character in enumerate(text):
            depth += {"{": 1, "}": -1}.get(character, 0)
            if depth == 0:
                return text[:position], text[position + 1 :]
        raise self._error(f"has no closing brace for the variable {name}", "write ${NAME:-default}")

    def _error(self, what: str, hint: str) -> InvalidInput:
        """Build the error for this text."""
        return self._reader.error(self._line, f"{self._label} {what}", hint)
