"""What an engine exports, taken apart while it arrives: one private, hashed file for each member, numbered by us.

The stream is read once and never twice. No name of the image becomes a name on our disk.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.limits import KIB, LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.image import Layer
from gate.oci.tar_header import Member
from gate.oci.tarball import TarReader
from gate.sources.file import HostFile
from gate.sources.members import ArchiveFiles, OwnFile

_TAIL = 8 * KIB
_MORE = 16
"""Chunks that are read on for the engine's error, where the archive itself is broken."""

_ERROR = re.compile(rb'\{"errorDetail":.*\}\s*\Z', re.DOTALL)


class FileLayer(Struct, frozen=True):
    """A layer whose stored bytes lie in a private file, and hashed to what its descriptor says when they were written.

    It is a `gate.oci.image.StoredLayer`.
    """

    descriptor: Descriptor
    diff_id: Digest
    stored: Path

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        try:
            return HostFile(str(self.stored))
        except OSError as error:
            raise Unavailable(f"what the engine exported cannot be read: {error.strerror}") from None


class Export:
    """The members of one export, in files in a private folder."""

    def __init__(self, chunks: Iterator[bytes], folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._reader = TarReader(stream := _Stream(chunks))
        try:
            self.files = ArchiveFiles(self._reader, self._keep)
        except MalformedImage as error:
            raise stream.error_of_engine() or error from None
        except OSError as error:
            raise Unavailable(
                f"what the engine exports could not be kept: {error.strerror}",
                hint="free some space, or name another folder with --cache-dir",
            ) from None
        self._stored = {
            (place.sha256, place.size): place.path
            for place in self.files.places()
            if isinstance(place, OwnFile)
        }

    def _keep(self, member: Member) -> OwnFile:
        """Write the content of a member to a file of its own, and hash it on the way."""
        path = self._folder / f"{next(self._numbers)}"
        hashed = hashlib.sha256()
        with path.open("xb") as target:
            for buffer, start, end in self._reader.content():
                data = memoryview(buffer)[start:end]
                hashed.update(data)
                target.write(data)
        return OwnFile(path, member.size, Digest("sha256", hashed.hexdigest()))

    def layer(self, layer: Layer) -> Layer:
        """Return a layer as the file that it lies in; one whose bytes are not what it says, or not here, stays as it is."""
        path = self._stored.get((layer.descriptor.digest, layer.descriptor.size))
        return layer if path is None else FileLayer(layer.descriptor, layer.diff_id, path)


class _Stream:
    """The chunks of an export, counted; remembers their end, because an engine that fails midway writes its error there."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = LIMITS.engine_export
        self._tail = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self._left -= len(chunk)
        if self._left < 0:
            raise MalformedImage(f"the engine exports more than {LIMITS.engine_export:,} bytes for one image")
        self._tail = (self._tail + chunk[-_TAIL:])[-_TAIL:]
        return chunk

    def error_of_engine(self) -> Unavailable | None:
        """Return what the engine says went wrong, if the stream ends with that (moby's `streamformatter.FormatError`)."""
        for _ in itertools.islice(self, _MORE):
            pass  # the reader stops at the first byte that is wrong
        found = _ERROR.search(self._tail)
        if found is None:
            return None
        try:
            body = strict_json.parse(found[0], "the error")
            message = strict_json.text(
                strict_json.named_fields(body, ("error",), "the error").get("error"), "the error"
            )
        except MalformedImage:
            return None
        return Unavailable(
            f"the engine could not export the image: {message[:500]}",
            hint="parts of it may be missing in the engine; pull or build it again",
        )
