from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.errors import IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.registry import RegistrySettings
from gate.sources import REGISTRY, Access, Location, SourceSettings
from gate.sources.open import open_source
from samples.images.builder import INDEX, Blob, Index, Settings, build_image, build_index, encode
from samples.images.builder import Platform as Built
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, CREATED, DIRTY_IMAGE
from tests.kit.pulls import location_of, read
from tests.kit.registry import Fault, Registry, serving_registry

ARM = build_image([CLEAN], Settings(CREATED, Built("linux", "arm64"), user="1000"))
BOTH = build_index([DIRTY_IMAGE, ARM], attested=True)
NAME = "shop/api"


@contextmanager
def opening(
    registry: Registry, rest: str = ":1.4", wanted: Platform | None = None, **settings: Any
) -> Iterator[Opened]:
    """Open a name in a registry."""
    access = Access(SourceSettings(registry=RegistrySettings(**settings)), Deadline(30))
    location = location_of(f"{registry.host}/{NAME}{rest}")
    with access, open_source(location, wanted, access) as opened:
        yield opened


def test_an_image_by_its_tag() -> None:
    with serving_registry({f"{NAME}:1.4": CLEAN_IMAGE}) as registry, opening(registry) as opened:
        (image,) = opened.images
        name = f"{registry.host}/{NAME}:1.4"
        assert str(opened.digest) == str(image.digest) == CLEAN_IMAGE.manifest.digest
        assert image.names == (name,)
        assert image.config_bytes == CLEAN_IMAGE.config.data
        assert image.manifest_bytes == CLEAN_IMAGE.manifest.data
        assert opened.origin is not None
        assert opened.origin.source == REGISTRY
        assert str(opened.origin.name) == name
        assert opened.origin.served_by == registry.host
        assert opened.origin.modified == datetime(2026, 11, 24, 10, tzinfo=UTC)
        assert read(opened).images[CLEAN_IMAGE.manifest.digest][0] == CLEAN_IMAGE.config.data


@pytest.mark.parametrize("tag", ["", ":1.4", ":gone"])
def test_a_digest_counts_whatever_tag_stands_before_it(tag: str) -> None:
    images = {f"{NAME}:1.4": DIRTY_IMAGE, f"{NAME}:2": CLEAN_IMAGE}
    with serving_registry(images) as registry:
        rest = f"{tag}@{CLEAN_IMAGE.manifest.digest}"
        with opening(registry, rest) as opened:
            assert str(opened.digest) == CLEAN_IMAGE.manifest.digest
            assert opened.images[0].names == (f"{registry.host}/{NAME}{rest}",)


def test_no_tag_is_latest() -> None:
    with serving_registry({f"{NAME}:latest": CLEAN_IMAGE}) as registry, opening(registry, "") as opened:
        assert opened.origin is not None
        assert str(opened.origin.name) == f"{registry.host}/{NAME}:latest"
        assert opened.images[0].names == (f"{registry.host}/{NAME}:latest",)


def test_every_platform_of_an_index() -> None:
    with serving_registry({f"{NAME}:1.4": BOTH}) as registry, opening(registry) as opened:
        assert str(opened.digest) == BOTH.manifest.digest
        assert [str(image.platform) for image in opened.images] == ["linux/amd64", "linux/arm64"]
        assert set(opened.left_out.values()) == {"an attestation"}
        assert opened.failed == {}
        assert set(read(opened).images) == {DIRTY_IMAGE.manifest.digest, ARM.manifest.digest}


def test_one_platform_of_an_index() -> None:
    with serving_registry({f"{NAME}:1.4": BOTH}) as registry:
        with opening(registry, wanted=Platform("linux", "arm64")) as opened:
            assert [str(image.digest) for image in opened.images] == [ARM.manifest.digest]
            assert "linux/amd64" in opened.left_out
        assert registry.count("config") == 1  # what is not wanted is not fetched


def test_a_tag_is_resolved_once() -> None:
    """R2: a tag that names another image at every request names the first one for the whole run."""
    with serving_registry({f"{NAME}:1.4": CLEAN_IMAGE, f"{NAME}:2": DIRTY_IMAGE}) as registry:
        with opening(registry) as opened:
            registry.repositories[NAME].tags["1.4"] = DIRTY_IMAGE.manifest.digest
            assert list(read(opened).images) == [CLEAN_IMAGE.manifest.digest]
            assert list(read(opened).images) == [CLEAN_IMAGE.manifest.digest]
        asked = [call.target for call in registry.calls if call.target.endswith("/1.4")]
        assert len(asked) == 1


def test_layers_are_fetched_when_they_are_read() -> None:
    with serving_registry({f"{NAME}:1.4": CLEAN_IMAGE}) as registry, opening(registry) as opened:
        assert registry.count("layer") == 0
        read(opened)
        assert registry.count("layer") == 1


def test_a_manifest_is_fetched_once_however_often_it_is_read() -> None:
    with serving_registry({f"{NAME}:1.4": BOTH}) as registry, opening(registry):
        made = [call.target for call in registry.calls if call.call in ("manifest", "index")]
        assert len(made) == len(set(made))


