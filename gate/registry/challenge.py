"""Parse `WWW-Authenticate`: how a server wants to be told who asks (RFC 9110, section 11; RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gate.errors import Unavailable

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PART = re.compile(
    rf'[ \t]*(?:(?P<name>{_TOKEN})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>{_TOKEN}))(?=[ \t]*(?:,|\Z))'
    rf"|(?P<scheme>{_TOKEN})(?:[ \t]+(?P<token68>[A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|\Z)))?)?[ \t]*",
    re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 8 * 1024
"""What servers accept and send as one header; real challenges stay below 1 KiB."""


class Challenge(Struct, frozen=True):
    """One way to authenticate: the scheme and its parameters, both names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse(value: str) -> tuple[Challenge, ...]:
    """Parse all challenges of a header, in their order; raises `Unavailable` for what is not one.

    A parameter that is given twice is refused: of two realms, two readers would ask two servers.
    """
    if len(value) > _LONGEST:
        raise _malformed("it is too long")
    found: list[tuple[str, dict[str, str]]] = []
    for match in _parts(value):
        if match["scheme"]:
            found.append((match["scheme"].lower(), {}))
        elif match["name"]:
            name = match["name"].lower()
            if not found:
                raise _malformed("it starts with a parameter")
            parameters = found[-1][1]
            if name in parameters:
                raise _malformed(f"{name[:40]!r} is given twice")
            quoted = match["quoted"]
            parameters[name] = match["plain"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def _parts(value: str) -> Iterator[re.Match[str]]:
    """Yield schemes and parameters, which commas separate; a scheme and its first parameter have a space between them."""
    position = 0
    while position < len(value):
        match = _PART.match(value, position)
        if match is None or (match.end() == position and value[position] != ","):
            raise _malformed("it cannot be read")
        yield match
        position = match.end()
        if value[position : position + 1] == ",":
            position += 1
        elif position < len(value) and not match["scheme"]:
            raise _malformed("it cannot be read")


def _malformed(why: str) -> Unavailable:
    """Build the one error of this module."""
    return Unavailable(
        f"the registry asks for a login in a way that cannot be understood: {why}",
        hint="what answers may not be a registry; look at its WWW-Authenticate header",
    )
