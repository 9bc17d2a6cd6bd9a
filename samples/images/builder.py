"""Images and indexes as values, made from layers and settings (OCI image specification 1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from samples.images.layers import Layer, digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
IN_TOTO = "application/vnd.in-toto+json"

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in the words of the OCI image index."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def as_json(self) -> Json:
        """The platform as index and configuration state it."""
        parts = {"architecture": self.architecture, "os": self.os, "variant": self.variant}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class Settings:
    """What an image's configuration says beside its layers.

    A `created` of None leaves the creation time out.
    """

    created: datetime | None
    platform: Platform = Platform()
    user: str = ""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: Sequence[str] = ()
    working_directory: str = ""
    history: Sequence[str] = ()
    """One `created_by` per layer; without any, the configuration has no history."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with the media type under which they are pointed to."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The digest of the bytes."""
        return digest_of(self.data)

    def descriptor(self, **more: object) -> Json:
        """The OCI descriptor of this blob, with further members such as `annotations`."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data), **more}


@dataclass(frozen=True, slots=True)
class Image:
    """One manifest with everything it points to."""

    manifest: Blob
    config: Blob
    layers: tuple[Layer, ...]
    platform: Platform = Platform()

    def blobs(self) -> tuple[bytes, ...]:
        """The contents of every blob, the manifest first."""
        return (self.manifest.data, self.config.data, *(layer.data for layer in self.layers))


@dataclass(frozen=True, slots=True)
class Index:
    """An image index with the images and attestations it lists."""

    manifest: Blob
    images: tuple[Image, ...]

    def blobs(self) -> tuple[bytes, ...]:
        """The contents of every blob, the index first."""
        return (self.manifest.data, *(blob for image in self.images for blob in image.blobs()))


def encode(value: object) -> bytes:
    """JSON as registries store it: compact, UTF-8, members in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def build_image(layers: Sequence[Layer], settings: Settings) -> Image:
    """An image of these layers, base first."""
    return assemble(Blob(CONFIG, encode(config_of(layers, settings))), layers, settings.platform)


def assemble(config: Blob, layers: Sequence[Layer], platform: Platform = Platform()) -> Image:
    """An image from a configuration that is taken as it is, whatever it says."""
    return Image(Blob(MANIFEST, encode(manifest_of(config, layers))), config, tuple(layers), platform)


def manifest_of(config: Blob, layers: Sequence[Layer]) -> Json:
    """The members of an OCI image manifest."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [Blob(layer.media_type, layer.data).descriptor() for layer in layers],
    }


def config_of(layers: Sequence[Layer], settings: Settings) -> Json:
    """The members of an OCI image configuration."""
    created = {} if settings.created is None else {"created": timestamp(settings.created)}
    execution = {
        "User": settings.user,
        "ExposedPorts": {port: {} for port in settings.exposed_ports},
        "Env": list(settings.environment),
        "Entrypoint": list(settings.entrypoint),
        "Cmd": list(settings.command),
        "WorkingDir": settings.working_directory,
        "Labels": dict(settings.labels),
    }
    config: Json = {
        **created,
        **settings.platform.as_json(),
        "config": {key: value for key, value in execution.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    if settings.history:
        config["history"] = [{**created, "created_by": step} for step in settings.history]
    return config


def build_index(images: Sequence[Image], attested: bool = False) -> Index:
    """An index of one image per platform.

    `attested` adds the attestation manifest that BuildKit pushes for each image.
    """
    attestations = [attestation_of(image) for image in images] if attested else []
    listed = [image.manifest.descriptor(platform=image.platform.as_json()) for image in images]
    for image, attestation in zip(images, attestations, strict=False):
        annotations = {
            "vnd.docker.reference.digest": image.manifest.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        }
        unknown = Platform("unknown", "unknown").as_json()
        listed.append(attestation.manifest.descriptor(annotations=annotations, platform=unknown))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    return Index(Blob(INDEX, encode(index)), (*images, *attestations))


def attestation_of(image: Image) -> Image:
    """BuildKit's attestation manifest for an image: an in-toto statement in the place of a layer."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "_", "digest": {"sha256": image.manifest.digest.removeprefix("sha256:")}}],
        "predicate": {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1"},
    }
    data = encode(statement)
    layer = Layer(data, digest_of(data), IN_TOTO)
    unknown = Platform("unknown", "unknown")
    config = {**unknown.as_json(), "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    return assemble(Blob(CONFIG, encode(config)), [layer], unknown)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as image configurations state times; the moment must be in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
