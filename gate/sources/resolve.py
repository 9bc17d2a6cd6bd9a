"""From a descriptor to images: the part that all sources share, whatever holds their blobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol, runtime_checkable

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import CONFIG_TYPES, INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest, Platform
from gate.oci.image import Image, Opened
from gate.oci.manifest import ATTESTATION_TYPE, ImageConfig, Index, Manifest, artifact_content
from gate.oci.stream import read_verified

_IN_TOTO = "application/vnd.in-toto+json"
_SUBJECT = "io.containerd.manifest.subject"
"""The annotation with which containerd exports what is attached to an image: attestations and signatures, beside it."""
COSIGN_KINDS = frozenset({"dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/atts"})
"""What the annotation `kind` says where `cosign save` puts signatures and attestations beside an image."""
_STATEMENTS = frozenset(
    {_IN_TOTO, "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dsse.envelope.v1+json"}
)
"""Types of layers that no engine unpacks: attestations and signatures."""
OTHER_PLATFORM = "not the platform that was asked for"
"""Why an image is left out that could be run on another platform."""


class Blobs(Protocol):
    """Whatever holds content by digest."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob, not yet verified; raises `Unavailable` where it is not there."""


@runtime_checkable
class RemoteBlobs(Blobs, Protocol):
    """Content that is asked of a server, several at a time where it is known what will be opened."""

    def expect(self, descriptors: Sequence[Descriptor]) -> None:
        """Be told of manifests that will be opened, with their configurations; what fails is told when it is opened."""


class BlobLayer(Struct, frozen=True):
    """A layer that is a blob."""

    descriptor: Descriptor
    diff_id: Digest
    blobs: Blobs

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        return self.blobs.open(self.descriptor)


