"""Parse `Link` headers: where the next page of a list is (RFC 8288)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from gate.errors import Unavailable
from gate.registry.address import Url

_LINK = re.compile(
    r"[ \t,]*<(?P<target>[^<>\s]*)>(?P<parameters>(?:[ \t]*;[ \t]*[A-Za-z*-]+(?:[ \t]*=[ \t]*(?:\"[^\"\\]*\"|[^\s\",;]+))?)*+)[ \t]*(?=,|\Z)",
    re.ASCII,
)
_RELATION = re.compile(r";[ \t]*rel[ \t]*=[ \t]*(?:\"([^\"]*)\"|([^\s\",;]+))", re.ASCII | re.IGNORECASE)
_LONGEST = 16 * 1024


def next_page(value: str, here: Url) -> Url | None:
    """Return the address of the next page, or None where this is the last.

    Raises `Unavailable` for what cannot be read, or leads to another server or another list.
    """
    if not value.strip():
        return None
    position, end = 0, len(value.rstrip(" \t,"))
    if end > _LONGEST:
        raise _refused("it is too long")
    while position < end:
        match = _LINK.match(value, position)
        if match is None:
            raise _refused("it cannot be read")
        relation = _RELATION.search(match["parameters"])
        if relation is not None and "next" in (relation[1] or relation[2] or "").lower().split():
            target = here.join(match["target"], "the next page of the list")
            if target.host != here.host or _path(target) != _path(here):
                raise _refused("it leads elsewhere")
            # A registry behind a proxy may not know under which scheme and port it is asked, so these stay.
            return replace(here, target=target.target)
        position = match.end()
    return None


def _path(url: Url) -> str:
    """Return the path, which the pages of one list share."""
    return url.target.partition("?")[0]


def _refused(why: str) -> Unavailable:
    """Build the error of this module."""
    return Unavailable(f"the registry's link to the next page cannot be followed: {why}")
