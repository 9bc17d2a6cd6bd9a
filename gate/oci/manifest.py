"""Manifests, indexes and image configurations (OCI image specification: manifest.md, image-index.md, config.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import (
    CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    PLATFORM_FIELDS,
    Descriptor,
    Digest,
    Platform,
)

_MANIFEST_FIELDS = (
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "annotations",
    "subject",
    "artifactType",
)
_INDEX_FIELDS = ("schemaVersion", "mediaType", "manifests", "annotations", "subject", "artifactType")
_CONFIG_FIELDS = (
    *PLATFORM_FIELDS, "created", "author", "config", "rootfs", "history", "container_config", "docker_version",
)  # fmt: skip
_RUNTIME_FIELDS = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
    "Healthcheck", "Shell", "OnBuild", "ArgsEscaped",
)  # fmt: skip
_HEALTHCHECK_FIELDS = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_HISTORY_FIELDS = ("created", "author", "created_by", "comment", "empty_layer")

ATTESTATION_TYPE = "vnd.docker.reference.type"
"""The annotation by which BuildKit marks entries of an index that are attestations, not images."""


class Manifest(Struct, frozen=True):
    """One image: its configuration and its layers, base first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @classmethod
    def from_bytes(cls, data: bytes, media_type: str = "") -> Manifest:
        """Parse a manifest that was pointed to as `media_type`; raises `MalformedImage` or `Unavailable`.

        A body that also reads as an index, says another type than its descriptor, or whose configuration is not a
        container's (a Helm chart, a WebAssembly module) is refused: engines and scanners disagree on those.
        """
        body = strict_json.named_fields(
            strict_json.parse(data, "the manifest"),
            (*_MANIFEST_FIELDS, "manifests", "fsLayers"),
            "the manifest",
        )
        stated = _stated_type(body, media_type, MANIFEST_TYPES, "the manifest")
        if "manifests" in body or "fsLayers" in body:
            raise MalformedImage(
                "the manifest also has the fields of an index or of schema 1, so readers differ on it"
            )
        config = Descriptor.from_json(body.get("config"), "the manifest's config")
        if config.media_type not in CONFIG_TYPES:
            raise MalformedImage(
                f"not a container image: its configuration has the media type {config.media_type[:100]!r}",
                hint="this is an artifact such as a chart, a signature or a module; name an image",
            )
        layers = strict_json.objects(body.get("layers"), "the manifest's layers", limit=LIMITS.layers)
        return cls(
            media_type=stated,
            config=config,
            layers=tuple(
                Descriptor.from_json(layer, f"layer {number} of the manifest")
                for number, layer in enumerate(layers)
            ),
            annotations=strict_json.text_map(body.get("annotations"), "the manifest's annotations"),
        )


def artifact_content(data: bytes) -> tuple[Descriptor, frozenset[str]]:
    """Return the configuration's descriptor and the layers' media types of any manifest, an image's or not."""
    what = "the manifest"
    body = strict_json.named_fields(strict_json.parse(data, what), _MANIFEST_FIELDS, what)
    layers = strict_json.objects(body.get("layers"), f"{what}'s layers", limit=LIMITS.layers)
    types = (
        Descriptor.from_json(layer, f"layer {number} of {what}").media_type
        for number, layer in enumerate(layers)
    )
    return Descriptor.from_json(body.get("config"), f"{what}'s config"), frozenset(types)


