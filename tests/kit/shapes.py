"""One image in the shapes in which other tools write it to files, so that honest input is known to pass.

Archives as members by path, in the order of the tool; layouts as files. Sources: the writers of Docker (`docker save`
before 25, since 25, and with the containerd store), BuildKit, podman and skopeo (containers/image), umoci,
go-containerregistry (ko, kaniko, crane, Bazel), Jib and Nix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from samples.images.builder import INDEX, Blob, Image, Index, Json, attestation_of, build_index, encode
from samples.images.entries import Entry, file, symbolic_link
from samples.images.layers import digest_of
from samples.images.layout import (
    CONTAINERD_NAME,
    REFERENCE_NAME,
    blob_files,
    docker_archive,
    uncompressed,
)

Files = dict[str, Entry]

NAME = "registry.example.com:5000/shop/api:1.4"
TAG = "1.4"


def archives(image: Image, other: Image) -> dict[str, Files]:
    """Archives of `image` under `NAME`, by tool; `other` is the same for another platform."""
    index = build_index([image, other], attested=True)
    plain = uncompressed(image)
    return {
        "docker-save": docker_archive({NAME: image}),
        "docker-save-25": containerd_archive(plain, plain),
        "docker-save-25-two-tags": _two_tags(containerd_archive(plain, plain)),
        "docker-save-by-id": docker_archive({"": image}),
        "docker-save-containerd": containerd_archive(image, index),
        "docker-save-29-attested": attached(containerd_archive(image, image), image),
        "buildx-docker": containerd_archive(image, image),
        "podman-save": containers_image(image),
        "kaniko": go_containerregistry(image),
        "jib": jib(image),
        "nix": nix(image),
    }


def layouts(image: Image, other: Image) -> dict[str, Files]:
    """OCI layouts of `image` alone or along with `other`, by tool; packed as a tar file they are OCI archives."""
    attested, both = build_index([image], attested=True), build_index([image, other], attested=True)
    single = build_index([image])
    outer = Blob(
        INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [single.manifest.descriptor()]})
    )
    tag: Json = {"annotations": {REFERENCE_NAME: TAG}}
    return {
        "skopeo": listed((image, tag)),
        "umoci": listed((image, tag)),
        "podman-save-oci": listed((image, {"annotations": {REFERENCE_NAME: NAME}})),
        "crane": listed((image, {})),
        "crane-platform": listed((image, {"platform": image.platform.as_json()})),
        "buildx-oci": listed((attested, containerd_names())),
        "buildx-oci-two-platforms": listed((both, containerd_names())),
        "buildx-oci-two-names": listed(
            (attested, containerd_names()),
            (attested, containerd_names("registry.example.com/shop/api:latest")),
        ),
        "bazel": listed((single, {})),
        "index-in-index": {**listed((Index(outer, single.images), {})), **blob_files(single.manifest.data)},
        "platforms-in-index-json": listed(
            (image, {"platform": image.platform.as_json()}), (other, {"platform": other.platform.as_json()})
        ),
    }


def listed(*subjects: tuple[Image | Index, Mapping[str, Any]]) -> Files:
    """A layout whose index.json lists these, each with further members of its descriptor."""
    files: Files = {}
    for subject, _ in subjects:
        files |= blob_files(*subject.blobs())
    index = {
        "schemaVersion": 2,
        "manifests": [subject.manifest.descriptor(**more) for subject, more in subjects],
    }
    return files | {
        "index.json": file(encode(index)),
        "oci-layout": file('{"imageLayoutVersion": "1.0.0"}\n'),
    }


def containers_image(image: Image) -> Files:
    """What podman and skopeo write: layers at the root, and links to them where older Dockers look."""
    files: Files = {}
    layers = []
    for number, layer in enumerate(image.layers):
        layers.append(f"{layer.diff_id.removeprefix('sha256:')}.tar")
        files[layers[-1]] = file(layer.tar())
        folder = digest_of(f"{number}".encode()).removeprefix("sha256:")
        files[f"{folder}/VERSION"] = file("1.0")
        files[f"{folder}/layer.tar"] = symbolic_link(f"../{layers[-1]}")
        files[f"{folder}/json"] = file("{}")
    config = image.config.digest.removeprefix("sha256:") + ".json"
    files |= {config: file(image.config.data), "repositories": file("{}")}
    return files | {"manifest.json": _manifest_json(config, layers)}


def go_containerregistry(image: Image) -> Files:
    """What ko, kaniko, crane and Bazel write: compressed layers, all named by their digests, without folders."""
    layers = [f"{layer.digest.removeprefix('sha256:')}.tar.gz" for layer in image.layers]
    files: Files = {image.config.digest: file(image.config.data)}
    files |= {name: file(layer.data) for name, layer in zip(layers, image.layers, strict=True)}
    return files | {"manifest.json": _manifest_json(image.config.digest, layers)}


def jib(image: Image) -> Files:
    """What Jib writes: compressed layers, and a configuration with a fixed name."""
    layers = [f"{layer.diff_id.removeprefix('sha256:')}.tar.gz" for layer in image.layers]
    files: Files = {name: file(layer.data) for name, layer in zip(layers, image.layers, strict=True)}
    return files | {
        "config.json": file(image.config.data),
        "manifest.json": _manifest_json("config.json", layers),
    }


def nix(image: Image) -> Files:
    """What Nix's dockerTools write: as older Dockers, but with `./` in front of names."""
    files = docker_archive({NAME: image})
    return {f"./{path}": entry for path, entry in files.items()}


