"""Attach a bundle to an image in its registry, as a manifest that refers to it (Sigstore's bundle specification for OCI)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gate.oci.descriptor import OCI_MANIFEST, Descriptor, Digest
from gate.signatures.sign import BUNDLE_TYPE

if TYPE_CHECKING:
    from gate.oci.reference import Reference
    from gate.registry.push import RegistryWriter

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"
"""What stands for a configuration where there is none (image specification, "Guidance for an Empty Descriptor")."""


def attach(
    writer: RegistryWriter, name: Reference, subject: Descriptor, bundle: bytes, predicate_type: str
) -> Digest:
    """Write a bundle beside the manifest that it is about; returns the digest of what holds it.

    The annotations are those of cosign and of GitHub's actions, which other tools list by.
    """
    config = writer.blob(name, _EMPTY)
    layer = writer.blob(name, bundle)
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
        "org.opencontainers.image.created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": BUNDLE_TYPE,
            "config": _descriptor(EMPTY_TYPE, config),
            "layers": [_descriptor(BUNDLE_TYPE, layer)],
            "subject": _descriptor(subject.media_type, subject),
            "annotations": annotations,
        }
    )
    digest = Digest("sha256", hashlib.sha256(manifest).hexdigest())
    listed = Descriptor(OCI_MANIFEST, digest, len(manifest), None, annotations, BUNDLE_TYPE)
    writer.referrer(name, subject.digest, manifest, listed)
    return digest


def _descriptor(media_type: str, found: Descriptor) -> dict[str, object]:
    """Return a descriptor as JSON."""
    return {"mediaType": media_type, "digest": str(found.digest), "size": found.size}
