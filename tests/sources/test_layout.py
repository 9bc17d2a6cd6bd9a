from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gate.errors import IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from samples.images.builder import Image, assemble, encode
from samples.images.entries import Entry, file
from samples.images.layers import Layer, digest_of
from samples.images.layout import (
    CONTAINERD_NAME,
    REFERENCE_NAME,
    blob_files,
    oci_layout,
    write_archive,
    write_directory,
)
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, DIRTY_IMAGE
from tests.kit.shapes import containerd_names, listed
from tests.sources.conftest import Open

CLEAN_DIGEST, DIRTY_DIGEST = CLEAN_IMAGE.manifest.digest, DIRTY_IMAGE.manifest.digest
TWO = oci_layout({"clean": CLEAN_IMAGE, "dirty": DIRTY_IMAGE})
ONE = oci_layout({"": CLEAN_IMAGE})


def tagged(*tags: str) -> dict[str, Any]:
    """Descriptor members that give these names."""
    return {"annotations": dict(zip((REFERENCE_NAME, CONTAINERD_NAME), tags, strict=False))}


@pytest.mark.parametrize(
    ("choice", "digest"),
    [
        ("clean", CLEAN_DIGEST),
        ("dirty", DIRTY_DIGEST),
        (CLEAN_DIGEST, CLEAN_DIGEST),
        (DIRTY_DIGEST, DIRTY_DIGEST),
    ],
)
def test_one_of_several_is_chosen_by_tag_or_digest(choice: str, digest: str, open_layout: Open) -> None:
    opened = open_layout(TWO, choice)
    assert [str(image.digest) for image in opened.images] == [digest]


def test_by_digest_as_people_write_it(open_image: Open, tmp_path: Path) -> None:
    path = write_directory(TWO, tmp_path / "a:b")
    assert str(open_image(f"oci:{path}@{DIRTY_DIGEST}").digest) == DIRTY_DIGEST
    assert str(open_image(f"oci:{path}:clean").digest) == CLEAN_DIGEST


def test_by_any_of_its_names(open_layout: Open) -> None:
    files = listed(
        (CLEAN_IMAGE, containerd_names("registry.example.com:5000/a:1")), (DIRTY_IMAGE, tagged("2"))
    )
    for choice, digest in (
        ("1", CLEAN_DIGEST),
        ("registry.example.com:5000/a:1", CLEAN_DIGEST),
        ("2", DIRTY_DIGEST),
    ):
        assert str(open_layout(files, choice).digest) == digest


def beside(*media_types: str) -> Image:
    """A manifest as cosign attaches it: an image's configuration, and layers of these types."""
    layers = [Layer(data, digest_of(data), kind) for kind in media_types for data in (f"{kind} 1".encode(),)]
    return assemble(CLEAN_IMAGE.config, layers)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("sigs", "application/vnd.dev.cosign.simplesigning.v1+json"),
        ("atts", "application/vnd.dsse.envelope.v1+json"),
    ],
)
def test_what_cosign_saves_beside_an_image_is_no_second_image(
    kind: str, media_type: str, open_layout: Open
) -> None:
    """`cosign save` gives neither a tag."""
    attached = beside(media_type)
    files = listed(
        (CLEAN_IMAGE, {"annotations": {"kind": "dev.cosignproject.cosign/image"}}),
        (attached, {"annotations": {"kind": f"dev.cosignproject.cosign/{kind}"}}),
    )
    opened = open_layout(files)
    assert [str(image.digest) for image in opened.images] == [CLEAN_DIGEST]
    assert opened.left_out == {attached.manifest.digest: "a signature or an attestation"}


@pytest.mark.parametrize("said", ["dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/other", ""])
@pytest.mark.parametrize(
    "other",
    [
        DIRTY_IMAGE,
        beside(),
        beside("application/vnd.dsse.envelope.v1+json", "application/vnd.oci.image.layer.v1.tar"),
    ],
    ids=["image", "no layer", "a layer among statements"],
)
def test_an_image_that_is_said_to_be_signatures_is_an_image(
    said: str, other: Image, open_layout: Open
) -> None:
    files = listed((CLEAN_IMAGE, {}), (other, {"annotations": {"kind": said}}))
    with pytest.raises(InvalidInput, match="holds 2 images"):
        open_layout(files)


