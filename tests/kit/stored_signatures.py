"""Signatures as signers store them in a registry: the four layouts, around any bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from samples.images.builder import CONFIG, INDEX, MANIFEST, Blob, encode
from tests.kit.registry_content import Registry

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")

Layer = tuple[bytes, Mapping[str, str]]
"""The bytes of a layer, and its annotations."""


def bundle_manifest(subject: Blob, *bundles: bytes, media_type: str = BUNDLE) -> Blob:
    """Layout C: a manifest that refers to `subject` and holds bundles, one as a rule."""
    layers = [Blob(media_type, bundle).descriptor() for bundle in bundles]
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": media_type,
        "config": _EMPTY.descriptor(),
    }
    return Blob(MANIFEST, encode({**body, "layers": layers, "subject": subject.descriptor()}))


def layered_manifest(media_type: str, layers: Sequence[Layer], subject: Blob | None = None) -> Blob:
    """Layouts A, B and, with a `subject`, D: a manifest each layer of which is a signature."""
    told = [Blob(media_type, data).descriptor(annotations=dict(annotations)) for data, annotations in layers]
    body: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Blob(CONFIG, b"{}").descriptor(),
        "layers": told,
    }
    return Blob(MANIFEST, encode(body if subject is None else {**body, "subject": subject.descriptor()}))


def attach(registry: Registry, repository: str, subject: Blob, *bundles: bytes) -> Blob:
    """Store bundles as `cosign sign` does: each in a manifest that refers to the subject; returns the last manifest."""
    manifest = subject
    for bundle in bundles:
        manifest = bundle_manifest(subject, bundle)
        registry.put(repository, manifest, [bundle, _EMPTY.data])
    return manifest


def tag(registry: Registry, repository: str, subject: Blob, suffix: str, layers: Sequence[Layer]) -> Blob:
    """Store signatures (`.sig`) or attestations (`.att`) under the tag of layouts A and B."""
    manifest = layered_manifest(SIMPLE_SIGNING if suffix == ".sig" else ENVELOPE, layers)
    name = f"sha256-{subject.digest.removeprefix('sha256:')}{suffix}"
    registry.put(repository, manifest, [data for data, _ in layers], tag=name)
    return manifest


def fall_back(registry: Registry, repository: str, subject: Blob, *manifests: Blob) -> None:
    """List manifests under the tag that stands in for the referrers API, as cosign does: without annotations."""
    entries = [
        each.descriptor(artifactType=json.loads(each.data).get("artifactType", "")) for each in manifests
    ]
    index = Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    registry.put(repository, index, (), tag=subject.digest.replace(":", "-"))
    held = registry.repositories[repository]
    held.manifests |= {each.digest: each for each in manifests}
