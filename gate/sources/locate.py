"""Tell from a reference's words, or from what lies at a path, which source opens it."""

from __future__ import annotations

import os
import re

from gate.errors import InvalidInput
from gate.sources import Location

_SOURCES = ("oci", "oci-archive", "docker-archive")
_FOLLOWING = ("docker", "docker-daemon", "registry")
_DIGEST_CHOICE = re.compile(r"(?P<path>.+)@(?P<digest>[a-z0-9+._-]+:[A-Za-z0-9]+)", re.DOTALL)
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
    raise InvalidInput(f"there is no image at {text[:300]!r}", hint=_SYNTAX)


def _split(rest: str, text: str) -> tuple[str, str]:
    """Split path and choice. A path may hold a colon itself, as long as only one reading exists on disk."""
    if found := _DIGEST_CHOICE.fullmatch(rest):
        return _existing(found["path"], text), found["digest"]
    path, colon, choice = rest.partition(":")
    readings = [(rest, "")] if os.path.exists(rest) else []
    if colon and path and choice and os.path.exists(path):
        readings.append((path, choice))
    if len(readings) > 1:
        raise InvalidInput(
            f"{text!r} can be read in two ways: both {rest!r} and {path!r} exist", hint="rename one of them"
        )
    return readings[0] if readings else (_existing(path, text), choice)


def _existing(path: str, text: str) -> str:
    """Return the path if something is there."""
    if not os.path.exists(path):
        raise InvalidInput(f"{text[:300]!r}: there is nothing at {path[:300]!r}", hint=_SYNTAX)
    return path
