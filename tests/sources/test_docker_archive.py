from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gate.errors import IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import Platform
from gate.oci.layer import Reading, index_layer
from samples.images import builder
from samples.images.builder import (
    CONFIG,
    INDEX,
    Blob,
    Image,
    assemble,
    attestation_of,
    build_image,
    build_index,
    config_of,
    encode,
)
from samples.images.entries import Entry, file, symbolic_link
from samples.images.layers import Compression, layer_of
from samples.images.layout import blob_files, docker_archive, docker_archive_with_index, uncompressed
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, DIRTY, DIRTY_IMAGE, SETTINGS
from tests.kit.shapes import (
    NAME,
    Files,
    attached,
    containerd_archive,
    containerd_names,
    go_containerregistry,
    listed,
    without,
)
from tests.sources.conftest import Open

ARM64 = build_image([CLEAN], replace(SETTINGS, platform=builder.Platform("linux", "arm64")))
OLD = docker_archive({"app:1": CLEAN_IMAGE, "registry.example.com:5000/app:2": DIRTY_IMAGE})
NEW = docker_archive_with_index({"app:1": CLEAN_IMAGE, "app:2": DIRTY_IMAGE})


def edited(files: Mapping[str, Entry], name: str, change: Callable[[Any], Any]) -> Files:
    """The same files with one JSON document changed; `change` edits it in place, or returns another."""
    document = json.loads(files[name].content)
    document = change(document) or document
    return {**files, name: file(encode(document))}


@pytest.mark.parametrize("choice", ["app:1", "docker.io/library/app:1", "index.docker.io/app:1"])
@pytest.mark.parametrize("files", [OLD, NEW], ids=["old", "new"])
def test_one_of_several_is_chosen_by_name(choice: str, files: Files, open_archive: Open) -> None:
    assert str(open_archive(files, choice).images[0].manifest.config.digest) == CLEAN_IMAGE.config.digest


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("registry.example.com:5000/app:2", True),
        ("REGISTRY.example.com:5000/app:2", True),
        ("registry.example.com/app:2", False),
    ],
)
def test_names_with_a_port(choice: str, found: bool, open_archive: Open) -> None:
    if found:
        assert str(open_archive(OLD, choice).digest) == DIRTY_IMAGE.config.digest
    else:
        with pytest.raises(InvalidInput, match="there is no") as error:
            open_archive(OLD, choice)
        assert error.value.hint == "it has app:1, registry.example.com:5000/app:2"


@pytest.mark.parametrize("files", [OLD, NEW], ids=["old", "new"])
def test_none_chosen_of_several_is_a_wrong_request(files: Files, open_archive: Open) -> None:
    """D5."""
    with pytest.raises(InvalidInput, match="holds 2 images and none was chosen") as error:
        open_archive(files)
    assert error.value.hint.startswith("add :NAME; it has app:1, ")


def test_latest_is_meant_where_no_tag_is_written(open_archive: Open) -> None:
    files = docker_archive({"app:latest": CLEAN_IMAGE, "app:1": DIRTY_IMAGE})
    assert str(open_archive(files, "app").digest) == CLEAN_IMAGE.config.digest


def test_names_that_are_none_are_compared_as_they_are(open_archive: Open) -> None:
    files = docker_archive({"Not A Name": CLEAN_IMAGE, "app:1": DIRTY_IMAGE})
    assert str(open_archive(files, "Not A Name").digest) == CLEAN_IMAGE.config.digest


def test_one_image_under_several_names(open_archive: Open) -> None:
    files = edited(
        docker_archive({"app:1": CLEAN_IMAGE}), "manifest.json", lambda m: m[0]["RepoTags"].append("app:2")
    )
    for choice in ("", "app:1", "app:2"):
        assert open_archive(files, choice).images[0].names == ("app:1", "app:2")


def test_one_name_for_two_images_is_malformed(open_archive: Open) -> None:
    files = edited(OLD, "manifest.json", lambda m: m[1].update(RepoTags=["docker.io/library/app:1"]))
    with pytest.raises(MalformedImage, match="has 'app:1' 2 times"):
        open_archive(files, "app:1")


