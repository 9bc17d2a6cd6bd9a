"""Digests, platforms, media types and descriptors (OCI image specification, descriptor.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.oci import strict_json

_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):(?P<encoded>[A-Za-z0-9=_-]+)", re.ASCII)
_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_TYPES = frozenset(
    {f"{base}{suffix}" for base in (OCI_LAYER, "application/vnd.oci.image.layer.nondistributable.v1.tar")
     for suffix in ("", "+gzip", "+zstd")}
    | {f"application/vnd.docker.image.rootfs.{kind}" for kind in
       ("diff.tar", "diff.tar.gzip", "diff.tar.zstd", "foreign.diff.tar", "foreign.diff.tar.gzip")}
)  # fmt: skip
"""Layers that are tar streams we can read; the bytes decide the compression, as container engines let them."""

DESCRIPTOR_FIELDS = ("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")
PLATFORM_FIELDS = ("architecture", "os", "os.version", "os.features", "variant", "features")


class Digest(Struct, frozen=True, order=True):
    """A content digest: `algorithm:hex`, of an algorithm that we can verify."""

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, value: Any, what: str = "digest") -> Digest:
        """Parse as the specification's grammar says; raises `MalformedImage`, or `Unavailable` for an unknown algorithm.

        Digests become file names, so nothing but lower-case hexadecimal of the right length passes.
        """
        match = _DIGEST.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise MalformedImage(f"{what} {str(value)[:100]!r} is not a digest")
        algorithm, encoded = match["algorithm"], match["encoded"]
        length = _HEX_LENGTHS.get(algorithm)
        if length is None:
            raise Unavailable(
                f"{what} uses the algorithm {algorithm[:100]!r}", hint="sha256 and sha512 can be verified"
            )
        if len(encoded) != length or not _HEX.fullmatch(encoded):
            raise MalformedImage(f"{what} {value[:150]!r} is not {length} lower-case hexadecimal digits")
        return cls(algorithm, encoded)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    @property
    def short(self) -> str:
        """The form for people: `sha256:` and twelve digits."""
        return f"{self.algorithm}:{self.encoded[:12]}"


class Platform(Struct, frozen=True, order=True):
    """What an image runs on, in the specification's words (Go's GOOS and GOARCH)."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def from_json(cls, value: Any, what: str) -> Platform:
        """Read a descriptor's `platform`, or the same fields of an image configuration."""
        found = strict_json.named_fields(value, PLATFORM_FIELDS, what)
        names = ("os", "architecture", "variant", "os.version")
        return cls(*(strict_json.text(found.get(name), f"{what}, {name}") for name in names))

    @property
    def known(self) -> bool:
        """Whether both operating system and architecture are stated."""
        return self.os not in ("", "unknown") and self.architecture not in ("", "unknown")

    def normalised(self) -> Platform:
        """Apply containerd's rules: `aarch64` is `arm64`, `arm64` implies `v8`, `arm` implies `v7`."""
        architecture, variant = self.architecture.lower(), self.variant.lower()
        names = {"aarch64": "arm64", "i386": "386", "x86_64": "amd64", "x86-64": "amd64"}
        architecture = names.get(architecture, architecture)
        if architecture == "arm64" and variant in ("8", "v8"):
            variant = ""
        elif architecture == "arm":
            variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
        elif architecture == "amd64" and variant == "v1":
            variant = ""
        return Platform(self.os.lower(), architecture, variant, self.os_version)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(Struct, frozen=True):
    """A pointer to content that can be verified: media type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = {}
    artifact_type: str = ""

    @classmethod
    def from_json(cls, value: Any, what: str) -> Descriptor:
        """Read a descriptor; `urls` are legal and never followed. Raises `MalformedImage` or `Unavailable`."""
        found = strict_json.named_fields(value, DESCRIPTOR_FIELDS, what)
        platform = found.get("platform")
        return cls(
            media_type=strict_json.text(found.get("mediaType"), f"{what}, mediaType"),
            digest=Digest.parse(found.get("digest"), f"{what}, digest"),
            size=strict_json.size(found.get("size"), f"{what}, size"),
            platform=None if platform is None else Platform.from_json(platform, f"{what}, platform"),
            annotations=strict_json.text_map(found.get("annotations"), f"{what}, annotations"),
            artifact_type=strict_json.text(found.get("artifactType"), f"{what}, artifactType"),
        )