def test_signatures_that_are_not_said_to_be_any_are_not_passed_over(open_layout: Open) -> None:
    files = listed((CLEAN_IMAGE, {}), (beside("application/vnd.dsse.envelope.v1+json"), {}))
    with pytest.raises(InvalidInput, match="holds 2 images"):
        open_layout(files)


@pytest.mark.parametrize(
    "choice", ["nowhere", "Clean", "clea", "", CLEAN_DIGEST[:30], f"sha256:{'0' * 64}", f"md5:{'0' * 32}"]
)
def test_what_is_not_there_or_not_chosen_is_a_wrong_request(choice: str, open_layout: Open) -> None:
    """D5: the message lists what can be chosen."""
    with pytest.raises(InvalidInput) as error:
        open_layout(TWO, choice)
    assert error.value.hint.endswith("it has clean, dirty")


def test_a_name_that_looks_like_a_digest_is_not_taken_for_it(open_layout: Open) -> None:
    """Whoever pins a digest gets no other content because it is called so."""
    files = listed((DIRTY_IMAGE, tagged(CLEAN_DIGEST)), (DIRTY_IMAGE, tagged("a")))
    with pytest.raises(InvalidInput, match="there is no"):
        open_layout(files, CLEAN_DIGEST)
    both = listed((DIRTY_IMAGE, tagged(CLEAN_DIGEST)), (CLEAN_IMAGE, {}))
    assert str(open_layout(both, CLEAN_DIGEST).digest) == CLEAN_DIGEST


def test_a_tag_for_two_images_is_malformed(open_layout: Open) -> None:
    files = listed((CLEAN_IMAGE, tagged("a")), (DIRTY_IMAGE, tagged("a")))
    with pytest.raises(MalformedImage, match="'a' 2 times, for different images"):
        open_layout(files, "a")
    with pytest.raises(InvalidInput, match="holds 2 images and none was chosen"):
        open_layout(files)


def test_one_image_under_several_names_has_them_all(open_layout: Open) -> None:
    files = listed((CLEAN_IMAGE, tagged("1")), (CLEAN_IMAGE, tagged("latest", "docker.io/library/a:latest")))
    assert open_layout(files).images[0].names == ("1", "docker.io/library/a:latest", "latest")
    assert open_layout(files, "1").images[0].names == ("1",)


@pytest.mark.parametrize(
    "more", [{"mediaType": "application/vnd.oci.image.index.v1+json"}, {"size": 1}], ids=str
)
def test_one_digest_that_is_described_in_two_ways(more: dict[str, Any], open_layout: Open) -> None:
    files = listed((CLEAN_IMAGE, {}), (CLEAN_IMAGE, {}))
    index = json.loads(files["index.json"].content)
    index["manifests"][1] |= more
    with pytest.raises(InvalidInput, match="holds 2 images"):
        open_layout(files | {"index.json": file(encode(index))})


