"""Image archives: OCI layouts in a tar file, and what `docker save` writes in either of its two shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gate.errors import InvalidInput
from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.oci.tarball import BLOCK
from gate.sources import Location
from gate.sources.docker_archive import open_docker
from gate.sources.file import HostFile
from gate.sources.layout import open_files
from gate.sources.members import ArchiveFiles, members_of

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7z": "xz"}


@contextmanager
def open_archive(location: Location, wanted: Platform | None) -> Iterator[Opened]:
    """Open an archive of either kind; what it is, is decided by its content and checked against the source named."""
    with _open(location.path) as stream:
        yield open_members(members_of(stream), location, wanted)


def open_members(files: ArchiveFiles, location: Location, wanted: Platform | None) -> Opened:
    """Open the image in the members of an archive.

    Since version 25 `docker save` writes both shapes in one file. They are compared before either is believed.
    """
    docker, index = "manifest.json" in files, "index.json" in files
    oci = index and "oci-layout" in files
    if not docker and not oci:
        raise InvalidInput(
            f"{location.path!r} is a tar file without an image",
            hint="an archive holds index.json or manifest.json",
        )
    if (location.source == "docker-archive" and not docker) or (location.source == "oci-archive" and not oci):
        raise InvalidInput(
            f"{location.path!r} is not a {location.source}", hint="give the bare path to have it recognised"
        )
    if docker:
        # Without oci-layout it is no layout by the specification, and podman reads index.json all the same.
        return open_docker(files, location, wanted, both=index)
    return open_files(files, location, wanted)


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
