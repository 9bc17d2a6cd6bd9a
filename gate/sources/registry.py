"""Images in registries: a name is resolved once, and everything after is asked for by digest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from msgspec.structs import replace

from gate.errors import InvalidInput, MalformedImage
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest, Platform
from gate.oci.image import Opened, Origin
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
    yield replace(opened, origin=Origin(REGISTRY, name, root.served_by, root.modified))
