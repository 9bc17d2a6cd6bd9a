"""The members of an image archive by name, wherever their contents lie: in one file, or in a file each."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from msgspec import Struct

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import tar_header
from gate.oci.descriptor import Digest
from gate.oci.tar_header import Member
from gate.oci.tarball import TarReader
from gate.sources.file import HostFile
from gate.sources.slice import Slice

_READ = 64 * 1024


class Place(Protocol):
    """Where the content of one member lies."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def open(self) -> BinaryIO:
        """Open the content from its start; any number may be open at once."""

    def digest(self) -> Digest:
        """Return its sha256 digest."""


class Part:
    """A member that is read in place, in the file that is the archive; hashed when that is first asked for."""

    def __init__(self, file: BinaryIO, position: int, size: int) -> None:
        self._file = file
        self._position = position
        self._digest: Digest | None = None
        self.size = size

    def open(self) -> BinaryIO:
        """Open the content."""
        return cast("BinaryIO", Slice(self._file, self._position, self.size))

    def digest(self) -> Digest:
        """Return its digest; read once, under however many names it is asked for."""
        if self._digest is None:
            stream = Slice(self._file, self._position, self.size)
            self._digest = Digest("sha256", hashlib.file_digest(stream, "sha256").hexdigest())
        return self._digest


class OwnFile(Struct, frozen=True):
    """A member in a private file of its own, which was hashed when it was written."""

    path: Path
    size: int
    sha256: Digest

    def open(self) -> BinaryIO:
        """Open the content."""
        return HostFile(str(self.path))

    def digest(self) -> Digest:
        """Return the digest of what was written."""
        return self.sha256


class ArchiveFiles:
    """The members of an archive by name; `place` says of each file where its content is, while the reader is at it.

    Names are relative and unique: two members of one name (`manifest.json` and `./manifest.json` are one) would be
    different images for readers that take the first and for those that take the last.
    """

    def __init__(self, reader: TarReader, place: Callable[[Member], Place]) -> None:
        self._members: dict[str, Place] = {}
        self._links: dict[str, str] = {}
        for member in reader:
            self._add(member, place)

    def _add(self, member: Member, place: Callable[[Member], Place]) -> None:
        """Note one member."""
        name = _name(member.name)
        if member.type == tar_header.DIRECTORY:
            return
        if name in self._members or name in self._links:
            raise MalformedImage(f"the archive has two members of the name {name[:200]!r}")
        if len(self._members) + len(self._links) >= LIMITS.archive_members:
            raise MalformedImage(f"the archive has more than {LIMITS.archive_members:,} members")
        if member.type == tar_header.REGULAR:
            self._members[name] = place(member)
        elif member.type == tar_header.HARD_LINK:
            self._links[name] = _name(member.link)
        elif member.type == tar_header.SYMBOLIC_LINK:
            # The older `docker save` wrote a layer that occurs twice as a link from one folder to the other.
            self._links[name] = _name(posixpath.join(posixpath.dirname(name).encode(), member.link))
        else:
            raise MalformedImage(f"the archive has a device or pipe: {name[:200]!r}")

    def open_file(self, path: str) -> BinaryIO | None:
        """Open a member; links lead to members of the archive only, and not to another link."""
        target = self._links.get(path, path)
        found = self._members.get(target)
        if found is None:
            if path in self._links:
                raise MalformedImage(
                    f"{path[:200]!r} of the archive links to {target[:200]!r}, which is not in it"
                )
            return None
        return found.open()

    def size(self, path: str) -> int:
        """Return the size of a member in bytes; 0 where there is none."""
        found = self._members.get(self._links.get(path, path))
        return 0 if found is None else found.size

    def digest(self, path: str) -> Digest:
        """Return the digest of a member that is there."""
        return self._members[self._links.get(path, path)].digest()

    def places(self) -> tuple[Place, ...]:
        """Return where all contents are."""
        return tuple(self._members.values())

    def __contains__(self, path: str) -> bool:
        return path in self._members or path in self._links


def members_of(stream: BinaryIO) -> ArchiveFiles:
    """Find the members of an archive in a file, whose contents are passed over and read in place later."""
    size = os.fstat(stream.fileno()).st_size
    chunks = iter(lambda: stream.read(_READ), b"")

    def advance(count: int) -> None:
        if stream.seek(count, os.SEEK_CUR) > size:
            raise tar_header.cut_off()

    reader = TarReader(chunks, advance)
    return ArchiveFiles(reader, lambda member: Part(stream, reader.tell(), member.size))


def _name(raw: bytes) -> str:
    """Normalise a member's name; one that climbs or is absolute names something outside the archive."""
    parts: list[str] = []
    for part in raw.decode("utf-8", "backslashreplace").split("/"):
        if part == "..":
            if not parts:
                raise MalformedImage(f"the archive has a name that leads outside: {raw[:200]!r}")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if raw[:1] == b"/" or len(raw) > LIMITS.path:
        raise MalformedImage(f"the archive has an absolute or endless name: {raw[:200]!r}")
    return "/".join(parts)