def test_the_documents_of_an_index_are_asked_for_side_by_side() -> None:
    """And nothing is asked for that was not before: of attestations no configuration."""
    platforms = [Built("linux", name) for name in ("amd64", "arm64", "ppc64le", "s390x", "riscv64")]
    images = [build_image([CLEAN], Settings(CREATED, platform, user="1000")) for platform in platforms]
    with serving_registry({f"{NAME}:1.4": build_index(images, attested=True)}) as registry:
        with opening(registry) as opened:
            assert [str(image.platform) for image in opened.images] == [
                f"linux/{each.architecture}" for each in platforms
            ]
        assert 1 < registry.connections <= 5
        assert registry.count("config") == 5
        assert len({call.target for call in registry.calls}) == len(registry.calls)


def test_documents_larger_than_stated_are_not_kept() -> None:
    entries = [image.manifest.descriptor(platform=image.platform.as_json()) for image in (DIRTY_IMAGE, ARM)]
    index = Blob(
        INDEX,
        encode(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**entries[0], "size": 1}, entries[1]]}
        ),
    )
    with serving_registry({f"{NAME}:both": BOTH}) as registry:
        registry.put(NAME, index, [], tag="1.4")
        with opening(registry) as opened:
            assert [str(image.digest) for image in opened.images] == [ARM.manifest.digest]
            assert isinstance(opened.failed["linux/amd64"], IntegrityError)
        asked = [call.target.rpartition("/")[2] for call in registry.calls]
        assert asked.count(DIRTY_IMAGE.manifest.digest) == 2
        assert asked.count(ARM.manifest.digest) == 1


@pytest.mark.parametrize("rest", [":1.4", f"@{CLEAN_IMAGE.manifest.digest}"])
def test_other_bytes_than_the_digest_states(rest: str) -> None:
    with serving_registry({f"{NAME}:1.4": CLEAN_IMAGE}) as registry:
        registry.repositories[NAME].manifests[CLEAN_IMAGE.manifest.digest] = DIRTY_IMAGE.manifest
        if rest.startswith("@"):
            with pytest.raises(IntegrityError), opening(registry, rest):
                pass
        else:
            # By its tag this is another image, and it is reported under its own digest.
            with pytest.raises(Unavailable, match="404"), opening(registry, rest):
                pass


def test_a_platform_that_cannot_be_fetched_does_not_hide_the_others() -> None:
    with serving_registry({f"{NAME}:1.4": BOTH}) as registry:
        del registry.repositories[NAME].manifests[ARM.manifest.digest]
        with opening(registry) as opened:
            assert [str(image.digest) for image in opened.images] == [DIRTY_IMAGE.manifest.digest]
            assert list(opened.failed) == ["linux/arm64"]
            assert "404" in str(opened.failed["linux/arm64"])


def served_as(media_type: str, listed_as: str) -> Index:
    """Return an index that lists an image under another media type than the registry serves it as."""
    entry = {**ARM.manifest.descriptor(platform=ARM.platform.as_json()), "mediaType": listed_as}
    body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    return Index(
        Blob(INDEX, encode(body)), (build_image([CLEAN], Settings(CREATED, Built("linux", "arm64"))),)
    )


def test_a_registry_that_serves_a_manifest_as_another_kind() -> None:
    """J7."""
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    index = served_as(docker, docker)
    with (
        serving_registry({f"{NAME}:1.4": index, f"{NAME}:arm": ARM}) as registry,
        opening(registry) as opened,
    ):
        assert opened.images == ()
        (error,) = opened.failed.values()
        assert isinstance(error, MalformedImage)
        assert "served" in str(error) or "serves" in str(error)


def test_an_index_in_an_index() -> None:
    outer = Blob(
        INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [BOTH.manifest.descriptor()]})
    )
    with serving_registry({f"{NAME}:inner": BOTH}) as registry:
        registry.put(NAME, outer, [], tag="1.4")
        with opening(registry) as opened:
            assert str(opened.digest) == Blob(INDEX, outer.data).digest
            assert len(opened.images) == 2


def test_what_is_no_image() -> None:
    artifact = Blob(
        "application/vnd.oci.image.manifest.v1+json",
        encode(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": Blob("application/vnd.cncf.helm.config.v1+json", b"{}").descriptor(),
                "layers": [],
            }
        ),
    )
    with serving_registry({}) as registry:
        registry.put(NAME, artifact, [b"{}"], tag="1.4")
        with pytest.raises(MalformedImage, match="not a container image"), opening(registry):
            pass


def test_a_layer_that_breaks_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.001)
    with (
        serving_registry({f"{NAME}:1.4": CLEAN_IMAGE}, [Fault("layer", "cut-50")]) as registry,
        opening(registry) as opened,
        pytest.raises(Unavailable, match="tried 4 times"),
    ):
        read(opened)


def test_a_location_without_a_name() -> None:
    access = Access(SourceSettings(), Deadline(30))
    with access, pytest.raises(InvalidInput), open_source(Location("x", REGISTRY, ""), None, access):
        pass