@pytest.mark.parametrize(
    "manifest",
    [
        None, [], {}, "x", [[]], [None], [{}], [{"Config": 1}], [{"Layers": "x"}], [{"Config": "gone.json", "Layers": []}],
        [{"Config": "", "Layers": []}], [{"RepoTags": "app:1"}], [{"Layers": [1]}], [{"Layers": [], "layers": ["x"]}],
        [{"Config": "a", "config": "b"}], [{"Layers": ["x"] * 501}], [{"Config": "x"}] * 1_001,
    ],
    ids=lambda manifest: json.dumps(manifest)[:50],
)  # fmt: skip
def test_a_malformed_manifest_json(manifest: Any, open_archive: Open) -> None:
    with pytest.raises(MalformedImage) as error:
        open_archive(docker_archive({"app:1": CLEAN_IMAGE}) | {"manifest.json": file(encode(manifest))})
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["{}.json", "blobs/sha256/{}", "sha256:{}", "{}", "blobs/sha512/{}"])
def test_a_configuration_with_another_name_is_malformed(name: str, open_archive: Open) -> None:
    """J11: what is named by a digest has it."""
    path = name.format(DIRTY_IMAGE.config.digest.removeprefix("sha256:"))
    files = edited(
        docker_archive({"app:1": CLEAN_IMAGE}), "manifest.json", lambda m: m[0].update(Config=path)
    )
    with pytest.raises(MalformedImage, match="hashes to"):
        open_archive(files | {path: file(CLEAN_IMAGE.config.data)})


def test_a_configuration_may_have_any_other_name(open_archive: Open) -> None:
    files = edited(
        docker_archive({"app:1": CLEAN_IMAGE}), "manifest.json", lambda m: m[0].update(Config="config.json")
    )
    assert (
        str(open_archive(files | {"config.json": file(CLEAN_IMAGE.config.data)}).digest)
        == CLEAN_IMAGE.config.digest
    )


@pytest.mark.parametrize("layers", [[], [CLEAN, DIRTY]], ids=["fewer", "more"])
def test_layers_and_diff_ids_are_paired(layers: list[Any], open_archive: Open) -> None:
    """J9."""
    image = assemble(Blob(CONFIG, encode(config_of(layers, SETTINGS))), [CLEAN])
    with pytest.raises(MalformedImage, match=f"1 layers and the image configuration {len(layers)} diff IDs"):
        open_archive(docker_archive({"app:1": image}))


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("name", ["layer.tar", "{}.tar.gz", "blobs/sha256/{}"])
def test_layers_of_any_compression_and_name(compression: Compression, name: str, open_archive: Open) -> None:
    layer = layer_of({"etc/motd": file("hello\n")}, compression)
    image = build_image([layer], SETTINGS)
    path = name.format(layer.digest.removeprefix("sha256:"))
    files = edited(docker_archive({"app:1": image}), "manifest.json", lambda m: m[0].update(Layers=[path]))
    (opened,) = open_archive(files | {path: file(layer.data)}).images[0].layers
    assert (str(opened.descriptor.digest), opened.descriptor.size) == (layer.digest, len(layer.data))
    assert opened.descriptor.media_type == compression.value
    assert len(index_layer(opened, Reading())) == 1


@pytest.mark.parametrize("name", ["layer.tar", "blobs/sha256/{}"])
def test_a_layer_with_other_bytes_is_found_out(name: str, open_archive: Open) -> None:
    path = name.format(CLEAN.diff_id.removeprefix("sha256:"))
    files = edited(
        docker_archive({"app:1": CLEAN_IMAGE}), "manifest.json", lambda m: m[0].update(Layers=[path])
    )
    for data in (DIRTY.tar(), DIRTY.data):
        (layer,) = open_archive(files | {path: file(data)}).images[0].layers
        with pytest.raises(IntegrityError):
            index_layer(layer, Reading())


def test_a_blob_with_a_short_name_is_malformed(open_archive: Open) -> None:
    """J13."""
    files = edited(
        docker_archive({"app:1": CLEAN_IMAGE}),
        "manifest.json",
        lambda m: m[0].update(Layers=["blobs/sha256/abc"]),
    )
    with pytest.raises(MalformedImage, match="is not 64 lower-case hexadecimal digits"):
        open_archive(files | {"blobs/sha256/abc": file(CLEAN.tar())})


