"""Image and Layer: the read-only view that every source provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

from msgspec import Struct

from gate.errors import Unavailable
from gate.oci.descriptor import Descriptor, Digest, Platform
from gate.oci.manifest import ImageConfig, Manifest


class Layer(Protocol):
    """One layer: what it must hash to, and its bytes as stored."""

    @property
    def descriptor(self) -> Descriptor:
        """Media type, digest and size of the stored (usually compressed) bytes."""

    @property
    def diff_id(self) -> Digest:
        """Digest of the uncompressed tar stream, from the image configuration."""

    def open(self) -> BinaryIO:
        """Open the stored bytes, from the start, not yet verified. The caller closes it."""


class Image(Struct, frozen=True):
    """One image for one platform, its manifest and configuration already verified and parsed.

    `descriptor` points to the manifest. It is None for an archive that carries none (the older `docker save`): such an
    image has no registry digest, only the digest of its configuration. `names` are what the source says it is called.
    `manifest_bytes` and `config_bytes` are what was hashed.
    """

    descriptor: Descriptor | None
    manifest: Manifest
    config: ImageConfig
    layers: Sequence[Layer]
    platform: Platform
    manifest_bytes: bytes
    config_bytes: bytes
    names: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest that identifies the image: its manifest's, or its configuration's where there is no manifest."""
        return self.descriptor.digest if self.descriptor is not None else self.manifest.config.digest


class Opened(Struct, frozen=True):
    """What a reference named.

    `digest` is what the name resolved to: an index's, a manifest's, or a configuration's digest. `images` are its
    images, one per platform. `left_out` says why an entry is not judged, keyed by its platform or digest, and `failed`
    why an entry could not be opened.
    """

    digest: Digest
    images: tuple[Image, ...]
    left_out: Mapping[str, str] = {}
    failed: Mapping[str, Unavailable] = {}
