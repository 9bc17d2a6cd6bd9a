"""Dockerfiles: which images one builds from, as BuildKit reads it (docs.docker.com/reference/dockerfile)."""

from __future__ import annotations

import re

from msgspec import Struct

WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
"""A word of an instruction, with its quotes."""


class Instruction(Struct, frozen=True):
    """One instruction: its first line from 1, its keyword in upper case, and the rest with continued lines joined."""

    line: int
    keyword: str
    rest: str


class Source(Struct, frozen=True):
    """One place where a Dockerfile takes content from: `FROM`, `COPY --from` or `RUN --mount=from=`.

    `image` is as written. `name` is what that comes to: the name of an image, or empty where `problem` says why nobody
    can tell. `final` marks what the last stage, or the one asked for, is built on.
    """

    line: int
    keyword: str
    image: str
    name: str = ""
    problem: str = ""
    final: bool = False


def unquoted(text: str) -> str:
    """Return a word without the quotes around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