def test_a_layer_that_occurs_often_is_hashed_once(
    open_archive: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: under one name, and under links to it."""
    image = build_image([CLEAN] * 300, SETTINGS)
    files = go_containerregistry(image)
    (path,) = (path for path in files if path.endswith(".tar.gz"))
    files |= {f"link{number}": symbolic_link(path) for number in range(150)}

    def mixed(manifest: Any) -> None:
        manifest[0]["Layers"] = [path] * 150 + [f"link{number}" for number in range(150)]

    read: list[int] = []
    pread = os.pread

    def noted(descriptor: int, size: int, start: int) -> bytes:
        read.append(size)
        return pread(descriptor, size, start)

    monkeypatch.setattr(os, "pread", noted)
    assert len(open_archive(edited(files, "manifest.json", mixed)).images[0].layers) == 300
    assert read.count(len(CLEAN.data)) == 1


def test_the_manifest_that_is_made_for_it_is_deterministic(open_archive: Open) -> None:
    """It is what scanners read, and its digest stands in reports."""
    first, second = (open_archive(docker_archive({"app:1": CLEAN_IMAGE})).images[0] for _ in range(2))
    assert first.manifest_bytes == second.manifest_bytes
    assert first.descriptor is None
    body = json.loads(first.manifest_bytes)
    assert body["config"]["digest"] == CLEAN_IMAGE.config.digest
    assert [layer["digest"] for layer in body["layers"]] == [CLEAN.diff_id]


@pytest.mark.parametrize(
    ("wanted", "count"), [(None, 1), (Platform("linux", "amd64"), 1), (Platform("linux", "arm64"), 0)]
)
@pytest.mark.parametrize(
    "files",
    [docker_archive({NAME: CLEAN_IMAGE}), containerd_archive(CLEAN_IMAGE, CLEAN_IMAGE)],
    ids=["old", "new"],
)
def test_the_wanted_platform(wanted: Platform | None, count: int, files: Files, open_archive: Open) -> None:
    opened = open_archive(files, wanted=wanted)
    assert len(opened.images) == count
    assert opened.left_out == ({} if count else {"linux/amd64": "not the platform that was asked for"})


def test_all_platforms_of_an_index_are_opened(open_archive: Open) -> None:
    """Docker's containerd store writes all of them to index.json, and one to manifest.json."""
    files = containerd_archive(CLEAN_IMAGE, build_index([CLEAN_IMAGE, ARM64]))
    assert [str(image.platform) for image in open_archive(files).images] == ["linux/amd64", "linux/arm64"]
    opened = open_archive(files, wanted=Platform("linux", "arm64"))
    assert [str(image.platform) for image in opened.images] == ["linux/arm64"]


def test_a_platform_that_was_not_exported_fails_unless_left_out(open_archive: Open) -> None:
    """Docker leaves out what it has not pulled, and the index names it all the same."""
    files = without(containerd_archive(CLEAN_IMAGE, build_index([CLEAN_IMAGE, ARM64])), ARM64.manifest.data)
    opened = open_archive(files)
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]
    assert opened.failed["linux/arm64"].hint.endswith("judge one of them with --platform OS/ARCHITECTURE")
    opened = open_archive(files, wanted=Platform("linux", "amd64"))
    assert (len(opened.images), opened.failed) == (1, {})


def both(docker: Mapping[str, Image], *entries: tuple[Any, Mapping[str, Any]]) -> Files:
    """An archive whose manifest.json has the images `docker` by name, and whose index.json has `entries`."""
    files: Files = {}
    manifest = []
    for name, image in docker.items():
        single = containerd_archive(image, image)
        files |= single
        (entry,) = json.loads(single["manifest.json"].content)
        manifest.append({**entry, "RepoTags": [name]})
    return {**files, **listed(*entries), "manifest.json": file(encode(manifest))}


