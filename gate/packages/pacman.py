"""pacman's local database: one `desc` file per package, of `%FIELD%` lines, each followed by its values.

Source: pacman, lib/libalpm/be_local.c (local_db_read).
"""

from __future__ import annotations

import re

from gate.packages import DatabaseFile, Entries, Package

_FIELD = re.compile(rb"%[A-Z0-9]+%")
_TIME = re.compile(rb"[0-9]{1,11}")


def _fields(file: DatabaseFile) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    values: list[bytes] | None = None
    for number, line in file.lines():
        if not line:
            values = None
        elif values is not None:
            values.append(line)
        elif _FIELD.fullmatch(line) is None or line in fields:
            raise file.malformed(f"line {number} is no field, or a repeated one: {line[:40]!a}")
        else:
            values = fields[line] = []
    return fields


def parse(file: DatabaseFile) -> Entries:
    """Read one package's `desc` file."""
    fields = _fields(file)

    def single(field: bytes, required: bool = False) -> bytes:
        values = fields.get(field, [])
        if len(values) > 1 or (required and not values):
            raise file.malformed(f"{field.decode('ascii')} has {len(values)} values")
        return values[0] if values else b""

    def time(field: bytes) -> int | None:
        value = single(field)
        return int(value) if _TIME.fullmatch(value) else None

    name = file.word(single(b"%NAME%", required=True), "the package name")
    version = file.word(single(b"%VERSION%", required=True), f"the version of {name}")
    architecture, base = single(b"%ARCH%"), single(b"%BASE%")
    package = Package(
        "alpm",
        name,
        version,
        file.word(architecture, f"the architecture of {name}") if architecture else "",
        file.word(base, f"the base of {name}") if base else name,
        version,
        time(b"%BUILDDATE%"),
        time(b"%INSTALLDATE%"),
    )
    return Entries((package,))