def containerd_archive(image: Image, listed: Image | Index) -> Files:
    """What Docker writes since version 25, and BuildKit: an OCI layout of what is stored, and manifest.json for an image.

    With its older stores Docker writes plain layers and one manifest, with the containerd store what was pulled.
    """
    blobs = blob_files(*image.blobs(), *listed.blobs())
    layers = [f"blobs/sha256/{layer.digest.removeprefix('sha256:')}" for layer in image.layers]
    config = f"blobs/sha256/{image.config.digest.removeprefix('sha256:')}"
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [listed.manifest.descriptor(**containerd_names())],
    }
    return {
        **blobs,
        "index.json": file(encode(index)),
        "manifest.json": _manifest_json(config, layers),
        "oci-layout": file('{"imageLayoutVersion":"1.0.0"}'),
    }


def attached(files: Mapping[str, Entry], image: Image) -> Files:
    """The same archive with an attestation of the image beside it, as Docker writes it since 29.1."""
    attestation = attestation_of(image)
    index: Any = json.loads(files["index.json"].content)
    annotations = {"io.containerd.manifest.subject": image.manifest.digest}
    index["manifests"].append(attestation.manifest.descriptor(annotations=annotations))
    return {**files, **blob_files(*attestation.blobs()), "index.json": file(encode(index))}


def without(files: Mapping[str, Entry], *blobs: bytes) -> Files:
    """The same files without some blobs, as an export of one platform leaves the others out."""
    left_out = blob_files(*blobs)
    return {path: entry for path, entry in files.items() if path not in left_out}


def containerd_names(name: str = NAME) -> Json:
    """The annotations of containerd."""
    return {"annotations": {CONTAINERD_NAME: name, REFERENCE_NAME: name.rpartition(":")[2]}}


def _manifest_json(config: str, layers: list[str]) -> Entry:
    return file(encode([{"Config": config, "RepoTags": [NAME], "Layers": layers}]))


def _two_tags(files: Files) -> Files:
    """The same image under a second name: one more entry in index.json, and none in manifest.json."""
    manifest: Any = json.loads(files["manifest.json"].content)
    manifest[0]["RepoTags"].append("shop/api:latest")
    index: Any = json.loads(files["index.json"].content)
    index["manifests"].append({**index["manifests"][0], **containerd_names("docker.io/shop/api:latest")})
    return files | {"manifest.json": file(encode(manifest)), "index.json": file(encode(index))}
