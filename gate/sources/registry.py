"""Images in registries: a name is resolved once, and everything after is asked for by digest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import InvalidInput, MalformedImage
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest, Platform
from gate.oci.image import Image, Opened, Origin
from gate.oci.reference import Reference
from gate.sources import REGISTRY, Access, Location
from gate.sources.resolve import Documents, resolve

if TYPE_CHECKING:
    from gate.registry.client import Manifest, RegistryClient


class RegistryBlobs:
    """The content of one repository. Manifests are kept, because several images of an index are asked for one."""

    def __init__(self, client: RegistryClient, name: Reference, root: Manifest) -> None:
        self._client = client
        self._name = name
        self._manifests: dict[Digest, Manifest] = {root.descriptor.digest: root}

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a manifest from memory, anything else from the network; raises `Unavailable` where it is not there."""
        if descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
            return self._client.blob(self._name, descriptor)
        manifest = self._manifests.get(descriptor.digest)
        if manifest is None:
            manifest = self._client.manifest(replace(self._name, digest=descriptor.digest))
            self._manifests[descriptor.digest] = manifest
        served_as = manifest.descriptor.media_type
        if served_as != descriptor.media_type:
            raise MalformedImage(
                f"the registry serves {descriptor.digest.short} as {served_as!r}, its descriptor says"
                f" {descriptor.media_type!r}"
            )
        return io.BytesIO(manifest.content)


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
