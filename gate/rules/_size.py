"""Sizes as people write them: the option type, and both directions."""

from __future__ import annotations

import re
from typing import Annotated

from gate.options import describe

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,3})? ?([kKMG]i?)?B(?!\n)$"
_SIZE = re.compile(r"([0-9.]+) ?([A-Za-z]+)")

Size = Annotated[
    str,
    describe("A size with its unit: `500 MB` (powers of 1,000) or `500 MiB` (of 1,024).", pattern=_PATTERN),
]
"""A size in a policy; msgspec has checked its form."""


def in_bytes(size: str) -> int:
    """Convert what `Size` accepts."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"{size!r} is not a size")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def printable_size(size: int) -> str:
    """Write a number of bytes for people, in powers of 1,024."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{size:,} B" if unit == "B" else f"{value:,.1f} {unit}"
