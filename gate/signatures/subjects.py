"""What stands for an image where it was signed, and which repositories may hold that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import Unavailable, joined
from gate.oci.descriptor import INDEX_TYPES, Digest
from gate.oci.image import Image, Opened, Origin
from gate.oci.manifest import Index, artifact_content
from gate.oci.reference import Reference
from gate.sources import ENGINE, REGISTRY, Access

if TYPE_CHECKING:
    from gate.registry.client import RegistryClient

_PULLED = 5
"""Digests of an engine that are looked into: an image has one for each repository that it was pulled from or pushed to."""


class Subjects(Struct, frozen=True):
    """The digests that stand for an image: its manifest's, then its index's; and the repositories to ask, without tags."""

    digests: tuple[Digest, ...]
    repositories: tuple[Reference, ...] = ()


def subjects_of(image: Image, opened: Opened, stated: Reference | None, access: Access) -> Subjects:
    """Return what stands for an image that `opened` led to; `stated` is what the caller calls a file.

    1. An image of a registry: its manifest, and the index that its name stood for. Every step between the two was made by
       digest, so that the one belongs to the other is proven.
    2. An image of a container engine: an engine tells under which digests it was pulled. A classic store keeps no
       manifests, so its word is checked against the registry: the manifest must lead to this image's configuration.
    3. A file: its manifest. Its own name is a claim that anyone can write, so only a name that the caller states is asked.

    Raises `Unavailable` where no digest is known that anyone could have signed.
    """
    digests = tuple(dict.fromkeys((image.digest, opened.digest)))
    origin = opened.origin or Origin("")
    if origin.source == REGISTRY and origin.name is not None:  # 1
        return Subjects(digests, _repositories([origin.name], access))
    if origin.source == ENGINE and origin.engine is not None:  # 2
        pulled = origin.engine.repo_digests[:_PULLED]
        repositories = _repositories(pulled, access)
        if image.descriptor is not None:
            return Subjects(digests, repositories)
        return Subjects(_confirmed(access.registry, pulled, image), repositories)
    if image.descriptor is None:  # 3
        raise Unavailable(
            "this archive holds no manifest, and a manifest is what is signed",
            hint="save the image as an OCI layout, or check it in its registry",
        )
    return Subjects(digests, _repositories([stated] if stated is not None else [], access))


def _repositories(names: Iterable[Reference], access: Access) -> tuple[Reference, ...]:
    """Return where the signatures of these names lie: beside them, or where the configuration says."""
    found: dict[Reference, None] = {}
    for name in names:
        settings = access.settings.registry.hosts.get(name.registry)
        elsewhere = settings.signature_repository if settings is not None else ""
        found[Reference.parse(elsewhere) if elsewhere else replace(name, tag="", digest=None)] = None
    return tuple(found)


def _confirmed(client: RegistryClient, pulled: Iterable[Reference], image: Image) -> tuple[Digest, ...]:
    """Return the digests of the first pulled name that lead to the image's configuration: a manifest's, and an index's."""
    failed: list[Unavailable] = []
    for name in pulled:
        try:
            found = _leading_to(client, name, image)
        except Unavailable as error:
            failed.append(error)
            continue
        if found:
            return found
    if failed:
        raise joined(failed)
    raise Unavailable(
        "the container engine knows no digest of this image that a registry has, so nothing tells what was signed",
        hint="push the image and check it in its registry: docker://NAME",
    )


def _leading_to(client: RegistryClient, name: Reference, image: Image) -> tuple[Digest, ...]:
    """Return the digests of a name that lead to the image's configuration; empty where they lead elsewhere."""
    root = client.manifest(replace(name, tag=""))
    found = root.descriptor
    if found.media_type not in INDEX_TYPES:
        return (found.digest,) if _is_of(root.content, image) else ()
    for entry in Index.from_bytes(root.content, found.media_type).manifests:
        stated = entry.platform
        if stated is None or not stated.known or stated.normalised() != image.platform.normalised():
            continue
        if _is_of(client.manifest(replace(name, tag="", digest=entry.digest)).content, image):
            return entry.digest, found.digest
    return ()


def _is_of(manifest: bytes, image: Image) -> bool:
    """Whether a manifest, whose digest was verified, has the image's configuration."""
    return artifact_content(manifest)[0].digest == image.manifest.config.digest
