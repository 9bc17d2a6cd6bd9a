"""Reporters: one report, one form each, one module each. This file holds the one protocol, `Reporter`.

A module here with a constant `REPORTER` is a reporter, and its name is the format's; a module whose name starts with an
underscore is shared by reporters. Rendering is pure: the same report gives the same text. What a reporter shows of an
image is hostile, and it encodes every string for the place that its text is made for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from gate.errors import InvalidInput
from gate.plugins import module_names
from gate.verdict import Report

if TYPE_CHECKING:
    from gate.reporters._dockerfile import Dockerfile


class RenderOptions(msgspec.Struct, frozen=True):
    """How people want a report: `width` in columns; `color` allows ANSI colours; `quiet` wins over `verbose`.

    `dockerfile` is where code hosts are to show problems. They change what is told, never what is decided; a format for
    machines ignores the others.
    """

    width: int = 120
    color: bool = False
    verbose: bool = False
    quiet: bool = False
    dockerfile: Dockerfile | None = None


class Reporter(msgspec.Struct, frozen=True):
    """One output format: its name, its media type, and the function that renders a report."""

    name: str
    media_type: str
    render: Callable[[Report, RenderOptions], str]


def formats() -> tuple[str, ...]:
    """Return the names of all formats, sorted, without importing any of them."""
    return module_names(__path__)


def reporter(name: str) -> Reporter:
    """Return the reporter called `name`, importing only that one; raises `InvalidInput` where there is none."""
    if name not in formats():
        raise InvalidInput(f"there is no format {name!r}", hint=f"formats: {', '.join(formats())}")
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "REPORTER", None)
    if not isinstance(found, Reporter) or found.name != name:
        raise InvalidInput(
            f"{__name__}.{name} offers no reporter {name!r}", hint="this is a fault of image-gate"
        )
    return found