class Documents:
    """Reads the manifests and configurations that one reference leads to, and bounds what they amount to.

    A small index can point to one large configuration a thousand times, and parsed a document takes many times its size.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._left = LIMITS.documents

    def read(self, descriptor: Descriptor, what: str) -> bytes:
        """Read and verify a small blob."""
        self.take(descriptor.size)
        with self.blobs.open(descriptor) as stream:
            return read_verified(stream, descriptor, what)

    def take(self, size: int) -> None:
        """Count `size` bytes; raises `MalformedImage` where they pass the limit."""
        self._left -= size
        if self._left < 0:
            raise MalformedImage(
                f"manifests and configurations have more than {LIMITS.documents:,} bytes together"
            )


def resolve(
    documents: Documents, root: Descriptor, wanted: Platform | None, names: tuple[str, ...] = ()
) -> Opened:
    """Open everything that `root`, an index or a manifest, leads to; of several platforms only `wanted`, unless None.

    One entry that cannot be opened does not hide the others: it stands in `failed`. Raises for `root` itself.
    """
    if root.media_type not in INDEX_TYPES:
        return single(open_image(documents, root, names), wanted)
    walk = _Walk(documents, wanted, names)
    walk.index(root)
    return Opened(root.digest, tuple(walk.images), walk.left_out, walk.failed)


def single(image: Image, wanted: Platform | None) -> Opened:
    """Return the only image of a reference, which is left out where another platform was asked for."""
    if wanted is None or _is(image.platform, wanted):
        return Opened(image.digest, (image,))
    return Opened(image.digest, (), {str(image.platform) or "no platform": OTHER_PLATFORM})


def images_of(
    documents: Documents, entries: tuple[Descriptor, ...]
) -> tuple[tuple[Descriptor, ...], dict[str, str]]:
    """Part the entries of index.json: what may be images, and, by digest, what is merely attached to one.

    Docker writes attestations and signatures there since 29.1, and cosign always. As in any index, the annotation alone
    hides nothing.
    """
    images, attached = [], {}
    for entry in entries:
        marked = _said_to_be_attached(entry) and entry.media_type not in INDEX_TYPES
        reason = _not_an_image(documents, entry) if marked else ""
        if reason:
            attached[str(entry.digest)] = reason
        else:
            images.append(entry)
    return tuple(images), attached


class _Walk:
    """A walk through an index and the indexes in it, and what it has found so far."""

    def __init__(self, documents: Documents, wanted: Platform | None, names: tuple[str, ...]) -> None:
        self._documents = documents
        self._wanted = wanted
        self._names = names
        self._seen: set[tuple[Digest, str, Platform | None]] = set()
        self.images: list[Image] = []
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, Unavailable] = {}

    def index(self, descriptor: Descriptor, depth: int = 1) -> None:
        """Open the entries of one index; what is listed twice is opened once."""
        if depth > LIMITS.index_depth:
            raise MalformedImage(f"indexes nest deeper than {LIMITS.index_depth} levels")
        index = Index.from_bytes(self._documents.read(descriptor, "the index"), descriptor.media_type)
        if isinstance(self._documents.blobs, RemoteBlobs):
            self._documents.blobs.expect(
                [
                    entry
                    for entry in index.manifests
                    if entry.media_type in MANIFEST_TYPES and not self._unwanted(entry)
                ]
            )
        for entry in index.manifests:
            nested = entry.media_type in INDEX_TYPES
            key = (entry.digest, entry.media_type, None if nested else entry.platform)
            if key in self._seen:
                continue
            self._seen.add(key)
            if len(self._seen) > LIMITS.manifests:
                raise MalformedImage(f"an index leads to more than {LIMITS.manifests:,} manifests")
            if nested:
                self.index(entry, depth + 1)
            else:
                self._entry(entry)

    def _entry(self, entry: Descriptor) -> None:
        """Open one entry that is no index."""
        label = self._label(entry)
        if self._unwanted(entry):
            self.left_out[label] = OTHER_PLATFORM
            return
        try:
            reason = _not_an_image(self._documents, entry)
            if reason:
                self.left_out[label] = reason
            else:
                image = open_image(self._documents, entry, self._names)
                if self._wanted is None or _is(image.platform, self._wanted):
                    self.images.append(image)
                else:
                    self.left_out[self._label(entry, image.platform)] = OTHER_PLATFORM
        except Unavailable as error:
            self.failed[label] = error

    def _unwanted(self, entry: Descriptor) -> bool:
        """Whether an entry states another platform than the one that was asked for."""
        stated = entry.platform
        return (
            self._wanted is not None and stated is not None and stated.known and not _is(stated, self._wanted)
        )

    def _label(self, entry: Descriptor, found: Platform | None = None) -> str:
        """Name an entry for people, each by another name: several entries can state one platform, or be `found` to have it."""
        platform = found or entry.platform
        taken = self.left_out.keys() | self.failed.keys()
        if platform is None or not platform.known:
            return str(entry.digest)
        names = (str(platform), f"{platform} ({entry.digest.short})", f"{platform} ({entry.digest})")
        return next((name for name in names if name not in taken), names[-1])


def open_image(documents: Documents, descriptor: Descriptor, names: tuple[str, ...] = ()) -> Image:
    """Open one manifest: verify it and its configuration, and check that they fit together and to the descriptor."""
    if descriptor.media_type not in MANIFEST_TYPES:
        raise MalformedImage(
            f"not an image: its descriptor has the media type {descriptor.media_type[:100]!r}"
        )
    manifest_bytes = documents.read(descriptor, "the manifest")
    manifest = Manifest.from_bytes(manifest_bytes, descriptor.media_type)
    config_bytes = documents.read(manifest.config, "the image configuration")
    config = ImageConfig.from_bytes(config_bytes)
    layers = _pair_layers(manifest.layers, config, documents.blobs)
    stated = descriptor.platform
    if stated is not None and stated.known and not _is(config.platform, stated):
        raise MalformedImage(f"the index says {stated}, the image configuration says {config.platform}")
    platform = stated if stated is not None and stated.known else config.platform
    return Image(descriptor, manifest, config, layers, platform, manifest_bytes, config_bytes, names)


def _pair_layers(
    descriptors: tuple[Descriptor, ...], config: ImageConfig, blobs: Blobs
) -> tuple[BlobLayer, ...]:
    """Pair layers with diff IDs; a count that differs is malformed (engines refuse it)."""
    if len(descriptors) != len(config.diff_ids):
        raise MalformedImage(
            f"the manifest has {len(descriptors)} layers and the image configuration {len(config.diff_ids)} diff IDs"
        )
    return tuple(
        BlobLayer(layer, diff, blobs) for layer, diff in zip(descriptors, config.diff_ids, strict=True)
    )


def _not_an_image(documents: Documents, entry: Descriptor) -> str:
    """Say why an entry of an index is not an image to judge, or return nothing.

    An annotation or a type alone hides nothing: what says it is an attestation must hold statements only, what is typed
    as something else must not read as an image, and what names a platform to run on is always one.
    """
    if entry.platform is not None and entry.platform.known:
        return ""
    if entry.media_type not in MANIFEST_TYPES:
        _refuse_look_alike(documents, entry, ("layers", "manifests", "fslayers"))
        return f"not an image, but {entry.media_type[:100] or 'something without a type'}"
    said_so = _said_to_be_attached(entry)
    try:
        config, layer_types = artifact_content(documents.read(entry, "the manifest"))
    except Unavailable as error:
        if error.blocks or not said_so or entry.platform is None:
            raise
        return "said to be an attestation; it is not stored here"  # no engine runs what is for no platform
    if said_so and layer_types and layer_types <= _STATEMENTS:
        return "an attestation" if layer_types == {_IN_TOTO} else "a signature or an attestation"
    if config.media_type in CONFIG_TYPES:
        return ""
    _refuse_look_alike(documents, config, ("rootfs",))
    return f"not an image, but an artifact of type {config.media_type[:100]}"


def _said_to_be_attached(entry: Descriptor) -> bool:
    """Whether the annotations of an entry say that it is attached to an image: by BuildKit, containerd or cosign."""
    said = entry.annotations
    return (
        said.get(ATTESTATION_TYPE) == "attestation-manifest"
        or _SUBJECT in said
        or said.get("kind") in COSIGN_KINDS
    )


def _refuse_look_alike(documents: Documents, descriptor: Descriptor, fields: tuple[str, ...]) -> None:
    """Refuse what is typed as something else, but has the fields of an image's document.

    skopeo and podman run an entry that states no platform on any, and tell by its content what it is.
    """
    if descriptor.size > LIMITS.document:
        return  # more than engines read as a document
    content = documents.read(descriptor, "an entry of the index")
    try:
        body = strict_json.parse(content, "an entry of the index")
    except MalformedImage:
        alike = content.lstrip()[:1] == b"{"
    else:
        alike = isinstance(body, dict) and any(key.casefold() in fields for key in body)
    if alike:
        raise MalformedImage(
            "an entry of the index is typed as an artifact, but engines can read it as an image"
        )


def _is(found: Platform, wanted: Platform) -> bool:
    """Whether a platform is the wanted one; a variant counts where both state one, because many images state none."""
    left, right = found.normalised(), wanted.normalised()
    same = (left.os, left.architecture) == (right.os, right.architecture)
    return same and (left.variant == right.variant or not found.variant or not wanted.variant)
