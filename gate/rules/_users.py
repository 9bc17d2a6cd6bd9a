"""Users as container engines resolve them: the `User` of a configuration against the image's own passwd and group.

Follows `user.GetExecUser` of moby/sys (used by runc and Docker) and `oci.WithUser` of containerd, and says where older
releases of them differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from gate.errors import Unavailable
from gate.oci.filesystem import Filesystem

PASSWD = "/etc/passwd"
GROUP = "/etc/group"

LARGEST_ID = 2**31 - 1
"""runc and containerd accept no larger one; containerd before 1.6.38, 1.7.27 and 2.0.4 ran it as root (CVE-2024-40635)."""
LONGEST_LINE = 64 * 1024
"""Go's line scanner fails on a longer line of passwd, and with it the look-up."""

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
"""What Go's `strconv.Atoi` accepts: signs and leading zeros, no spaces, no underscores, ASCII digits only."""


class Account(Struct, frozen=True):
    """One line of passwd. Engines read a field that is missing or no number as 0."""

    name: str
    uid: int
    gid: int


class Group(Struct, frozen=True):
    """One line of group."""

    name: str
    gid: int
    members: tuple[str, ...]


def number(text: str) -> int | None:
    """Read an id as Go's `strconv.Atoi` does; None for what is a name. What passes 64 bits becomes 2**63."""
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    return min(int(digits[:20]), 2**63) * (-1 if text.startswith("-") else 1)


def accounts(filesystem: Filesystem) -> tuple[Account, ...]:
    """Read passwd; empty where there is none. Raises `Unavailable` where engines would fail on it."""
    return tuple(
        Account(fields[0], _field(fields, 2), _field(fields, 3)) for fields in _lines(filesystem, PASSWD)
    )


def groups(filesystem: Filesystem) -> tuple[Group, ...]:
    """Read group; empty where there is none."""
    return tuple(
        Group(
            fields[0], _field(fields, 2), tuple(fields[3].split(",")) if len(fields) > 3 and fields[3] else ()
        )
        for fields in _lines(filesystem, GROUP)
        if not fields[0].startswith("#")
    )


def _lines(filesystem: Filesystem, path: str) -> Iterator[list[str]]:
    """Yield the fields of every line that is not empty."""
    content = filesystem.content(path)
    for line in (content or b"").split(b"\n"):
        if len(line) >= LONGEST_LINE:
            raise Unavailable(f"{path} has a line of {len(line):,} bytes, at which container engines give up")
        if stripped := line.strip():
            yield stripped.decode("utf-8", "backslashreplace").split(":")


def _field(fields: list[str], position: int) -> int:
    """Read a numeric field as engines do."""
    found = number(fields[position]) if len(fields) > position else None
    return 0 if found is None else found
