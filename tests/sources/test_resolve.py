"""From a descriptor to images: what is listed is judged, left out with a reason, or failed; nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from gate.errors import IntegrityError, MalformedImage
from gate.limits import LIMITS
from gate.oci.descriptor import DOCKER_CONFIG, Platform
from gate.sources.layout import Absent
from samples.images import builder
from samples.images.builder import (
    CONFIG,
    INDEX,
    MANIFEST,
    Blob,
    Image,
    Index,
    Json,
    assemble,
    attestation_of,
    build_image,
    build_index,
    config_of,
    encode,
    manifest_of,
)
from samples.images.entries import Entry
from samples.images.layers import layer_of
from samples.images.layout import blob_files, oci_layout
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, DIRTY, DIRTY_IMAGE, SETTINGS
from tests.kit.shapes import without
from tests.sources.conftest import Open

AMD64: Json = {"platform": {"os": "linux", "architecture": "amd64"}}
ARM64: Json = {"platform": {"os": "linux", "architecture": "arm64"}}
NOWHERE: Json = {"platform": {"os": "unknown", "architecture": "unknown"}}
ATTESTATION: Json = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
OTHER = "application/vnd.example.thing"


def index_of(entries: Sequence[Json], blobs: Sequence[bytes]) -> Mapping[str, Entry]:
    """A layout of one index with these entries."""
    data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)})
    return {**oci_layout({"": Index(Blob(INDEX, data), ())}), **blob_files(*blobs)}


def listed(image: Image | Index, **more: Any) -> Json:
    """A descriptor of an image."""
    return image.manifest.descriptor(**more)


class Listed(NamedTuple):
    """An entry of an index, and the blobs behind it."""

    entry: Json
    blobs: tuple[bytes, ...]


def on(architecture: str, variant: str = "", said: str | None = None) -> Listed:
    """An image for a platform, whose configuration says the variant `said`, or the same."""
    platform = builder.Platform("linux", architecture, variant if said is None else said)
    image = build_image([CLEAN], replace(SETTINGS, platform=platform))
    stated = builder.Platform("linux", architecture, variant).as_json()
    return Listed(listed(image, platform=stated), image.blobs())


CLEAN_AMD64 = listed(CLEAN_IMAGE, **AMD64)
BLOBS = (*CLEAN_IMAGE.blobs(), *DIRTY_IMAGE.blobs())


def test_every_platform_is_opened(open_layout: Open) -> None:
    arm64 = build_image([DIRTY], replace(SETTINGS, platform=builder.Platform("linux", "arm64")))
    index = build_index([CLEAN_IMAGE, arm64], attested=True)
    opened = open_layout(oci_layout({"": index}))
    assert str(opened.digest) == index.manifest.digest
    assert [str(image.platform) for image in opened.images] == ["linux/amd64", "linux/arm64"]
    assert [str(image.digest) for image in opened.images] == [
        CLEAN_IMAGE.manifest.digest,
        arm64.manifest.digest,
    ]
    assert set(opened.left_out.values()) == {"an attestation"}
    assert len(opened.left_out) == 2


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({**listed(DIRTY_IMAGE), "mediaType": OTHER}, id="another-type"),
        pytest.param({**listed(DIRTY_IMAGE), "mediaType": ""}, id="empty-type"),
        pytest.param({k: v for k, v in listed(DIRTY_IMAGE).items() if k != "mediaType"}, id="no-type"),
        pytest.param(
            {**listed(DIRTY_IMAGE, **NOWHERE), "mediaType": OTHER}, id="another-type-for-no-platform"
        ),
        pytest.param({**listed(DIRTY_IMAGE, **AMD64), "mediaType": OTHER}, id="another-type-for-a-platform"),
        pytest.param(
            {**listed(build_index([DIRTY_IMAGE])), "mediaType": OTHER}, id="an-index-of-another-type"
        ),
    ],
)
def test_an_image_under_another_type_is_not_left_out(entry: Json, open_layout: Open) -> None:
    """Podman and skopeo run an entry without a platform on any, and tell by its content what it is."""
    blobs = (*BLOBS, *build_index([DIRTY_IMAGE]).blobs())
    opened = open_layout(index_of([CLEAN_AMD64, entry], blobs))
    (error,) = opened.failed.values()
    assert isinstance(error, MalformedImage)


def test_an_image_without_a_platform_is_judged(open_layout: Open) -> None:
    opened = open_layout(index_of([CLEAN_AMD64, listed(DIRTY_IMAGE)], BLOBS))
    assert [str(image.digest) for image in opened.images] == [
        CLEAN_IMAGE.manifest.digest,
        DIRTY_IMAGE.manifest.digest,
    ]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(DIRTY_IMAGE.config.data, id="a-configuration"),
        pytest.param(DIRTY_IMAGE.config.data.replace(b'"rootfs"', b'"rootf\\u0073"'), id="an-escaped-key"),
        pytest.param(DIRTY_IMAGE.config.data.replace(b'"rootfs"', b'"RootFS"'), id="a-folded-key"),
        pytest.param(DIRTY_IMAGE.config.data[:-1] + b',"a":1,"a":2}', id="a-key-twice"),
        pytest.param(b" \n" + DIRTY_IMAGE.config.data[:-1] + b',"a":"\xff"}', id="invalid-utf-8"),
    ],
)
def test_an_artifact_that_reads_as_an_image_is_refused(config: bytes, open_layout: Open) -> None:
    image = assemble(Blob(OTHER, config), [CLEAN, DIRTY])
    opened = open_layout(index_of([CLEAN_AMD64, listed(image)], (*BLOBS, *image.blobs())))
    (error,) = opened.failed.values()
    assert isinstance(error, MalformedImage)
    assert (
        error.message == "an entry of the index is typed as an artifact, but engines can read it as an image"
    )


@pytest.mark.parametrize(
    "config", [b"{}", b"", b"\0asm\x01\0\0\0", b'{"name":"chart"}', b"[]", b"name: chart\n"], ids=repr
)
def test_an_honest_artifact_is_left_out(config: bytes, open_layout: Open) -> None:
    chart = assemble(Blob(OTHER, config), [CLEAN])
    text = Blob("text/plain", b"hello")
    entries = [CLEAN_AMD64, listed(chart), text.descriptor(), {**text.descriptor(), "mediaType": ""}]
    opened = open_layout(index_of(entries, (*BLOBS, *chart.blobs(), text.data)))
    assert opened.failed == {}
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]
    assert opened.left_out[chart.manifest.digest] == f"not an image, but an artifact of type {OTHER}"


def test_what_is_too_large_for_a_document_is_none(open_layout: Open) -> None:
    """No engine reads as much as a manifest."""
    blob = Blob(OTHER, DIRTY_IMAGE.manifest.data.ljust(LIMITS.document + 1))
    opened = open_layout(index_of([CLEAN_AMD64, blob.descriptor()], (*BLOBS, blob.data)))
    assert opened.left_out == {blob.digest: f"not an image, but {OTHER}"}
    assert opened.failed == {}


def test_an_artifact_for_a_platform_is_an_image_that_is_none(open_layout: Open) -> None:
    """J8: not left out, because someone would try to run it."""
    chart = assemble(Blob(OTHER, b"{}"), [CLEAN])
    opened = open_layout(index_of([CLEAN_AMD64, listed(chart, **ARM64)], (*BLOBS, *chart.blobs())))
    assert "not a container image" in opened.failed["linux/arm64"].message


@pytest.mark.parametrize(
    ("image", "entry", "outcome"),
    [
        pytest.param(attestation_of(CLEAN_IMAGE), {**ATTESTATION, **NOWHERE}, "left out", id="honest"),
        pytest.param(attestation_of(CLEAN_IMAGE), ATTESTATION, "left out", id="no-platform"),
        pytest.param(attestation_of(CLEAN_IMAGE), {**ATTESTATION, **ARM64}, "failed", id="for-a-platform"),
        pytest.param(attestation_of(CLEAN_IMAGE), NOWHERE, "judged", id="not-annotated"),
        pytest.param(DIRTY_IMAGE, {**ATTESTATION, **NOWHERE}, "judged", id="an-image-that-is-annotated"),
        pytest.param(DIRTY_IMAGE, {**ATTESTATION, **AMD64}, "judged", id="an-image-for-a-platform"),
        pytest.param(DIRTY_IMAGE, NOWHERE, "judged", id="an-image-for-no-platform"),
    ],
)
def test_an_annotation_alone_hides_nothing(
    image: Image, entry: Json, outcome: str, open_layout: Open
) -> None:
    opened = open_layout(index_of([CLEAN_AMD64, listed(image, **entry)], (*BLOBS, *image.blobs())))
    found = {"left out": len(opened.left_out), "failed": len(opened.failed), "judged": len(opened.images) - 1}
    assert found == {name: int(name == outcome) for name in found}


@pytest.mark.parametrize("wanted", [None, Platform("linux", "amd64")], ids=str)
def test_an_attestation_that_was_not_exported_is_left_out(wanted: Platform | None, open_layout: Open) -> None:
    """Docker does not always store the attestations of what it pulls."""
    attestation = attestation_of(CLEAN_IMAGE)
    opened = open_layout(
        index_of([CLEAN_AMD64, listed(attestation, **ATTESTATION, **NOWHERE)], BLOBS), wanted=wanted
    )
    assert opened.left_out == {
        attestation.manifest.digest: "said to be an attestation; it is not stored here"
    }
    assert (len(opened.images), opened.failed) == (1, {})


@pytest.mark.parametrize(
    "entry",
    [ATTESTATION, NOWHERE, {**ATTESTATION, **ARM64}],
    ids=["for-any-platform", "not-annotated", "for-a-platform"],
)
def test_what_is_not_stored_and_could_be_run_fails(entry: Json, open_layout: Open) -> None:
    opened = open_layout(index_of([CLEAN_AMD64, listed(attestation_of(CLEAN_IMAGE), **entry)], BLOBS))
    assert [type(error) for error in opened.failed.values()] == [Absent]


def test_an_attestation_with_other_bytes_is_no_attestation(open_layout: Open) -> None:
    attestation = attestation_of(CLEAN_IMAGE)
    files = dict(index_of([CLEAN_AMD64, listed(attestation, **ATTESTATION, **NOWHERE)], BLOBS))
    (path,) = blob_files(attestation.manifest.data)
    (entry,) = blob_files(DIRTY_IMAGE.manifest.data).values()
    opened = open_layout({**files, path: entry})
    assert isinstance(opened.failed[attestation.manifest.digest], IntegrityError)


def other(number: int) -> Listed:
    """One of several images for one platform."""
    image = build_image([CLEAN], replace(SETTINGS, labels={"number": str(number)}))
    return Listed(listed(image, **AMD64), image.blobs())


def test_two_images_for_one_platform_are_both_judged_and_both_named(open_layout: Open) -> None:
    """Which of them an engine runs is up to the engine."""
    images = [other(number) for number in range(3)]
    entries, blobs = [image.entry for image in images], [blob for image in images for blob in image.blobs]
    files = index_of(entries, blobs)
    opened = open_layout(without(files, *(image.blobs[0] for image in images)))
    assert (opened.images, len(opened.failed)) == ((), 3)
    opened = open_layout(files)
    assert [str(image.digest) for image in opened.images] == [entry["digest"] for entry in entries]
    opened = open_layout(files, wanted=Platform("linux", "arm64"))
    assert (opened.images, len(opened.left_out)) == ((), 3)
    unstated = [{key: value for key, value in entry.items() if key != "platform"} for entry in entries]
    opened = open_layout(index_of(unstated, blobs), wanted=Platform("linux", "arm64"))
    assert (opened.images, len(opened.left_out)) == ((), 3)
    assert all(name.startswith("linux/amd64") for name in opened.left_out)


def test_one_image_for_two_platforms_is_judged_for_each(open_layout: Open) -> None:
    entries = [
        listed(CLEAN_IMAGE, platform={"os": "linux", "architecture": "amd64", "variant": v})
        for v in ("v2", "v3")
    ]
    assert [str(image.platform) for image in open_layout(index_of(entries, BLOBS)).images] == [
        "linux/amd64/v2",
        "linux/amd64/v3",
    ]


def test_indexes_of_both_kinds_may_be_mixed(open_layout: Open) -> None:
    """An OCI index that lists a Docker list, as `docker manifest` and buildx make together."""
    docker = "application/vnd.docker.distribution.manifest.list.v2+json"
    inner = Blob(
        docker, encode({"schemaVersion": 2, "mediaType": docker, "manifests": [listed(CLEAN_IMAGE, **AMD64)]})
    )
    opened = open_layout(index_of([inner.descriptor(**ARM64)], (*BLOBS, inner.data)))
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]


def test_one_platform_that_fails_does_not_hide_the_others(open_layout: Open) -> None:
    arm64 = on("arm64")
    files = index_of([arm64.entry, CLEAN_AMD64], (*BLOBS, *arm64.blobs))
    opened = open_layout(without(files, arm64.blobs[0]))
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]
    assert "is not in the layout" in opened.failed["linux/arm64"].message
    assert "--platform" in opened.failed["linux/arm64"].hint
    assert open_layout(without(files, arm64.blobs[0]), wanted=Platform("linux", "amd64")).failed == {}


def test_several_failures_of_one_platform_are_several(open_layout: Open) -> None:
    entries = [listed(CLEAN_IMAGE, **ARM64), listed(DIRTY_IMAGE, **ARM64), CLEAN_AMD64]
    opened = open_layout(index_of(entries, BLOBS))
    assert sorted(opened.failed) == ["linux/arm64", f"linux/arm64 ({DIRTY_IMAGE.manifest.digest[:19]})"]
    opened = open_layout(index_of(entries, BLOBS), wanted=Platform("linux", "amd64"))
    assert len(opened.left_out) == 2


def test_one_manifest_for_two_platforms_fits_one_of_them(open_layout: Open) -> None:
    """I3, also for the second entry of one digest."""
    opened = open_layout(index_of([CLEAN_AMD64, listed(CLEAN_IMAGE, **ARM64), CLEAN_AMD64], BLOBS))
    assert [str(image.platform) for image in opened.images] == ["linux/amd64"]
    assert opened.failed["linux/arm64"].message == (
        "the index says linux/arm64, the image configuration says linux/amd64"
    )
    with pytest.raises(MalformedImage, match="the index says it is"):
        open_layout(index_of([CLEAN_AMD64, {**CLEAN_AMD64, "mediaType": INDEX}], BLOBS))


@pytest.mark.parametrize(
    ("stated", "said", "fits"),
    [
        (("arm", "v6"), "v6", True),
        (("arm", "v6"), "", True),
        (("arm", ""), "v6", True),
        (("arm", "v6"), "v7", False),
        (("arm64", "v8"), "", True),
        (("arm64", ""), "v8", True),
        (("arm64", "v8"), "v9", False),
        (("amd64", ""), "v3", True),
        (("amd64", "v2"), "v3", False),
        (("amd64", "v1"), "", True),
    ],
)
def test_a_variant_counts_where_both_state_one(
    stated: tuple[str, str], said: str, fits: bool, open_layout: Open
) -> None:
    """Many configurations state none: classic builders never did."""
    image = on(*stated, said)
    opened = open_layout(index_of([image.entry], image.blobs))
    assert (len(opened.images), len(opened.failed)) == ((1, 0) if fits else (0, 1))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Platform("linux", "arm", "v6"), ["linux/arm/v6"]),
        (Platform("linux", "arm"), ["linux/arm/v6", "linux/arm/v7"]),
        (Platform("linux", "arm", "v7"), ["linux/arm/v7"]),
        (Platform("linux", "aarch64"), ["linux/arm64/v8"]),
        (Platform("linux", "arm64", "v8"), ["linux/arm64/v8"]),
        (Platform("linux", "s390x"), []),
        (Platform("windows", "arm"), []),
    ],
)
def test_the_wanted_platform(wanted: Platform, found: list[str], open_layout: Open) -> None:
    images = [on("arm", "v6"), on("arm", "v7"), on("arm64", "v8")]
    files = index_of([image.entry for image in images], [blob for image in images for blob in image.blobs])
    opened = open_layout(files, wanted=wanted)
    assert [str(image.platform) for image in opened.images] == found
    assert len(opened.left_out) == 3 - len(found)


def test_a_single_image_of_another_platform_is_left_out(open_layout: Open) -> None:
    for wanted, count in ((Platform("linux", "amd64"), 1), (Platform("linux", "arm64"), 0)):
        opened = open_layout(oci_layout({"": CLEAN_IMAGE}), wanted=wanted)
        assert len(opened.images) == count
        assert opened.left_out == ({} if count else {"linux/amd64": "not the platform that was asked for"})


def test_an_image_that_states_no_platform_is_not_the_wanted_one(open_layout: Open) -> None:
    silent = {
        key: value for key, value in config_of([CLEAN], SETTINGS).items() if key not in ("os", "architecture")
    }
    image = assemble(Blob(CONFIG, encode(silent)), [CLEAN])
    assert open_layout(oci_layout({"": image})).images[0].platform == Platform("", "")
    opened = open_layout(oci_layout({"": image}), wanted=Platform("linux", "amd64"))
    assert (opened.images, opened.left_out) == ((), {"no platform": "not the platform that was asked for"})
    opened = open_layout(index_of([listed(image, **AMD64)], image.blobs()))
    assert "the image configuration says " in opened.failed["linux/amd64"].message


def nested(depth: int) -> Mapping[str, Entry]:
    """An image below `depth` indexes."""
    inner: Image | Index = CLEAN_IMAGE
    blobs = list(CLEAN_IMAGE.blobs())
    for _ in range(depth):
        inner = Index(
            Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed(inner)]})), ()
        )
        blobs.append(inner.manifest.data)
    return {**oci_layout({"": inner}), **blob_files(*blobs)}


def test_indexes_nest_to_a_limit(open_layout: Open) -> None:
    """I5."""
    assert len(open_layout(nested(LIMITS.index_depth)).images) == 1
    with pytest.raises(MalformedImage, match="indexes nest deeper than 4 levels"):
        open_layout(nested(LIMITS.index_depth + 1))


def test_an_index_leads_to_a_limited_number_of_manifests(open_layout: Open) -> None:
    """I5: over several indexes that stay below the limit each."""
    digests = iter(range(10**6))
    halves = [
        encode(
            {
                "schemaVersion": 2,
                "manifests": [
                    {**Blob(OTHER, b"").descriptor(), "digest": f"sha256:{next(digests):064x}"}
                    for _ in range(600)
                ],
            }
        )
        for _ in range(2)
    ]
    files = index_of([Blob(INDEX, half).descriptor() for half in halves], halves)
    with pytest.raises(MalformedImage, match="leads to more than 1,000 manifests"):
        open_layout(files)


def test_documents_are_bounded_together(open_layout: Open) -> None:
    """A thousand small manifests that share one large configuration would fill memory with its parsed form."""
    config = Blob(CONFIG, CLEAN_IMAGE.config.data.ljust(3 * 2**20))
    manifests = [
        Blob(MANIFEST, encode({**manifest_of(config, [CLEAN]), "annotations": {"number": str(number)}}))
        for number in range(20)
    ]
    files = index_of(
        [blob.descriptor() for blob in manifests],
        [config.data, CLEAN.data, *(blob.data for blob in manifests)],
    )
    opened = open_layout(files)
    assert len(opened.images) == LIMITS.documents // len(config.data)
    assert {error.message for error in opened.failed.values()} == {
        "manifests and configurations have more than 33,554,432 bytes together"
    }
    assert len(opened.images) + len(opened.failed) == 20


def test_layers_are_no_documents(open_layout: Open) -> None:
    """Only what is parsed counts: layers may be large."""
    image = build_image([layer_of({})] * 3, SETTINGS)
    assert len(open_layout(oci_layout({"": image})).images[0].layers) == 3


def test_an_image_below_a_docker_manifest(open_layout: Open) -> None:
    """Docker's media types and those of OCI may be mixed."""
    manifest = manifest_of(Blob(DOCKER_CONFIG, CLEAN_IMAGE.config.data), [CLEAN])
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    blob = Blob(docker, encode({**manifest, "mediaType": docker}))
    opened = open_layout(index_of([blob.descriptor(**AMD64)], (*BLOBS, blob.data)))
    assert opened.images[0].manifest.media_type == docker
