"""OCI image layouts (image-layout.md), as directories and as what an archive of one holds."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from msgspec.structs import replace

from gate.errors import InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import OCI_INDEX, Descriptor, Digest, Platform
from gate.oci.image import Opened
from gate.oci.manifest import Index
from gate.sources import Location
from gate.sources.file import HostFile
from gate.sources.resolve import Documents, images_of, resolve

_REFERENCE = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_DIGEST = r"sha(?:256|512):[0-9a-f]+"


class Absent(Unavailable):
    """A blob that should be there is not; whoever wrote the layout left it out."""


class LayoutFiles(Protocol):
    """The files of a layout, wherever they are."""

    def open_file(self, path: str) -> BinaryIO | None:
        """Open a file by its path in the layout; None where there is none."""


class LayoutBlobs:
    """The blobs of a layout."""

    def __init__(self, files: LayoutFiles) -> None:
        self._files = files

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob; raises `Absent` where it is not there."""
        digest = descriptor.digest
        stream = self._files.open_file(f"blobs/{digest.algorithm}/{digest.encoded}")
        if stream is None:
            raise Absent(
                f"the blob {digest} is not in the layout",
                hint="copy the image again with all its platforms, or judge one of them with --platform OS/ARCHITECTURE",
            )
        return stream


class _Directory:
    """The files of a layout in a directory."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open_file(self, path: str) -> BinaryIO | None:
        """Open a regular file; a device or pipe could block or never end."""
        try:
            stream = HostFile(os.path.join(self._path, path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(f"{path} of the layout cannot be read: {error.strerror}") from None
        if not stream.regular:
            stream.close()
            raise MalformedImage(f"{path} of the layout is not a regular file")
        return stream


@contextmanager
def open_layout(location: Location, wanted: Platform | None) -> Iterator[Opened]:
    """Open an OCI layout directory."""
    if not os.path.isdir(location.path):
        raise InvalidInput(
            f"{location.path!r} is not a directory", hint="an OCI layout is one; use oci-archive: for a file"
        )
    yield open_files(_Directory(location.path), location, wanted)


def open_files(files: LayoutFiles, location: Location, wanted: Platform | None) -> Opened:
    """Open the image that `location` chooses from a layout's files."""
    check_marker(_read(files, "oci-layout"))
    index_bytes = _read(files, "index.json")
    index = Index.from_bytes(index_bytes, OCI_INDEX)
    blobs = LayoutBlobs(files)
    documents = Documents(blobs)
    images, attached = images_of(documents, index.manifests)
    chosen = _choose(images, location)
    names = tuple(dict.fromkeys(name for entry in chosen for name in names_of(entry)))
    if len({_content(entry) for entry in chosen}) == 1:
        opened = resolve(documents, chosen[0], wanted, names)
        opened = replace(opened, left_out={**attached, **opened.left_out})
    else:
        opened = resolve(Documents(_WithIndex(blobs, index_bytes)), _descriptor(index_bytes), wanted, names)
    return replace(opened, listed=index.manifests, open_blob=blobs.open)


def check_marker(data: bytes) -> None:
    """Check the file by which a layout is known, and its version; raises `MalformedImage`."""
    body = strict_json.named_fields(
        strict_json.parse(data, "oci-layout"), ("imageLayoutVersion",), "oci-layout"
    )
    if body.get("imageLayoutVersion") != "1.0.0":
        raise MalformedImage(
            f"oci-layout states the version {str(body.get('imageLayoutVersion'))[:100]!r}; 1.0.0 is the only one"
        )


class _WithIndex:
    """The blobs of a layout and its index.json, for a layout whose index lists the platforms of one image itself."""

    def __init__(self, blobs: LayoutBlobs, index_bytes: bytes) -> None:
        self._blobs = blobs
        self._index_bytes = index_bytes

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob, or the index."""
        if descriptor == _descriptor(self._index_bytes):
            return io.BytesIO(self._index_bytes)
        return self._blobs.open(descriptor)


def _descriptor(index_bytes: bytes) -> Descriptor:
    """Point to index.json as if it were a blob."""
    return Descriptor(OCI_INDEX, Digest("sha256", hashlib.sha256(index_bytes).hexdigest()), len(index_bytes))


def names_of(descriptor: Descriptor) -> tuple[str, ...]:
    """Return the image names that an entry of index.json carries; containerd's is the full one."""
    found = (descriptor.annotations.get(_CONTAINERD_NAME, ""), descriptor.annotations.get(_REFERENCE, ""))
    return tuple(name for name in found if name)


def _choose(images: tuple[Descriptor, ...], location: Location) -> tuple[Descriptor, ...]:
    """Return the entries that are the chosen image.

    They are one, the same one under several names, or the platforms of a single image.
    """
    if not images:
        raise MalformedImage("index.json lists no image")
    entries = images
    if location.choice:
        entries = tuple(entry for entry in entries if _is(entry, location.choice))
        if not entries:
            raise InvalidInput(
                f"there is no {location.choice!r} in {location.path}",
                hint=f"it has {_listing(images)}",
            )
    if len({_content(entry) for entry in entries}) == 1:
        return entries
    platforms = [entry.platform for entry in entries if entry.platform is not None]
    if (
        not location.choice
        and len({names_of(entry) for entry in entries}) == 1
        and len(set(platforms)) == len(entries)
    ):
        return entries
    if location.choice:
        raise MalformedImage(f"index.json has {location.choice!r} {len(entries)} times, for different images")
    raise InvalidInput(
        f"{location.path} holds {len(entries)} images and none was chosen",
        hint=f"add :TAG or @DIGEST; it has {_listing(entries)}",
    )


def _is(entry: Descriptor, choice: str) -> bool:
    """Whether an entry is the chosen one; a digest is never taken for a name, which anyone can give to anything."""
    return str(entry.digest) == choice if re.fullmatch(_DIGEST, choice) else choice in names_of(entry)


def _content(entry: Descriptor) -> tuple[Digest, str, int, Platform | None]:
    """Return what an entry says of its content; the names apart, two of one image say the same."""
    return entry.digest, entry.media_type, entry.size, entry.platform


def _listing(entries: tuple[Descriptor, ...]) -> str:
    """List what can be chosen."""
    return ", ".join((names_of(entry) or (str(entry.digest),))[0][:100] for entry in entries[:10])


def _read(files: LayoutFiles, path: str) -> bytes:
    """Read one of the two small files of a layout."""
    stream = files.open_file(path)
    if stream is None:
        raise InvalidInput(
            f"there is no {path}: not an OCI layout",
            hint="name the directory that holds oci-layout and index.json",
        )
    with stream:
        return stream.read(LIMITS.document + 1)
