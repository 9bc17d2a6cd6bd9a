"""Both databases as scanners download them: what a read-only server has to answer, as paths and contents.

Trivy pulls an OCI artifact of one layer (OCI distribution specification 1.1, pull); Grype reads
`v6/latest.json` and an archive beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from samples.databases.grype import grype_listing
from samples.images.builder import MANIFEST, Blob, encode

TRIVY_LAYER = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
TRIVY_JAVA_LAYER = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip"
TRIVY_CONFIG = "application/vnd.aquasec.trivy.config.v1+json"
TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class Served:
    """The answer to one path: media type and body."""

    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Artifact:
    """An OCI artifact of one layer.

    Trivy demands the annotation with the layer's file name, whatever the name is.
    """

    layer: Blob
    title: str
    config: ClassVar[Blob] = Blob(TRIVY_CONFIG, b"{}")

    @property
    def manifest(self) -> Blob:
        """The manifest that points to configuration and layer."""
        layers = [self.layer.descriptor(annotations={TITLE: self.title})]
        return Blob(
            MANIFEST,
            encode(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST,
                    "config": self.config.descriptor(),
                    "layers": layers,
                }
            ),
        )


def registry_paths(artifact: Artifact, repository: str, tag: str) -> dict[str, Served]:
    """What a registry answers for an artifact under one tag."""
    manifest = artifact.manifest
    paths = {"/v2/": Served("application/json", b"{}")}
    for reference in (tag, manifest.digest):
        paths[f"/v2/{repository}/manifests/{reference}"] = Served(manifest.media_type, manifest.data)
    for blob in (artifact.config, artifact.layer):
        paths[f"/v2/{repository}/blobs/{blob.digest}"] = Served("application/octet-stream", blob.data)
    return paths


def trivy_paths(archive: bytes, repository: str = "trivy-db", tag: str = "2") -> dict[str, Served]:
    """What `trivy image --download-db-only --db-repository HOST:PORT/REPOSITORY:TAG` asks for."""
    return registry_paths(Artifact(Blob(TRIVY_LAYER, archive), "db.tar.gz"), repository, tag)


def grype_paths(archive: bytes, built: datetime) -> dict[str, Served]:
    """What `grype db update` asks for below `GRYPE_DB_UPDATE_URL`."""
    listing, name = grype_listing(archive, built)
    return {
        "/v6/latest.json": Served("application/json", listing),
        f"/v6/{name}": Served("application/gzip", archive),
    }
