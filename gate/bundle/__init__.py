"""One bundle for closed networks: databases, feeds, scanners, policies and trust roots in one OCI artifact.

A bundle is an OCI image layout in a tar file (image-layout.md) that lists one manifest with an `artifactType` of ours, and in
it one layer per part; so tools for registries can push, copy and pull it. A layer is a compressed tar file. What is in it, of
which date, stands in its annotations. Everything hangs on the manifest's digest, by which a bundle is pinned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import OCI_MANIFEST, Descriptor

ARTIFACT_TYPE = "application/vnd.image-gate.bundle.v1"
EMPTY_TYPE, EMPTY = "application/vnd.oci.empty.v1+json", b"{}"
"""The configuration of an artifact that has none (OCI image specification 1.1, manifest.md)."""
TITLE, CREATED = "org.opencontainers.image.title", "org.opencontainers.image.created"
NAME, IDENTITY = "vnd.image-gate.name", "vnd.image-gate.identity"

PartKind = Literal["database", "scanner", "policy", "trust-root"]
_LAYER = re.compile(
    r"application/vnd\.image-gate\.(database|scanner|policy|trust-root)\.v1\.tar\+zstd", re.ASCII
)
_NAMED = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_FIELDS = ("schemaVersion", "mediaType", "artifactType", "config", "layers", "annotations", "subject")


class Part(Struct, frozen=True):
    """One part of a bundle.

    `name` tells it from others of its kind: a database's or scanner's name, or the policy's file name. `dated` is when its
    publisher made it, None where that has no meaning. `identity` is the digest by which reports name what is in it.
    """

    kind: PartKind
    name: str
    dated: datetime | None = None
    identity: str = ""

    @property
    def title(self) -> str:
        """The name of its file, where tools write layers to files."""
        return f"{self.kind}-{self.name}.tar.zst"

    @property
    def media_type(self) -> str:
        """The media type of its layer."""
        return f"application/vnd.image-gate.{self.kind}.v1.tar+zstd"

    @property
    def annotations(self) -> Mapping[str, str]:
        """What its descriptor says of it."""
        dated = {} if self.dated is None else {CREATED: self.dated.isoformat()}
        identity = {IDENTITY: self.identity} if self.identity else {}
        return {TITLE: self.title, NAME: self.name, **dated, **identity}


class Layer(Struct, frozen=True):
    """A part, and the descriptor of its content."""

    part: Part
    descriptor: Descriptor


def is_file_name(name: str) -> bool:
    """Whether a part of a bundle may have this name, or a file in it: one plain name, nothing that leads elsewhere."""
    return bool(_NAMED.fullmatch(name)) and name not in (".", "..")


def layers_of(manifest: bytes) -> tuple[Layer, ...]:
    """Read the manifest of a bundle; raises `MalformedImage` for any other."""
    what = "the manifest of the bundle"
    body = strict_json.named_fields(strict_json.parse(manifest, what), _FIELDS, what)
    stated = body.get("schemaVersion"), body.get("mediaType"), body.get("artifactType")
    if stated != (2, OCI_MANIFEST, ARTIFACT_TYPE):
        raise MalformedImage(
            f"this is no bundle of image-gate, but {str(stated[2])[:100]!r}",
            hint="`image-gate bundle create` writes one",
        )
    if Descriptor.from_json(body.get("config"), f"{what}, config").media_type != EMPTY_TYPE:
        raise MalformedImage(f"{what} has a configuration, which a bundle has not")
    found = strict_json.objects(body.get("layers"), f"{what}, layers", limit=LIMITS.bundle_parts)
    layers = tuple(_layer(item, f"layer {number} of the bundle") for number, item in enumerate(found))
    names = [(layer.part.kind, layer.part.name) for layer in layers]
    policies = [name for kind, name in names if kind == "policy"]
    if not layers or len(set(names)) != len(names) or len(policies) > 1:
        raise MalformedImage("the bundle has no part, one of them twice, or two policies")
    return layers


def _layer(item: object, what: str) -> Layer:
    """Read one layer."""
    descriptor = Descriptor.from_json(item, what)
    kind = _LAYER.fullmatch(descriptor.media_type)
    name = descriptor.annotations.get(NAME, "")
    if kind is None or kind[1] not in get_args(PartKind) or not is_file_name(name):
        raise MalformedImage(
            f"{what} is {descriptor.media_type[:100]!r} of the name {name[:100]!r}, which is no part of a bundle",
            hint="a newer image-gate may have written it",
        )
    dated = descriptor.annotations.get(CREATED)
    try:
        moment = None if dated is None else datetime.fromisoformat(dated)
    except ValueError:
        raise MalformedImage(f"{what} has the date {dated!r:.60}, which is none") from None
    if moment is not None and moment.tzinfo is None:
        raise MalformedImage(f"{what} has the date {dated!r:.60}, which names no time zone")
    part = Part(kind[1], name, moment, descriptor.annotations.get(IDENTITY, ""))  # type: ignore[arg-type]  # matched above
    return Layer(part, descriptor)
