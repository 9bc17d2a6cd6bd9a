"""One image in every shape in which tools write it to files: all of them are read, and read as the same image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gate.oci.descriptor import Platform
from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.image import Image, Opened
from gate.oci.layer import Reading, index_layer
from samples.images import builder
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from samples.images.layout import write_archive, write_directory
from tests.kit import shapes
from tests.kit.hostile_images import SETTINGS
from tests.sources.conftest import Open

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
BASE, TOP = layer_of({"etc/motd": file("hello\n")}), layer_of({"app": file("app\n")}, Compression.ZSTD)
IMAGE = build_image([BASE, TOP, BASE], SETTINGS)
OTHER = build_image([BASE], replace(SETTINGS, platform=builder.Platform("linux", "arm64", "v8")))
ARCHIVES, LAYOUTS = shapes.archives(IMAGE, OTHER), shapes.layouts(IMAGE, OTHER)
TWO_PLATFORMS = {"docker-save-containerd", "buildx-oci-two-platforms", "platforms-in-index-json"}
Write = Callable[[shapes.Files, Path], Path]
TAGGED = {"skopeo", "umoci", "buildx-oci", "buildx-oci-two-platforms", "buildx-oci-two-names"}


def check(opened: Opened, shape: str) -> None:
    """It is the one image, and its layers can be read to the end."""
    assert opened.failed == {}
    assert [str(image.platform) for image in opened.images] == (
        ["linux/amd64", "linux/arm64/v8"] if shape in TWO_PLATFORMS else ["linux/amd64"]
    )
    for image, sample in zip(opened.images, (IMAGE, OTHER), strict=False):
        assert str(image.manifest.config.digest) == sample.config.digest
        assert set(opened.left_out.values()) <= {"an attestation"}
        assert files(image) == (["/app", "/etc/motd"] if sample is IMAGE else ["/etc/motd"])


def files(image: Image) -> list[str]:
    """The files in an image, every layer verified."""
    layers = [index_layer(layer, Reading()) for layer in image.layers]
    tree = Filesystem(layers, [str(layer.diff_id) for layer in image.layers])
    return [entry.path for entry in tree.entries() if entry.type is EntryType.FILE]


@pytest.mark.parametrize("shape", ARCHIVES)
@pytest.mark.parametrize("source", ["docker-archive:", ""])
def test_archives(shape: str, source: str, open_image: Open, tmp_path: Path) -> None:
    path = write_archive(ARCHIVES[shape], tmp_path / "image.tar")
    opened = open_image(f"{source}{path}")
    check(opened, shape)
    names = () if shape == "docker-save-by-id" else (shapes.NAME,)
    assert opened.images[0].names[:1] == names
    if names:
        check(open_image(f"docker-archive:{path}:{shapes.NAME}"), shape)


@pytest.mark.parametrize("shape", LAYOUTS)
@pytest.mark.parametrize(
    ("source", "write"),
    [("oci:", write_directory), ("", write_directory), ("oci-archive:", write_archive), ("", write_archive)],
    ids=["oci", "directory", "oci-archive", "file"],
)
def test_layouts(shape: str, source: str, write: Write, open_image: Open, tmp_path: Path) -> None:
    path = write(LAYOUTS[shape], tmp_path / "image")
    check(open_image(f"{source}{path}"), shape)
    if source and shape in TAGGED:
        check(open_image(f"{source}{path}:{shapes.TAG}"), shape)


@pytest.mark.parametrize("shape", [*ARCHIVES, *LAYOUTS])
def test_one_platform_of_every_shape(shape: str, open_image: Open, tmp_path: Path) -> None:
    path = write_archive({**ARCHIVES, **LAYOUTS}[shape], tmp_path / "image.tar")
    amd64, arm64 = open_image(path, AMD64), open_image(path, ARM64)
    assert [image.platform for image in amd64.images] == [AMD64]
    assert [image.platform.normalised() for image in arm64.images] == (
        [ARM64] if shape in TWO_PLATFORMS else []
    )
    for opened, other in ((amd64, "linux/arm64/v8"), (arm64, "linux/amd64")):
        reason = opened.left_out.get(other)
        assert reason == (
            "not the platform that was asked for" if shape in TWO_PLATFORMS or opened is arm64 else None
        )


def test_a_name_that_an_archive_and_its_layout_spell_differently(open_image: Open, tmp_path: Path) -> None:
    """By the name in manifest.json, by that of containerd, and, as a layout, by the tag."""
    path = write_archive(shapes.containerd_archive(IMAGE, IMAGE), tmp_path / "image.tar")
    for reference in (
        f"docker-archive:{path}:{shapes.NAME}",
        f"oci-archive:{path}:{shapes.NAME}",
        f"oci-archive:{path}:1.4",
    ):
        check(open_image(reference), reference)


def test_the_digest_is_that_of_what_the_name_leads_to(open_image: Open, tmp_path: Path) -> None:
    digests = {}
    for shape, members in {**ARCHIVES, **LAYOUTS}.items():
        opened = open_image(write_archive(members, tmp_path / f"{shape}.tar"))
        digests[shape] = (str(opened.digest), str(opened.images[0].digest))
    manifest, config = IMAGE.manifest.digest, IMAGE.config.digest
    assert digests["skopeo"] == digests["crane"] == (manifest, manifest)
    assert digests["docker-save"] == digests["podman-save"] == digests["kaniko"] == (config, config)
    assert digests["docker-save-containerd"][1] == digests["buildx-oci"][1] == manifest
    assert digests["bazel"][0] == builder.build_index([IMAGE]).manifest.digest
