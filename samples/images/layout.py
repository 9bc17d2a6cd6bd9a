"""The shapes in which images stand in files: OCI layout, OCI archive, and what `docker save` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from samples.images.builder import INDEX, Blob, Image, Index, Json, assemble, encode
from samples.images.entries import Entry, Kind, file, symbolic_link, with_parents
from samples.images.layers import Compression, Layer, digest_of, tar_of

Files = dict[str, Entry]
"""Files of a layout or an archive by path; the order is the order in an archive."""

REFERENCE_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


def oci_layout(subjects: Mapping[str, Image | Index]) -> Files:
    """An OCI image layout holding each image under its tag; the tag "" gives an entry without a name."""
    files = {"oci-layout": file(encode({"imageLayoutVersion": "1.0.0"}))}
    descriptors: list[Json] = []
    for tag, subject in subjects.items():
        more: Json = {"annotations": {REFERENCE_NAME: tag}} if tag else {}
        descriptors.append(subject.manifest.descriptor(**more))
        files.update(blob_files(*subject.blobs()))
    files["index.json"] = file(encode({"schemaVersion": 2, "manifests": descriptors}))
    return files


def blob_files(*blobs: bytes) -> Files:
    """The blobs under the paths where an OCI layout keeps them."""
    return {f"blobs/sha256/{digest_of(blob).removeprefix('sha256:')}": file(blob) for blob in blobs}


def docker_archive(images: Mapping[str, Image]) -> Files:
    """What `docker save` wrote before version 25: a folder per layer with a plain `layer.tar`.

    Images by `NAME:TAG`.

    As Docker did, a layer that occurs again is a symbolic link to its first copy.
    """
    files: Files = {}
    manifest: list[Json] = []
    first: dict[str, str] = {}
    for name, image in images.items():
        config = image.config.digest.removeprefix("sha256:") + ".json"
        files[config] = file(image.config.data)
        paths = []
        for number, layer in enumerate(image.layers):
            folder = digest_of(f"{image.config.digest} {number}".encode()).removeprefix("sha256:")
            paths.append(f"{folder}/layer.tar")
            files[f"{folder}/VERSION"] = file("1.0")
            files[f"{folder}/json"] = file(encode({"id": folder}))
            files[paths[-1]] = (
                symbolic_link(f"../{first[layer.diff_id]}") if layer.diff_id in first else file(layer.tar())
            )
            first.setdefault(layer.diff_id, paths[-1])
        manifest.append({"Config": config, "RepoTags": [name] if name else None, "Layers": paths})
    files["manifest.json"] = file(encode(manifest))
    files["repositories"] = file(encode({}))
    return files


def docker_archive_with_index(images: Mapping[str, Image]) -> Files:
    """What `docker save` writes since version 25: an OCI layout of plain layers, and `manifest.json` too."""
    manifest: list[Json] = []
    plain = {name: uncompressed(image) for name, image in images.items()}
    files: Files = {}
    descriptors = []
    for name, image in plain.items():
        files.update(blob_files(*image.blobs()))
        annotations = {CONTAINERD_NAME: f"docker.io/library/{name}", REFERENCE_NAME: name.rpartition(":")[2]}
        descriptors.append(image.manifest.descriptor(**({"annotations": annotations} if name else {})))
        manifest.append(
            {
                "Config": _blob_path(image.config.digest),
                "RepoTags": [name] if name else None,
                "Layers": [_blob_path(layer.digest) for layer in image.layers],
                "LayerSources": {
                    layer.diff_id: Blob(layer.media_type, layer.data).descriptor() for layer in image.layers
                },
            }
        )
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
    files["index.json"] = file(encode(index))
    files["manifest.json"] = file(encode(manifest))
    files["oci-layout"] = file(encode({"imageLayoutVersion": "1.0.0"}))
    return files


def uncompressed(image: Image) -> Image:
    """The same image with plain tar layers, and therefore another manifest.

    Its configuration is unchanged.
    """
    layers = tuple(Layer(layer.tar(), layer.diff_id, Compression.NONE.value) for layer in image.layers)
    return assemble(image.config, layers, image.platform)


def write_directory(files: Mapping[str, Entry], directory: Path) -> Path:
    """Write the files into a directory and return it; raises ValueError for entries that are no files."""
    for path, entry in files.items():
        if entry.kind is not Kind.FILE:
            raise ValueError(
                f"{path} is no plain file, and a layout directory holds only those; write an archive instead"
            )
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(entry.content)
    return directory


def write_archive(files: Mapping[str, Entry], path: Path) -> Path:
    """Write the files as one tar archive, folders included, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_of(with_parents(files)))
    return path


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
