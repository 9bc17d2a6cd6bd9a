from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gate.deadline import Deadline
from gate.oci.descriptor import OCI_MANIFEST, Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry import RegistrySettings
from gate.registry.client import RegistryClient
from gate.registry.push import RegistryWriter
from gate.signatures.attach import attach
from gate.signatures.discovery import Budget, Candidate
from gate.signatures.discovery_registry import in_repository
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Registry, serving_registry

MANIFEST = CLEAN_IMAGE.manifest
SUBJECT = Descriptor(OCI_MANIFEST, Digest.parse(MANIFEST.digest), len(MANIFEST.data))
BUNDLE = b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}'
KIND = "https://slsa.dev/verification_summary/v1"


@pytest.fixture(params=[True, False], ids=["referrers", "tag"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A registry with and without lists of referrers."""
    with serving_registry({"shop/api:1.4": CLEAN_IMAGE}, referrers=request.param) as serving:
        yield serving


def attached(registry: Registry, bundle: bytes) -> Digest:
    name = Reference.parse(f"{registry.host}/shop/api:1.4")
    with RegistryWriter(RegistrySettings(), Deadline(30)) as writer:
        return attach(writer, name, SUBJECT, bundle, KIND)


def test_what_is_attached_is_found(registry: Registry) -> None:
    digests = [str(attached(registry, BUNDLE + b" " * number)) for number in range(2)]
    client = RegistryClient(RegistrySettings(), Deadline(30))
    try:
        name = Reference.parse(f"{registry.host}/shop/api")
        found = list(in_repository(client, name, SUBJECT.digest, Budget()))
    finally:
        client.close()
    assert all(isinstance(item, Candidate) and item.is_bundle for item in found)
    contents = {item.manifest: item.content for item in found if isinstance(item, Candidate)}
    assert contents == {digests[0]: BUNDLE, digests[1]: BUNDLE + b" "}


def test_the_manifest_is_as_cosign_writes_it(registry: Registry) -> None:
    held = registry.repositories["shop/api"]
    digest = str(attached(registry, BUNDLE))
    manifest = json.loads(held.manifests[digest].data)
    (layer,) = manifest["layers"]
    assert held.blobs[layer["digest"]] == BUNDLE
    assert held.blobs[manifest["config"]["digest"]] == b"{}"
    assert manifest["artifactType"] == layer["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert manifest["subject"] == MANIFEST.descriptor()
    assert manifest["annotations"]["dev.sigstore.bundle.predicateType"] == KIND
    assert manifest["annotations"]["dev.sigstore.bundle.content"] == "dsse-envelope"
