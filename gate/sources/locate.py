"""Tell from a reference's words, or from what lies at a path, which source opens it."""

from __future__ import annotations

import os
import re

from gate.errors import InvalidInput
from gate.sources import Location

_SOURCES = ("oci", "oci-archive", "docker-archive")
_FOLLOWING = ("docker", "docker-daemon", "registry")
_DIGEST_CHOICE = r"(?s)(?P<path>.+)@(?P<digest>[a-z0-9+._-]+:[A-Za-z0-9]+)"
_SYNTAX = "write oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or the path of a layout or archive"


def locate(text: str) -> Location:
    """Parse a reference without opening anything but the path it names; raises `InvalidInput`."""
    if not text or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InvalidInput(f"the reference {text[:200]!r} is empty or has control characters", hint=_SYNTAX)
    source, colon, rest = text.partition(":")
    if colon and source in _SOURCES:
        path, choice = _split(rest, text)
        return Location(text, source, path, choice)
    if os.path.isdir(text):
        return Location(text, "oci", text)
    if os.path.exists(text):
        return Location(text, "archive", text)
    if colon and source in _FOLLOWING and rest:
        raise InvalidInput(
            f"{source}: references cannot be opened yet",
            hint="save the image as an archive or OCI layout first",
        )
    raise InvalidInput(
        f"there is no image at {text[:300]!r}",
        hint=f"{_SYNTAX}; save an image of an engine or a registry first (`docker save`, `skopeo copy`)",
    )


def _split(rest: str, text: str) -> tuple[str, str]:
    """Split path and choice. Both may hold colons, as long as only one reading exists on disk."""
    colons = [position for position, character in enumerate(rest) if character == ":"]
    readings = [(rest[:position], rest[position + 1 :]) for position in colons]
    if "@" in rest and (found := re.fullmatch(_DIGEST_CHOICE, rest)):
        readings.insert(0, (found["path"], found["digest"]))
    readings.append((rest, ""))
    existing = [reading for reading in readings if os.path.exists(reading[0])]
    if len(existing) > 1:
        paths = " and ".join(repr(path) for path, _ in existing[:3])
        raise InvalidInput(
            f"{text[:300]!r} can be read in several ways: {paths} exist", hint="rename one of them"
        )
    if not existing:
        raise InvalidInput(f"{text[:300]!r}: there is nothing at {readings[0][0][:300]!r}", hint=_SYNTAX)
    path, choice = existing[0]
    if path != rest and not choice:
        raise InvalidInput(f"{text[:300]!r} ends where a tag, name or digest should stand", hint=_SYNTAX)
    return path, choice
