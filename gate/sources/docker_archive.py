"""The archive of `docker save`: `manifest.json`, and since version 25 an OCI layout in the same file."""

from __future__ import annotations

import hashlib
import json
import re
from typing import BinaryIO, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import (
    INDEX_TYPES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Digest,
    Platform,
)
from gate.oci.image import Image, Opened
from gate.oci.manifest import ImageConfig, Index, Manifest
from gate.oci.reference import Reference
from gate.sources import Location
from gate.sources.layout import LayoutBlobs, LayoutFiles, names_of, open_files
from gate.sources.resolve import Documents, images_of, resolve, single

_FIELDS = ("Config", "RepoTags", "Layers", "Parent", "LayerSources")
_BLOB_PATH = re.compile(r"blobs/(?P<algorithm>sha256|sha512)/(?P<encoded>[0-9a-f]+)")
_CONFIG_PATH = re.compile(r"(?:sha256:)?(?P<encoded>[0-9a-f]{64})(?:\.json)?")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5")


_Identity = tuple[Digest, ...]
_Listed = tuple[Descriptor, frozenset[_Identity]]
"""An entry of index.json, and the images that it leads to."""


class Members(LayoutFiles, Protocol):
    """The members of an archive, with their sizes in bytes and their digests."""

    def size(self, path: str) -> int:
        """Return the size of a member."""

    def digest(self, path: str) -> Digest:
        """Return the sha256 digest of a member."""


class _MemberLayer(Struct, frozen=True):
    """A layer that is a member of the archive, under any name."""

    descriptor: Descriptor
    diff_id: Digest
    members: Members
    path: str

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        return _open(self.members, self.path)


class _Entry(Struct, frozen=True):
    """One image as `manifest.json` states it."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


def open_docker(members: Members, location: Location, wanted: Platform | None, *, both: bool) -> Opened:
    """Open the chosen image of a `docker save` archive.

    With `both`, the archive also is an OCI layout: the image is then read from there, with its real manifest, after
    both readings were found to name the same configuration and layers. Raises `MalformedImage` where they differ.
    """
    entries = _entries(members)
    documents = Documents(LayoutBlobs(members))
    if not both:
        return single(_image(members, _choose(entries, location), documents), wanted)
    images = [_image(members, entry, documents) for entry in entries]
    listed, attached = images_of(documents, _index(members).manifests)
    layout = _layout(listed, documents)
    _compare(images, layout)
    if location.source == "oci-archive":
        return open_files(members, location, wanted)
    image = images[entries.index(_choose(entries, location))]
    descriptor, names = _in_layout(image, layout, location)
    opened = resolve(documents, descriptor, wanted, image.names or names)
    return replace(opened, left_out={**attached, **opened.left_out})


def _entries(members: Members) -> tuple[_Entry, ...]:
    """Read manifest.json."""
    with _open(members, "manifest.json") as stream:
        body = strict_json.parse(stream.read(LIMITS.document + 1), "manifest.json")
    found = []
    for number, value in enumerate(strict_json.objects(body, "manifest.json", limit=LIMITS.manifests)):
        what = f"image {number} of manifest.json"
        fields = strict_json.named_fields(value, _FIELDS, what)
        layers = strict_json.texts(fields.get("Layers"), f"{what}, Layers")
        if len(layers) > LIMITS.layers:
            raise MalformedImage(f"{what} has {len(layers):,} layers; at most {LIMITS.layers:,} are read")
        config = strict_json.text(fields.get("Config"), f"{what}, Config")
        found.append(_Entry(config, layers, strict_json.texts(fields.get("RepoTags"), f"{what}, RepoTags")))
    if not found:
        raise MalformedImage("manifest.json lists no image")
    return tuple(found)


def _choose(entries: tuple[_Entry, ...], location: Location) -> _Entry:
    """Return the image that the caller chose, or the only one."""
    chosen = entries
    if location.choice:
        wanted = _canonical(location.choice)
        chosen = tuple(entry for entry in entries if wanted in map(_canonical, entry.names))
        if len(chosen) > 1:
            raise MalformedImage(f"manifest.json has {location.choice!r} {len(chosen)} times")
    listing = ", ".join(name[:100] for entry in entries[:10] for name in entry.names[:3]) or "no names at all"
    if not chosen:
        raise InvalidInput(f"there is no {location.choice!r} in {location.path}", hint=f"it has {listing}")
    if len(chosen) > 1:
        raise InvalidInput(
            f"{location.path} holds {len(chosen)} images and none was chosen",
            hint=f"add :NAME; it has {listing}",
        )
    return chosen[0]


def _canonical(name: str) -> str:
    """Write a name in full: `alpine` and `docker.io/library/alpine:latest` are the same image."""
    try:
        found = Reference.parse(name)
    except InvalidInput:
        return name
    return str(replace(found, tag=found.tag or "latest"))


def _image(members: Members, entry: _Entry, documents: Documents) -> Image:
    """Open one image of manifest.json; its manifest is made here, because this format has none."""
    with _open(members, entry.config) as stream:
        config_bytes = stream.read(LIMITS.document + 1)
    documents.take(len(config_bytes))
    config = ImageConfig.from_bytes(config_bytes)
    digest = Digest("sha256", hashlib.sha256(config_bytes).hexdigest())
    named = _CONFIG_PATH.fullmatch(entry.config) or _BLOB_PATH.fullmatch(entry.config)
    if named is not None and named["encoded"] != digest.encoded:
        raise MalformedImage(f"the configuration {entry.config[:200]!r} hashes to {digest}")
    if len(entry.layers) != len(config.diff_ids):
        raise MalformedImage(
            f"manifest.json has {len(entry.layers)} layers and the image configuration {len(config.diff_ids)} diff IDs"
        )
    layers = tuple(
        _MemberLayer(_layer_descriptor(members, path, diff), diff, members, path)
        for path, diff in zip(entry.layers, config.diff_ids, strict=True)
    )
    config_descriptor = Descriptor(OCI_CONFIG, digest, len(config_bytes))
    manifest = Manifest(OCI_MANIFEST, config_descriptor, tuple(layer.descriptor for layer in layers), {})
    return Image(
        None, manifest, config, layers, config.platform, _manifest_bytes(manifest), config_bytes, entry.names
    )


def _layer_descriptor(members: Members, path: str, diff_id: Digest) -> Descriptor:
    """Say what a layer's stored bytes must hash to: its diff ID, unless the file is compressed."""
    with _open(members, path) as stream:
        head = stream.read(2)
    if named := _BLOB_PATH.fullmatch(path):
        digest = Digest.parse(f"{named['algorithm']}:{named['encoded']}")
    else:
        digest = members.digest(path) if head in _COMPRESSED else diff_id
    suffix = {_COMPRESSED[0]: "+gzip", _COMPRESSED[1]: "+zstd"}.get(head, "")
    return Descriptor(OCI_LAYER + suffix, digest, members.size(path))


