"""Image and Layer: the read-only view that every source provides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from msgspec import Struct

from gate.errors import Unavailable
from gate.oci.descriptor import Descriptor, Digest, Platform
from gate.oci.manifest import ImageConfig, Manifest
from gate.oci.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path


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


@runtime_checkable
class RemoteLayer(Layer, Protocol):
    """A layer whose bytes cross a network when it is read; the store keeps them, so that they do it once."""

    def open_at(self, start: int) -> BinaryIO:
        """Open the stored bytes from byte `start` on, not yet verified. The caller closes it."""


@runtime_checkable
class StoredLayer(Layer, Protocol):
    """A layer whose stored bytes lie in a private file, and hashed to its descriptor's digest when that was written.

    Whoever keeps the layer may link to the file instead of copying it.
    """

    @property
    def stored(self) -> Path:
        """The file."""


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


class EngineImage(Struct, frozen=True):
    """What a container engine says of an image it holds.

    `id` is its image id, `repo_digests` are the names and digests under which registries gave or took it. `store` is
    `classic`, where an id is the configuration's digest, or `containerd`, where it is that of a manifest or index.
    """

    id: Digest
    repo_digests: tuple[Reference, ...]
    store: str
    engine: str
    version: str


class Origin(Struct, frozen=True):
    """Where an image came from, as its source knows it.

    `source` is the word of the reference that names it: `docker` for a registry, `docker-daemon`, `oci`, …. `name` is
    the name that was asked for, in full, with its tag and digest; None for files. `served_by` is the `host[:port]` that
    served it, the registry's own or a mirror's, and `modified` when that says it was last changed.
    """

    source: str
    name: Reference | None = None
    served_by: str = ""
    modified: datetime | None = None
    engine: EngineImage | None = None


class Opened(Struct, frozen=True):
    """What a reference named.

    `digest` is what the name resolved to: an index's, a manifest's, or a configuration's digest. `images` are its
    images, one per platform. `left_out` says why an entry is not judged, keyed by its platform or digest, and `failed`
    why an entry could not be opened. `origin` is None for files. `listed` are the entries of a layout's index.json and
    `open_blob` reads what they lead to: what is attached to an image may lie beside it.
    """

    digest: Digest
    images: tuple[Image, ...]
    left_out: Mapping[str, str] = {}
    failed: Mapping[str, Unavailable] = {}
    origin: Origin | None = None
    listed: tuple[Descriptor, ...] = ()
    open_blob: Callable[[Descriptor], BinaryIO] | None = None
