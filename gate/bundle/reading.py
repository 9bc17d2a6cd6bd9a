"""Read a bundle: nothing in it is believed before its digest is checked to the end, and only files with known names come out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gate.bundle import Layer, layers_of
from gate.deadline import Deadline
from gate.errors import IntegrityError, InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_INDEX, Descriptor
from gate.oci.manifest import Index
from gate.oci.stream import check_digest, expanded, read_verified
from gate.oci.tar_header import REGULAR
from gate.oci.tarball import TarReader
from gate.sources.file import HostFile
from gate.sources.layout import check_marker
from gate.sources.members import ArchiveFiles, members_of


class Bundle:
    """An opened bundle, whose manifest is verified: its digest and its layers."""

    def __init__(self, files: ArchiveFiles, deadline: Deadline) -> None:
        self._files = files
        self._deadline = deadline
        with _member(files, "oci-layout") as stream:
            check_marker(stream.read(LIMITS.document + 1))
        with _member(files, "index.json") as stream:
            index = Index.from_bytes(stream.read(LIMITS.document + 1), OCI_INDEX)
        if len(index.manifests) != 1:
            raise MalformedImage(f"the file lists {len(index.manifests)} manifests; a bundle is one")
        entry = index.manifests[0]
        self.digest = str(entry.digest)
        with self._blob(entry) as stream:
            self.layers = layers_of(read_verified(stream, entry, "the manifest of the bundle"))

    def verify(self, layer: Layer) -> None:
        """Read a layer to its end; raises `IntegrityError` where it is not what the manifest says."""
        for _ in self._verified(layer):
            pass

    def unpack(self, layer: Layer, limits: Callable[[str], int], target: Path) -> tuple[str, ...]:
        """Write the files of a layer below a folder and return their names.

        `limits` says how many bytes a file of a name may have, 0 for one that does not belong there. Raises
        `MalformedImage` for anything else in the layer, also links, and `IntegrityError` as `verify` does.
        """
        names: list[str] = []
        what = f"the part {layer.part.title}"
        reader = TarReader(expanded(self._verified(layer), what))
        for member in reader:
            name = member.name.decode("utf-8", "backslashreplace")
            limit = limits(name)
            if member.type != REGULAR or not limit or name in names:
                raise MalformedImage(f"{what} holds {name[:100]!r}, which does not belong there, or twice")
            if member.size > limit or len(names) >= LIMITS.bundle_files:
                raise MalformedImage(
                    f"{what} has too many files, or {name[:100]!r} has more than {limit:,} bytes"
                )
            names.append(name)
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as written:
                for buffer, start, end in reader.content():
                    written.write(memoryview(buffer)[start:end])
        return tuple(names)

    def _verified(self, layer: Layer) -> Iterator[bytes]:
        """Yield the stored bytes of a layer; checks size and digest at the end."""
        descriptor, size = layer.descriptor, 0
        hashed = hashlib.new(descriptor.digest.algorithm)
        with self._blob(descriptor) as stream:
            while chunk := stream.read(LIMITS.chunk):
                self._deadline.check()
                hashed.update(chunk)
                size += len(chunk)
                yield chunk
        check_digest(hashed, size, descriptor, f"the part {layer.part.title}")

    def _blob(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob."""
        digest = descriptor.digest
        return _member(self._files, f"blobs/{digest.algorithm}/{digest.encoded}")


def _member(files: ArchiveFiles, name: str) -> BinaryIO:
    """Open a file of the layout."""
    stream = files.open_file(name)
    if stream is None:
        raise MalformedImage(
            f"there is no {name[:100]} in the file, so it is no bundle or not a whole one",
            hint="`image-gate bundle create` writes one",
        )
    return stream


@contextmanager
def opened(path: Path, deadline: Deadline, digest: str = "") -> Iterator[Bundle]:
    """Open a bundle; raises `InvalidInput` for a file that cannot be read, `IntegrityError` for another than `digest`."""
    try:
        stream = HostFile(str(path))
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be read: {error.strerror}") from None
    with stream:
        if not stream.regular:
            raise InvalidInput(f"{str(path)!r} is not a regular file")
        bundle = Bundle(members_of(stream), deadline)
        if digest and bundle.digest != digest:
            raise IntegrityError(f"{path} is the bundle {bundle.digest}, not {digest}")
        yield bundle