def test_platforms_in_index_json_are_one_image_only_without_names(open_layout: Open) -> None:
    amd64, arm64 = ({"platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64"))
    opened = open_layout(listed((CLEAN_IMAGE, amd64), (DIRTY_IMAGE, arm64)))
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]
    assert isinstance(opened.failed["linux/arm64"], MalformedImage)  # its configuration says amd64
    for one, two in (
        ({**amd64, **tagged("a")}, {**arm64, **tagged("b")}),
        (amd64, {}),
        (amd64, amd64),
    ):
        with pytest.raises(InvalidInput, match="holds 2 images"):
            open_layout(listed((CLEAN_IMAGE, one), (DIRTY_IMAGE, two)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("oci-layout", b"{}"),
        ("oci-layout", b'{"imageLayoutVersion": "1.1.0"}'),
        ("oci-layout", b'{"imageLayoutVersion": 1}'),
        ("oci-layout", b'{"imageLayoutVersion": "1.0.0", "ImageLayoutVersion": "2"}'),
        ("oci-layout", b'{"imageLayoutVersion": {"' + b"x" * 1_000_000 + b'": 1}}'),
        ("oci-layout", b""),
        ("index.json", b""),
        ("index.json", b"{}"),
        ("index.json", b'{"schemaVersion": 2}'),
        ("index.json", b'{"schemaVersion": 2, "manifests": []}'),
        ("index.json", b'{"schemaVersion": 2, "manifests": [], "layers": []}'),
        ("index.json", CLEAN_IMAGE.manifest.data),
        ("index.json", b"[]".ljust(LIMITS.document + 1)),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else value,
)
def test_a_malformed_layout(name: str, content: bytes, open_layout: Open) -> None:
    with pytest.raises(MalformedImage) as error:
        open_layout(ONE | {name: file(content)})
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_what_is_no_layout_is_a_wrong_request(name: str, open_layout: Open) -> None:
    with pytest.raises(InvalidInput, match=f"there is no {name}: not an OCI layout"):
        open_layout({path: entry for path, entry in ONE.items() if path != name})


def test_a_file_is_no_layout_and_a_directory_no_archive(open_image: Open, tmp_path: Path) -> None:
    archive = write_archive(ONE, tmp_path / "image.tar")
    with pytest.raises(InvalidInput, match="is not a directory") as error:
        open_image(f"oci:{archive}")
    assert "oci-archive:" in error.value.hint
    directory = write_directory(ONE, tmp_path / "layout")
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        open_image(f"oci-archive:{directory}")


def changed(files: dict[str, Entry], path: Path) -> Path:
    """A layout in a directory, and the path in it of the layer's blob."""
    write_directory(files, path)
    (blob,) = blob_files(CLEAN.data)
    return path / blob


def test_links_are_followed_because_content_is_verified(open_image: Open, tmp_path: Path) -> None:
    """Bazel makes layouts of links."""
    blob = changed(ONE, tmp_path / "layout")
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    (layer,) = open_image(f"oci:{tmp_path / 'layout'}").images[0].layers
    with layer.open() as stream:
        assert stream.read() == CLEAN.data


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (os.mkfifo, MalformedImage, "is not a regular file"),
        (lambda path: os.symlink("/dev/zero", path), MalformedImage, "is not a regular file"),
        (lambda path: os.symlink(path, path), Unavailable, "cannot be read: Too many levels of symbolic links"),
        (os.mkdir, Unavailable, "cannot be read: Is a directory"),
        (Path.exists, Unavailable, "is not in the layout"),
        (lambda path: os.symlink("gone", path), Unavailable, "is not in the layout"),
    ],
    ids=["pipe", "device", "loop", "directory", "nothing", "dangling"],
)  # fmt: skip
def test_a_blob_that_is_no_file(
    make: Any, error: type[Unavailable], message: str, open_image: Open, tmp_path: Path
) -> None:
    blob = changed(ONE, tmp_path / "layout")
    blob.unlink()
    make(blob)
    (layer,) = open_image(f"oci:{tmp_path / 'layout'}").images[0].layers
    with pytest.raises(error, match=message):
        layer.open()


def test_a_disk_that_fails(open_image: Open, tmp_path: Path) -> None:
    """Address 0 of a process is not mapped: reading it is an input/output error."""
    changed(ONE, tmp_path / "layout")
    (tmp_path / "layout/index.json").unlink()
    (tmp_path / "layout/index.json").symlink_to("/proc/self/mem")
    with pytest.raises(Unavailable, match="cannot be read: Input/output error"):
        open_image(f"oci:{tmp_path / 'layout'}")


def test_nothing_is_believed_before_it_is_verified(open_layout: Open) -> None:
    """J11: the bytes of the dirty image under the digests of the clean one."""
    for clean, dirty in (
        (CLEAN_IMAGE.manifest, DIRTY_IMAGE.manifest),
        (CLEAN_IMAGE.config, DIRTY_IMAGE.config),
    ):
        (path,) = blob_files(clean.data)
        with pytest.raises(IntegrityError):
            open_layout(ONE | {path: file(dirty.data)})
        with pytest.raises(IntegrityError, match="hashes to"):
            open_layout(ONE | {path: file(clean.data[:-1] + b" ")})