A, B = "registry.example.com/app:1", "registry.example.com/app:2"
NAMED_A, NAMED_B = containerd_names(A), containerd_names(B)
TAG_1, TAG_2 = ({"annotations": {"org.opencontainers.image.ref.name": tag}} for tag in ("1", "2"))
WITH_DIRTY = build_index([CLEAN_IMAGE, ARM64])
ANOTHER = build_image([DIRTY], replace(SETTINGS, user="root", platform=builder.Platform("linux", "s390x")))


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(both({A: CLEAN_IMAGE}, (DIRTY_IMAGE, NAMED_A)), id="index-dirty"),
        pytest.param(both({A: CLEAN_IMAGE}, (DIRTY_IMAGE, {})), id="index-dirty-unnamed"),
        pytest.param(both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A), (DIRTY_IMAGE, NAMED_B)), id="index-has-more"),
        pytest.param(both({A: CLEAN_IMAGE, B: DIRTY_IMAGE}, (CLEAN_IMAGE, NAMED_A)), id="index-has-fewer"),
        pytest.param(both({A: CLEAN_IMAGE}), id="index-empty"),
        pytest.param(both({A: CLEAN_IMAGE}, (build_index([ANOTHER]), NAMED_A)), id="index-of-others"),
        pytest.param(both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A), (build_index([ANOTHER]), {})), id="one-more-index"),
        pytest.param(
            both({A: CLEAN_IMAGE, B: DIRTY_IMAGE}, (DIRTY_IMAGE, NAMED_A), (CLEAN_IMAGE, NAMED_B)), id="names-swapped"
        ),
        pytest.param(
            both({A: CLEAN_IMAGE, B: DIRTY_IMAGE}, (DIRTY_IMAGE, TAG_1), (CLEAN_IMAGE, TAG_2)), id="tags-swapped"
        ),
        pytest.param(
            both({A: CLEAN_IMAGE, B: DIRTY_IMAGE}, (CLEAN_IMAGE, NAMED_A), (DIRTY_IMAGE, NAMED_A)), id="one-name-for-two"
        ),
        pytest.param(
            both({A: CLEAN_IMAGE}, (assemble(CLEAN_IMAGE.config, [layer_of({}, Compression.NONE)]), NAMED_A)), id="other-layers"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("choice", ["", A])
@pytest.mark.parametrize("source", ["docker-archive", "oci-archive"])
def test_two_readings_that_differ_are_malformed_whatever_was_chosen(
    files: Files, choice: str, source: str, open_archive: Open
) -> None:
    """D4: containerd and podman load what index.json says, Docker and scanners what manifest.json says."""
    with pytest.raises(MalformedImage, match=r"manifest\.json and index\.json name different images"):
        open_archive(files, choice, source)


def test_without_the_mark_of_a_layout_index_json_counts_all_the_same(open_archive: Open) -> None:
    """D4: podman reads index.json whether or not oci-layout stands beside it."""
    files = both({A: CLEAN_IMAGE}, (DIRTY_IMAGE, NAMED_A))
    del files["oci-layout"]
    with pytest.raises(MalformedImage, match="name different images"):
        open_archive(files)
    honest = both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A))
    del honest["oci-layout"]
    assert str(open_archive(honest).digest) == CLEAN_IMAGE.manifest.digest


def test_an_image_in_two_indexes_would_hide_what_else_is_in_the_second(open_archive: Open) -> None:
    """An engine loads both indexes, with all their platforms."""
    one, two = build_index([CLEAN_IMAGE, ARM64]), build_index([CLEAN_IMAGE, ANOTHER])
    files = both({A: CLEAN_IMAGE}, (one, {}), (two, {}))
    with pytest.raises(MalformedImage, match="has the image several times"):
        open_archive(files)
    named = edited(
        both({A: CLEAN_IMAGE}, (one, NAMED_A), (two, NAMED_B)),
        "manifest.json",
        lambda m: m[0].update(RepoTags=[A, B]),
    )
    with pytest.raises(MalformedImage, match="has the image several times"):
        open_archive(named)
    for choice, index in ((A, one), (B, two)):
        opened = open_archive(named, choice)
        assert (str(opened.digest), len(opened.images)) == (index.manifest.digest, 2)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A)), (A,)),
        (both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, {})), (A,)),
        (both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, TAG_1)), (A,)),
        (both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A), (CLEAN_IMAGE, NAMED_B)), (A,)),
        (edited(both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A)), "manifest.json", lambda m: m[0].update(RepoTags=None)), (A, "1")),
        (both({"app:1": CLEAN_IMAGE}, (CLEAN_IMAGE, containerd_names("docker.io/library/app:1"))), ("app:1",)),
        (both({A: CLEAN_IMAGE}, (WITH_DIRTY, NAMED_A)), (A,)),
    ],
    ids=["named", "unnamed", "tag", "two-names", "in-index-json-only", "in-full", "index"],
)  # fmt: skip
def test_two_readings_that_agree_are_one_image(
    files: Files, names: tuple[str, ...], open_archive: Open
) -> None:
    opened = open_archive(files)
    assert str(opened.images[0].digest) == CLEAN_IMAGE.manifest.digest
    assert opened.images[0].names == names


def test_two_images_in_both_readings(open_archive: Open) -> None:
    files = both({A: CLEAN_IMAGE, B: DIRTY_IMAGE}, (CLEAN_IMAGE, NAMED_A), (DIRTY_IMAGE, NAMED_B))
    for choice, image in ((A, CLEAN_IMAGE), (B, DIRTY_IMAGE)):
        assert str(open_archive(files, choice).digest) == image.manifest.digest
    assert str(open_archive(files, "2", "oci-archive").digest) == DIRTY_IMAGE.manifest.digest
    with pytest.raises(InvalidInput, match="none was chosen"):
        open_archive(files)
    with pytest.raises(InvalidInput, match="none was chosen"):
        open_archive(files, source="oci-archive")


def test_tags_of_two_repositories(open_archive: Open) -> None:
    """A bare tag in index.json may stand for any image with that tag."""
    other = "registry.example.com/other:1"
    files = both({A: CLEAN_IMAGE, other: DIRTY_IMAGE}, (CLEAN_IMAGE, TAG_1), (DIRTY_IMAGE, TAG_1))
    assert str(open_archive(files, other).digest) == DIRTY_IMAGE.manifest.digest