def _manifest_bytes(manifest: Manifest) -> bytes:
    """Write a manifest for an image that came without one, so that scanners can read it from a layout."""
    descriptors = [
        {"mediaType": item.media_type, "digest": str(item.digest), "size": item.size}
        for item in (manifest.config, *manifest.layers)
    ]
    body = {
        "schemaVersion": 2,
        "mediaType": manifest.media_type,
        "config": descriptors[0],
        "layers": descriptors[1:],
    }
    return json.dumps(body, sort_keys=True).encode()


def _compare(images: list[Image], layout: list[_Listed]) -> None:
    """Refuse an archive whose two readings differ: engines take one of them, scanners the other.

    1. Every manifest that index.json lists directly must be in manifest.json, with the same configuration and layers; of
       an index at least one, because containerd writes all its platforms and only one of them to manifest.json.
    2. Where both give a name, it must be the same image's.
    3. Every image of manifest.json must be in the layout.
    """
    docker = {_identity(image) for image in images}
    named: dict[str, set[_Identity]] = {}
    for image in images:
        for name in image.names:
            named.setdefault(_canonical(name), set()).add(_identity(image))
            named.setdefault(name.rpartition(":")[2], set()).add(_identity(image))
    matched: set[_Identity] = set()
    for descriptor, found in layout:
        if not found & docker or (descriptor.media_type not in INDEX_TYPES and not found <= docker):  # 1
            raise _differ()
        for name in names_of(descriptor):  # 2
            full = "/" in name or ":" in name
            if not found & named.get(_canonical(name) if full else name, found):
                raise _differ()
        matched |= found
    if not docker <= matched:  # 3
        raise _differ()


def _differ() -> MalformedImage:
    """Build the error for two readings."""
    return MalformedImage(
        "the archive's manifest.json and index.json name different images, so engines and scanners would see different ones",
        hint="save the image again with one tool",
    )


def _identity(image: Image) -> _Identity:
    """Return what makes two readings the same image: configuration and layers."""
    return (image.manifest.config.digest, *(layer.digest for layer in image.manifest.layers))


def _index(members: Members) -> Index:
    """Read index.json."""
    with _open(members, "index.json") as stream:
        return Index.from_bytes(stream.read(LIMITS.document + 1), OCI_INDEX)


def _layout(listed: tuple[Descriptor, ...], documents: Documents) -> list[_Listed]:
    """Return entries of index.json with the images that each leads to."""
    opened = ((entry, resolve(documents, entry, None)) for entry in listed)
    return [(entry, frozenset(_identity(image) for image in found.images)) for entry, found in opened]


def _in_layout(image: Image, layout: list[_Listed], location: Location) -> tuple[Descriptor, tuple[str, ...]]:
    """Return the entry of index.json that leads to an image, and the names it has there.

    Raises `MalformedImage` where several lead to it, along with others: an engine would load those as well.
    """
    entries = [descriptor for descriptor, found in layout if _identity(image) in found]
    chosen = _canonical(location.choice)
    named = [entry for entry in entries if chosen in map(_canonical, names_of(entry))]
    if len({entry.digest for entry in named or entries}) > 1:
        raise MalformedImage(
            "index.json of the archive has the image several times, in indexes with different other platforms",
            hint="save the image again, alone",
        )
    names = dict.fromkeys(name for entry in named or entries for name in names_of(entry))
    return entries[0] if not named else named[0], tuple(names)


def _open(members: Members, path: str) -> BinaryIO:
    """Open a member that manifest.json needs."""
    stream = members.open_file(path)
    if stream is None:
        raise MalformedImage(f"manifest.json names {path[:200]!r}, which is not in the archive")
    return stream
