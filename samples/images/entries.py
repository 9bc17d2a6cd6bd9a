"""What stands in a tar archive: one value per entry, and one short function per kind of entry."""

from __future__ import annotations

import enum
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


class Kind(enum.Enum):
    """The entry types of POSIX ustar that image layers use; the value is the type flag in the header."""

    FILE = tarfile.REGTYPE
    HARD_LINK = tarfile.LNKTYPE
    SYMBOLIC_LINK = tarfile.SYMTYPE
    CHARACTER_DEVICE = tarfile.CHRTYPE
    BLOCK_DEVICE = tarfile.BLKTYPE
    DIRECTORY = tarfile.DIRTYPE
    FIFO = tarfile.FIFOTYPE


@dataclass(frozen=True, slots=True)
class Entry:
    """One tar entry without its name; the name is its key in a mapping.

    `target` is the link target; `modified` is in whole seconds since 1970; `device` is (major, minor);
    `extended_attributes` hold raw bytes, for example `security.capability`.
    """

    kind: Kind
    content: bytes = b""
    mode: int = 0o644
    user: int = 0
    group: int = 0
    target: str = ""
    modified: int = 0
    device: tuple[int, int] = (0, 0)
    extended_attributes: Mapping[str, bytes] = field(default_factory=dict)

    def owned(self, user: int, group: int) -> Entry:
        """The same entry with another numeric owner."""
        return replace(self, user=user, group=group)

    def dated(self, modified: int) -> Entry:
        """The same entry with another modification time, in seconds since 1970."""
        return replace(self, modified=modified)


Entries = Mapping[str, Entry]
"""Entries by path, in the order in which they stand in the archive; paths have no leading slash."""


def file(content: bytes | str = b"", mode: int = 0o644) -> Entry:
    """A regular file; text is stored as UTF-8."""
    return Entry(Kind.FILE, content.encode() if isinstance(content, str) else content, mode)


def program(content: bytes, mode: int = 0o755) -> Entry:
    """A regular file that may be executed; 0o4755 makes it setuid."""
    return file(content, mode)


def directory(mode: int = 0o755) -> Entry:
    """A directory."""
    return Entry(Kind.DIRECTORY, mode=mode)


def symbolic_link(target: str) -> Entry:
    """A symbolic link; an absolute target is meant inside the image."""
    return Entry(Kind.SYMBOLIC_LINK, mode=0o777, target=target)


def hard_link(target: str, mode: int = 0o644) -> Entry:
    """A hard link to a path of the image, which may stand in a lower layer."""
    return Entry(Kind.HARD_LINK, mode=mode, target=target)


def character_device(major: int, minor: int, mode: int = 0o600) -> Entry:
    """A character device; 0/0 is how overlay file systems store a whiteout."""
    return Entry(Kind.CHARACTER_DEVICE, mode=mode, device=(major, minor))


def whiteout() -> Entry:
    """The empty file that deletes.

    Its name is made by `whiteout_of` or `OPAQUE` (OCI image specification, layer.md).
    """
    return file()


OPAQUE = ".wh..wh..opq"
"""Name of the whiteout that hides everything which lower layers have in its directory."""


def whiteout_of(path: str) -> str:
    """The path of the whiteout that deletes `path`."""
    parent, _, name = path.rpartition("/")
    return f"{parent}/.wh.{name}" if parent else f".wh.{name}"


def with_parents(entries: Entries) -> dict[str, Entry]:
    """The same entries, each preceded by the directories above it, as honest tools write them.

    A directory is added where it is first needed, unless the mapping names that path itself (anywhere).
    """
    complete: dict[str, Entry] = {}
    for path, entry in entries.items():
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in complete:
                complete[parent] = entries.get(parent, directory())
        complete[path] = entry
    return complete
