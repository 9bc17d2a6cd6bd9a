"""Image archives: OCI layouts in a tar file, and what `docker save` writes in either of its two shapes."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from gate.errors import InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci import tar_header
from gate.oci.descriptor import Digest, Platform
from gate.oci.image import Opened
from gate.oci.tar_header import Member
from gate.oci.tarball import BLOCK, TarReader
from gate.sources import Location
from gate.sources.docker_archive import open_docker
from gate.sources.file import HostFile
from gate.sources.layout import open_files
from gate.sources.slice import Slice

_READ = 64 * 1024
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7z": "xz"}


class ArchiveFiles:
    """The members of an image archive by name, read in place.

    Names are relative and unique: two members of one name (`manifest.json` and `./manifest.json` are one) would be
    different images for readers that take the first and for those that take the last.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._file = stream
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._digests: dict[tuple[int, int], Digest] = {}
        size = os.fstat(stream.fileno()).st_size
        chunks = iter(lambda: stream.read(_READ), b"")

        def advance(count: int) -> None:
            if stream.seek(count, os.SEEK_CUR) > size:
                raise tar_header.cut_off()

        reader = TarReader(chunks, advance)
        for member in reader:
            self._add(member, reader.tell())

    def _add(self, member: Member, position: int) -> None:
        """Note one member."""
        name = _name(member.name)
        if member.type == tar_header.DIRECTORY:
            return
        if name in self._members or name in self._links:
            raise MalformedImage(f"the archive has two members of the name {name[:200]!r}")
        if len(self._members) + len(self._links) >= LIMITS.archive_members:
            raise MalformedImage(f"the archive has more than {LIMITS.archive_members:,} members")
        if member.type == tar_header.REGULAR:
            self._members[name] = (position, member.size)
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
        return cast("BinaryIO", Slice(self._file, *found))

    def size(self, path: str) -> int:
        """Return the size of a member in bytes; 0 where there is none."""
        return self._members.get(self._links.get(path, path), (0, 0))[1]

    def digest(self, path: str) -> Digest:
        """Return the digest of a member that is there; read once, under however many names it is asked for."""
        place = self._members[self._links.get(path, path)]
        if place not in self._digests:
            hashed = hashlib.file_digest(Slice(self._file, *place), "sha256")
            self._digests[place] = Digest("sha256", hashed.hexdigest())
        return self._digests[place]

    def __contains__(self, path: str) -> bool:
        return path in self._members or path in self._links


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


@contextmanager
def open_archive(location: Location, wanted: Platform | None) -> Iterator[Opened]:
    """Open an archive of either kind; what it is, is decided by its content and checked against the source named.

    Since version 25 `docker save` writes both shapes in one file. They are compared before either is believed.
    """
    with _open(location.path) as stream:
        files = ArchiveFiles(stream)
        docker, index = "manifest.json" in files, "index.json" in files
        oci = index and "oci-layout" in files
        if not docker and not oci:
            raise InvalidInput(
                f"{location.path!r} is a tar file without an image",
                hint="an archive holds index.json or manifest.json",
            )
        if (location.source == "docker-archive" and not docker) or (
            location.source == "oci-archive" and not oci
        ):
            raise InvalidInput(
                f"{location.path!r} is not a {location.source}",
                hint="give the bare path to have it recognised",
            )
        if docker:
            # Without oci-layout it is no layout by the specification, and podman reads index.json all the same.
            yield open_docker(files, location, wanted, both=index)
        else:
            yield open_files(files, location, wanted)


def _open(path: str) -> HostFile:
    """Open the archive's file; raises `InvalidInput` where it cannot be one."""
    try:
        stream = HostFile(path)
        head = os.pread(stream.fileno(), BLOCK, 0) if stream.regular else b""
    except OSError as error:
        raise InvalidInput(f"{path!r} cannot be read: {error.strerror}") from None
    reason, hint = _no_archive(stream, head)
    if reason:
        stream.close()
        raise InvalidInput(f"{path!r} {reason}", hint=hint)
    return stream


def _no_archive(stream: HostFile, head: bytes) -> tuple[str, str]:
    """Say why a file is no archive, and what to do; nothing where it may be one."""
    if not stream.regular:
        return "is not a regular file", "an archive is read several times, so it must be a file"
    if not head:
        return "is empty", "whatever wrote it did not finish; save the image again"
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            return (
                f"is compressed with {name}",
                "decompress the archive first; its layers may stay as they are",
            )
    if head[257:262] != b"ustar":
        return "is not a tar archive", "name an OCI layout, or what `docker save` or a build wrote"
    return "", ""