def test_documents_are_bounded_together(open_archive: Open) -> None:
    """Thousands of names for one large configuration would take hours to compare."""
    config = Blob(CONFIG, CLEAN_IMAGE.config.data.ljust(3 * 2**20))
    image = uncompressed(assemble(config, [CLEAN]))
    files = containerd_archive(image, image)
    files = edited(files, "manifest.json", lambda m: m * (LIMITS.documents // len(config.data) + 1))
    with pytest.raises(MalformedImage, match="more than 33,554,432 bytes together"):
        open_archive(files)


def test_index_json_that_lists_what_is_no_image(open_archive: Open) -> None:
    files = both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A))

    def more(index: Any) -> None:
        index["manifests"].append(Blob("text/plain", b"hello").descriptor())

    with pytest.raises(MalformedImage, match="not an image"):
        open_archive(edited(files, "index.json", more) | blob_files(b"hello"))


def test_index_json_of_an_index_that_is_missing(open_archive: Open) -> None:
    index = build_index([CLEAN_IMAGE])
    files = without(containerd_archive(CLEAN_IMAGE, index), index.manifest.data)
    with pytest.raises(Unavailable, match="is not in the layout"):
        open_archive(files)


def test_index_json_says_what_it_is(open_archive: Open) -> None:
    files = both({A: CLEAN_IMAGE}, (CLEAN_IMAGE, NAMED_A))
    assert open_archive(edited(files, "index.json", lambda index: index.update(mediaType=INDEX))).images
    with pytest.raises(MalformedImage):
        open_archive(edited(files, "index.json", lambda index: index.update(mediaType="application/json")))


# --- what is attached to an image (Docker since 29.1) ----------------------------------------------------------------

ATTESTED = attached(containerd_archive(CLEAN_IMAGE, CLEAN_IMAGE), CLEAN_IMAGE)
SUBJECT = {"io.containerd.manifest.subject": CLEAN_IMAGE.manifest.digest}


@pytest.mark.parametrize("source", ["docker-archive", "oci-archive"])
def test_attestations_beside_an_image_are_no_second_image(source: str, open_archive: Open) -> None:
    opened = open_archive(ATTESTED, source=source)
    assert str(opened.digest) == CLEAN_IMAGE.manifest.digest
    assert opened.left_out == {attestation_of(CLEAN_IMAGE).manifest.digest: "an attestation"}


def _also(image: Image, **more: Any) -> Files:
    """The archive of a clean image whose index.json lists another one too."""
    files = edited(
        containerd_archive(CLEAN_IMAGE, CLEAN_IMAGE),
        "index.json",
        lambda index: index["manifests"].append(image.manifest.descriptor(annotations=SUBJECT, **more)),
    )
    return files | blob_files(*image.blobs())


@pytest.mark.parametrize(
    "files",
    [
        _also(DIRTY_IMAGE),
        _also(DIRTY_IMAGE, platform={"os": "linux", "architecture": "amd64"}),
        _also(DIRTY_IMAGE, platform={"os": "unknown", "architecture": "unknown"}),
        _also(DIRTY_IMAGE, artifactType="application/vnd.example.signature"),
        _also(assemble(Blob("application/vnd.example+json", DIRTY_IMAGE.config.data), DIRTY_IMAGE.layers)),
    ],
    ids=["image", "platform", "unknown-platform", "artifact-type", "look-alike"],
)
@pytest.mark.parametrize("source", ["docker-archive", "oci-archive"])
def test_an_image_that_is_said_to_be_attached_is_an_image(
    source: str, files: Files, open_archive: Open
) -> None:
    """D4: an annotation hides nothing."""
    with pytest.raises((MalformedImage, InvalidInput)):
        open_archive(files, source=source)


def test_a_signature_beside_an_image_is_no_second_image(open_archive: Open) -> None:
    signature = assemble(Blob("application/vnd.oci.empty.v1+json", b"{}"), [])
    opened = open_archive(_also(signature, artifactType="application/vnd.dev.sigstore.bundle.v0.3+json"))
    assert list(opened.left_out.values()) == [
        "not an image, but an artifact of type application/vnd.oci.empty.v1+json"
    ]


def test_what_is_attached_and_missing_is_not_passed_over(open_archive: Open) -> None:
    files = without(ATTESTED, attestation_of(CLEAN_IMAGE).manifest.data)
    with pytest.raises(Unavailable):
        open_archive(files)
