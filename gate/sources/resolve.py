"""From a descriptor to images: the part that all sources share, whatever holds their blobs."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import CONFIG_TYPES, INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest, Platform
from gate.oci.image import Image, Opened
from gate.oci.manifest import ATTESTATION_TYPE, ImageConfig, Index, Manifest, artifact_content
from gate.oci.stream import read_verified

_IN_TOTO = "application/vnd.in-toto+json"


class Blobs(Protocol):
    """Whatever holds content by digest."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob, not yet verified; raises `Unavailable` where it is not there."""


class BlobLayer(Struct, frozen=True):
    """A layer that is a blob."""

    descriptor: Descriptor
    diff_id: Digest
    blobs: Blobs

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        return self.blobs.open(self.descriptor)


class _Found(Struct):
    """What a walk through an index has found so far."""

    images: list[Image] = []
    left_out: dict[str, str] = {}
    failed: dict[str, Unavailable] = {}
    seen: set[Digest] = set()


def resolve(blobs: Blobs, root: Descriptor, wanted: Platform | None, names: tuple[str, ...] = ()) -> Opened:
    """Open everything that `root`, an index or a manifest, leads to.

    One entry that cannot be opened does not hide the others: it stands in `failed`. Raises for `root` itself.
    """
    found = _Found()
    if root.media_type in INDEX_TYPES:
        _walk(blobs, root, wanted, names, found)
    else:
        found.images.append(open_image(blobs, root, names))
    return Opened(root.digest, tuple(found.images), found.left_out, found.failed)


def _walk(
    blobs: Blobs,
    descriptor: Descriptor,
    wanted: Platform | None,
    names: tuple[str, ...],
    found: _Found,
    depth: int = 1,
) -> None:
    """Open the entries of one index."""
    if depth > LIMITS.index_depth:
        raise MalformedImage(f"indexes nest deeper than {LIMITS.index_depth} levels")
    index = Index.from_bytes(read_blob(blobs, descriptor, "the index"), descriptor.media_type)
    for entry in index.manifests:
        if entry.digest in found.seen:
            continue
        found.seen.add(entry.digest)
        if len(found.seen) > LIMITS.manifests:
            raise MalformedImage(f"an index leads to more than {LIMITS.manifests:,} manifests")
        if entry.media_type in INDEX_TYPES:
            _walk(blobs, entry, wanted, names, found, depth + 1)
            continue
        label = _label(entry)
        if (
            wanted is not None
            and entry.platform is not None
            and entry.platform.known
            and not _is(entry.platform, wanted)
        ):
            found.left_out[label] = "not the platform that was asked for"
            continue
        try:
            reason = _not_an_image(blobs, entry)
            if reason:
                found.left_out[label] = reason
                continue
            image = open_image(blobs, entry, names)
        except Unavailable as error:
            found.failed[label] = error
            continue
        if wanted is not None and not _is(image.platform, wanted):
            found.left_out[label] = "not the platform that was asked for"
        else:
            found.images.append(image)


def open_image(blobs: Blobs, descriptor: Descriptor, names: tuple[str, ...] = ()) -> Image:
    """Open one manifest: verify it and its configuration, and check that they fit together and to the descriptor."""
    if descriptor.media_type not in MANIFEST_TYPES:
        raise MalformedImage(
            f"not an image: its descriptor has the media type {descriptor.media_type[:100]!r}"
        )
    manifest_bytes = read_blob(blobs, descriptor, "the manifest")
    manifest = Manifest.from_bytes(manifest_bytes, descriptor.media_type)
    config_bytes = read_blob(blobs, manifest.config, "the image configuration")
    config = ImageConfig.from_bytes(config_bytes)
    layers = pair_layers(manifest.layers, config, blobs)
    stated = descriptor.platform
    if stated is not None and stated.known and not _is(config.platform, stated):
        raise MalformedImage(f"the index says {stated}, the image configuration says {config.platform}")
    platform = stated if stated is not None and stated.known else config.platform
    return Image(descriptor, manifest, config, layers, platform, manifest_bytes, config_bytes, names)


def pair_layers(
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


def read_blob(blobs: Blobs, descriptor: Descriptor, what: str) -> bytes:
    """Read and verify a small blob."""
    with blobs.open(descriptor) as stream:
        return read_verified(stream, descriptor, what)


def _not_an_image(blobs: Blobs, entry: Descriptor) -> str:
    """Say why an entry of an index is not an image to judge, or return nothing.

    An annotation alone hides nothing: what says it is an attestation must hold statements only, and what names a
    platform to run on is always an image.
    """
    if entry.platform is not None and entry.platform.known:
        return ""
    if entry.media_type not in MANIFEST_TYPES:
        return f"not an image, but {entry.media_type[:100]}"
    config, layer_types = artifact_content(read_blob(blobs, entry, "the manifest"))
    if entry.annotations.get(ATTESTATION_TYPE) == "attestation-manifest" and layer_types == {_IN_TOTO}:
        return "an attestation"
    if config.media_type in CONFIG_TYPES:
        return ""
    content = read_blob(blobs, config, "the artifact's configuration")
    if b"rootfs" in content:
        raise MalformedImage(
            "an entry of the index is typed as an artifact, but engines can read it as an image"
        )
    return f"not an image, but an artifact of type {config.media_type[:100]}"


def _is(found: Platform, wanted: Platform) -> bool:
    """Whether a platform is the wanted one; a variant counts where both state one."""
    left, right = found.normalised(), wanted.normalised()
    same = (left.os, left.architecture) == (right.os, right.architecture)
    return same and (left.variant == right.variant or not left.variant or not right.variant)


def _label(entry: Descriptor) -> str:
    """Name an entry for people."""
    if entry.platform is not None and entry.platform.known:
        return str(entry.platform)
    return str(entry.digest)
