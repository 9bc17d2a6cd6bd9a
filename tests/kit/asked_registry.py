"""A registry client without a registry: it answers what `RegistryClient` does, and notes what it is asked."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from msgspec import Struct

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.oci.descriptor import Descriptor, Digest, Platform
from gate.oci.image import Opened
from gate.oci.reference import Reference
from gate.registry.client import Manifest
from gate.sources import Access, Location, SourceSettings
from gate.sources.resolve import Documents, resolve
from samples.images.builder import Image, Index
from samples.images.layers import digest_of


class AskedRegistry:
    """Holds images by name with tag. `asked` are the questions: `tag NAME`, `manifest NAME`, `open NAME PLATFORM`."""

    def __init__(self, held: Mapping[str, Image | Index]) -> None:
        self.asked: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.tags: dict[str, Digest] = {}
        self._blobs: dict[str, bytes] = {}
        self._types: dict[str, str] = {}
        for name, image in held.items():
            self.push(name, image)

    def push(self, name: str, image: Image | Index) -> Digest:
        """Let a tag name an image; what it named before stays there by digest."""
        for one in (image, *(image.images if isinstance(image, Index) else ())):
            self._types[one.manifest.digest] = one.manifest.media_type
        self._blobs |= {digest_of(blob): blob for blob in image.blobs()}
        self.tags[str(Reference.parse(name))] = Digest.parse(image.manifest.digest)
        return self.tags[str(Reference.parse(name))]

    def tag_digest(self, name: Reference) -> Digest:
        """As `RegistryClient.tag_digest`."""
        self._ask(f"tag {name}", str(name))
        return self._named(name)

    def manifest(self, name: Reference) -> Manifest:
        """As `RegistryClient.manifest`."""
        self._ask(f"manifest {name}", str(name))
        digest = str(name.digest or self._named(name))
        if digest not in self._types:
            raise Unavailable(f"{name} is not there")
        content = self._blobs[digest]
        return Manifest(
            Descriptor(self._types[digest], Digest.parse(digest), len(content)), content, name.registry
        )

    def blob(self, _: Reference, descriptor: Descriptor, start: int = 0) -> BinaryIO:
        """As `RegistryClient.blob`."""
        return io.BytesIO(self._blobs[str(descriptor.digest)][start:])

    def _ask(self, question: str, name: str) -> None:
        self.asked.append(question)
        if name in self.failing:
            raise self.failing[name]

    def _named(self, name: Reference) -> Digest:
        if str(name) not in self.tags:
            raise Unavailable(f"{name} is not there")
        return self.tags[str(name)]

    @contextmanager
    def open_source(self, location: Location, wanted: Platform | None, _: Access) -> Iterator[Opened]:
        """As `gate.sources.open.open_source` for a name, with the walk that all sources share."""
        assert location.name is not None
        quiet = list(self.asked)
        root = self.manifest(location.name).descriptor
        self.asked = [*quiet, f"open {location.name} {wanted}"]
        yield resolve(Documents(_Blobs(self, location.name)), root, wanted)


class _Blobs(Struct, frozen=True):
    """The blobs of one repository."""

    registry: Any
    name: Reference

    def open(self, descriptor: Descriptor) -> BinaryIO:
        stream: BinaryIO = self.registry.blob(self.name, descriptor)
        return stream


def access_to(registry: AskedRegistry) -> Access:
    """Access whose registry client is `registry`."""
    access = Access(SourceSettings(), Deadline(60))
    access._client = registry  # type: ignore[assignment]
    return access
