"""Images in registries: a name is resolved once, and everything after is asked for by digest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import InvalidInput, MalformedImage, Unavailable
from gate.limits import KIB, LIMITS
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest, Platform
from gate.oci.image import Image, Opened, Origin
from gate.oci.manifest import Manifest
from gate.oci.reference import Reference
from gate.parallel import in_parallel
from gate.sources import REGISTRY, Access, Location
from gate.sources.resolve import Documents, resolve

if TYPE_CHECKING:
    from gate.registry.client import Manifest as Served
    from gate.registry.client import RegistryClient

T = TypeVar("T")


_THREADS = 4
"""Documents asked for at a time; each takes a connection, which takes longer to make than one document to come."""
_AHEAD = 64
"""Manifests of one index that are asked for side by side: images have some ten platforms, each with an attestation."""
_CONFIG_AHEAD = 256 * KIB
"""The longest configuration that is asked for so; most have some KiB."""


class RegistryBlobs:
    """The documents of one repository: each is fetched once, however many images lead to it."""

    def __init__(self, client: RegistryClient, name: Reference, root: Served) -> None:
        self._client = client
        self._name = name
        self._manifests: dict[Digest, Served | Unavailable] = {root.descriptor.digest: root}
        self._configs: dict[tuple[Digest, int], bytes | Unavailable] = {}

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a document, from memory where it was fetched; raises `Unavailable` where it is not there."""
        if descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
            content = self._configs.get((descriptor.digest, descriptor.size))
            if content is None:
                return self._client.blob(self._name, descriptor)
            return io.BytesIO(_raised(content))
        manifest = self._manifest(descriptor)
        served_as = manifest.descriptor.media_type
        if served_as != descriptor.media_type:
            raise MalformedImage(
                f"the registry serves {descriptor.digest.short} as {served_as!r}, its descriptor says"
                f" {descriptor.media_type!r}"
            )
        return io.BytesIO(manifest.content)

    def expect(self, descriptors: Sequence[Descriptor]) -> None:
        """Fetch manifests and their configurations side by side; what fails is told when it is opened."""
        calls: dict[Digest, Callable[[], None]] = {}
        left = LIMITS.documents
        for descriptor in descriptors[:_AHEAD]:
            left -= descriptor.size
            if left >= 0:
                calls[descriptor.digest] = partial(self._fetch, descriptor)
        if len(calls) > 1:
            in_parallel(min(_THREADS, len(calls)), calls, Event())

    def _fetch(self, descriptor: Descriptor) -> None:
        """Fetch a manifest, and its configuration unless it is for no platform, as attestations are."""
        try:
            content = self._manifest(descriptor).content
            if descriptor.platform is not None and not descriptor.platform.known:
                return
            config = Manifest.from_bytes(content, descriptor.media_type).config
        except Unavailable:
            return  # it is opened again, and fails again
        if config.size <= _CONFIG_AHEAD:
            with self._client.blob(self._name, config) as stream:
                self._configs[config.digest, config.size] = _kept(lambda: stream.read(config.size + 1))

    def _manifest(self, descriptor: Descriptor) -> Served:
        """Fetch a manifest, once; one that is larger than stated is not kept, so that what is kept stays within its limit."""
        found = self._manifests.get(descriptor.digest)
        if found is None:
            name = replace(self._name, digest=descriptor.digest)
            found = _kept(lambda: self._client.manifest(name))
            if isinstance(found, Unavailable) or found.descriptor.size == descriptor.size:
                self._manifests[descriptor.digest] = found
        return _raised(found)


def _kept(call: Callable[[], T]) -> T | Unavailable:
    """Return what a call returns, or why it is not available."""
    try:
        return call()
    except Unavailable as error:
        return error


def _raised(found: T | Unavailable) -> T:
    """Return what is available; raises why it is not."""
    if isinstance(found, Unavailable):
        raise found
    return found


class RegistryLayer(Struct, frozen=True):
    """A layer in a registry; nothing of it is fetched before it is read."""

    descriptor: Descriptor
    diff_id: Digest
    client: RegistryClient
    name: Reference

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        return self.open_at(0)

    def open_at(self, start: int) -> BinaryIO:
        """Open the stored bytes from byte `start` on."""
        return self.client.blob(self.name, self.descriptor, start)


@contextmanager
def open_registry(location: Location, wanted: Platform | None, access: Access) -> Iterator[Opened]:
    """Open the image or index that a name states: by its digest where it has one, else by what its tag names now."""
    name = location.name
    if name is None:
        raise InvalidInput(f"{location.text!r} names no image in a registry")
    if not name.tag and name.digest is None:
        name = replace(name, tag="latest")
    root = access.registry.manifest(name)
    documents = Documents(RegistryBlobs(access.registry, name, root))
    opened = resolve(documents, root.descriptor, wanted, (str(name),))
    images = tuple(_remote(image, access.registry, name) for image in opened.images)
    yield replace(opened, images=images, origin=Origin(REGISTRY, name, root.served_by, root.modified))


def _remote(image: Image, client: RegistryClient, name: Reference) -> Image:
    """Return an image whose layers say that they cross the network, and can be read from any byte on."""
    layers = tuple(RegistryLayer(layer.descriptor, layer.diff_id, client, name) for layer in image.layers)
    return replace(image, layers=layers)