class Index(Struct, frozen=True):
    """A list of manifests, usually one per platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @classmethod
    def from_bytes(cls, data: bytes, media_type: str = "") -> Index:
        """Parse an index that was pointed to as `media_type`; raises `MalformedImage` or `Unavailable`."""
        body = strict_json.named_fields(
            strict_json.parse(data, "the index"), (*_INDEX_FIELDS, "config", "layers"), "the index"
        )
        stated = _stated_type(body, media_type, INDEX_TYPES, "the index")
        if "layers" in body or "config" in body:
            raise MalformedImage("the index also has the fields of a manifest, so readers differ on it")
        entries = strict_json.objects(body.get("manifests"), "the index's manifests", limit=LIMITS.manifests)
        return cls(
            media_type=stated,
            manifests=tuple(
                Descriptor.from_json(entry, f"entry {number} of the index")
                for number, entry in enumerate(entries)
            ),
            annotations=strict_json.text_map(body.get("annotations"), "the index's annotations"),
        )


def _stated_type(body: strict_json.Object, expected: str, allowed: frozenset[str], what: str) -> str:
    """Return the media type, which body and descriptor must agree on where both state one."""
    version = body.get("schemaVersion")
    if type(version) is not int or version != 2:
        raise MalformedImage(f"{what} has schemaVersion {str(version)[:100]!r}; only 2 is an image of today")
    stated = strict_json.text(body.get("mediaType"), f"{what}, mediaType") or expected
    if stated not in allowed or (expected and stated != expected):
        raise MalformedImage(
            f"{what} says it is {stated[:100]!r} where {expected or 'an image'!r} was pointed to"
        )
    return stated


class HistoryEntry(Struct, frozen=True):
    """One build step as the configuration tells it."""

    created: str
    created_by: str
    comment: str
    author: str
    empty_layer: bool


class ImageConfig(Struct, frozen=True):
    """The image configuration: platform, the defaults a container starts with, and the diff IDs of the layers.

    Times stay text: whether they can be believed is a rule's question. `raw` is the whole document as parsed.
    """

    platform: Platform
    created: str
    author: str
    user: str
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    working_dir: str
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...]
    labels: Mapping[str, str]
    healthcheck: Mapping[str, Any] | None
    history: tuple[HistoryEntry, ...]
    diff_ids: tuple[Digest, ...]
    raw: Mapping[str, Any]

    @classmethod
    def from_bytes(cls, data: bytes) -> ImageConfig:
        """Parse a configuration; raises `MalformedImage`, or `Unavailable` for a diff ID that cannot be verified."""
        what = "the image configuration"
        body = strict_json.named_fields(strict_json.parse(data, what), _CONFIG_FIELDS, what)
        runtime = strict_json.named_fields(_object(body.get("config")), _RUNTIME_FIELDS, f"{what}, config")
        rootfs = strict_json.named_fields(body.get("rootfs"), ("type", "diff_ids"), f"{what}, rootfs")
        if rootfs.get("type") != "layers":
            raise MalformedImage(
                f"{what} has a rootfs of type {str(rootfs.get('type'))[:100]!r}; the specification knows 'layers'"
            )
        diff_ids = strict_json.objects(rootfs.get("diff_ids"), f"{what}, diff_ids", limit=LIMITS.layers)
        history = strict_json.objects(body.get("history"), f"{what}, history", limit=20 * LIMITS.layers)
        healthcheck = runtime.get("Healthcheck")
        return cls(
            platform=Platform.from_json({name: body[name] for name in PLATFORM_FIELDS if name in body}, what),
            created=strict_json.text(body.get("created"), f"{what}, created"),
            author=strict_json.text(body.get("author"), f"{what}, author"),
            user=strict_json.text(runtime.get("User"), f"{what}, User"),
            env=strict_json.texts(runtime.get("Env"), f"{what}, Env"),
            entrypoint=_command(runtime.get("Entrypoint"), f"{what}, Entrypoint"),
            cmd=_command(runtime.get("Cmd"), f"{what}, Cmd"),
            working_dir=strict_json.text(runtime.get("WorkingDir"), f"{what}, WorkingDir"),
            exposed_ports=tuple(sorted(_object(runtime.get("ExposedPorts")))),
            volumes=tuple(sorted(_object(runtime.get("Volumes")))),
            labels=strict_json.text_map(runtime.get("Labels"), f"{what}, Labels"),
            healthcheck=None
            if healthcheck is None
            else strict_json.named_fields(healthcheck, _HEALTHCHECK_FIELDS, f"{what}, Healthcheck"),
            history=tuple(
                _history_entry(entry, f"{what}, history {number}") for number, entry in enumerate(history)
            ),
            diff_ids=tuple(
                Digest.parse(value, f"{what}, diff ID {number}") for number, value in enumerate(diff_ids)
            ),
            raw=body,
        )

    def layer_history(self, layer: int) -> HistoryEntry | None:
        """Return the build step that made layer `layer`, or None where history and layers do not match up."""
        steps = [entry for entry in self.history if not entry.empty_layer]
        return steps[layer] if len(steps) == len(self.diff_ids) else None


def _object(value: Any) -> dict[str, Any]:
    """Return `value` if it is an object; null and absence read as the empty object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedImage("the image configuration has a list or scalar where an object belongs")
    return value


def _command(value: Any, what: str) -> tuple[str, ...]:
    """Read a command; Docker's old configurations wrote a single string for one of one word."""
    return (value,) if isinstance(value, str) else strict_json.texts(value, what)


def _history_entry(value: Any, what: str) -> HistoryEntry:
    """Read one entry of the history."""
    found = strict_json.named_fields(value, _HISTORY_FIELDS, what)
    empty = found.get("empty_layer")
    if not isinstance(empty, bool | None):
        raise MalformedImage(f"{what}, empty_layer is not a boolean")
    created, created_by, comment, author = (
        strict_json.text(found.get(name), f"{what}, {name}")
        for name in ("created", "created_by", "comment", "author")
    )
    return HistoryEntry(created, created_by, comment, author, bool(empty))
