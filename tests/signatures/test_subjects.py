"""What was signed when an image was, and where that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.oci.descriptor import Digest
from gate.oci.image import EngineImage, Image, Opened, Origin
from gate.oci.reference import Reference
from gate.registry import HostSettings, RegistrySettings
from gate.signatures.subjects import Subjects, subjects_of
from gate.sources import Access, SourceSettings
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import Platform, Settings, build_image, build_index
from samples.images.entries import file
from samples.images.layers import layer_of
from samples.images.layout import docker_archive, oci_layout, write_archive, write_directory
from tests.kit.asked_registry import AskedRegistry, access_to
from tests.kit.hostile_images import CLEAN_IMAGE

ARM = build_image([layer_of({"a": file("arm")})], Settings(None, Platform("linux", "arm64", "v8")))
INDEX = build_index([CLEAN_IMAGE, ARM], attested=True)
NAME = Reference.parse("registry.example.com/shop/api:1.4")
REPOSITORY = Reference.parse("registry.example.com/shop/api")
MANIFEST, INDEX_DIGEST = Digest.parse(CLEAN_IMAGE.manifest.digest), Digest.parse(INDEX.manifest.digest)


def opened(folder: Path, sample: Any = INDEX) -> Opened:
    """What a layout of the sample opens as; nothing of it is read later."""
    with open_source(
        locate(str(write_directory(oci_layout({"": sample}), folder / "layout"))), None
    ) as found:
        return found


def subjects(
    found: Opened, origin: Origin, registry: AskedRegistry | None = None, stated: str = ""
) -> Subjects:
    image = next(image for image in found.images if image.platform.architecture == "amd64")
    name = Reference.parse(stated) if stated else None
    return subjects_of(image, replace(found, origin=origin), name, access_to(registry or AskedRegistry({})))


def held(*repo_digests: str, store: str = "classic") -> Origin:
    pulled = tuple(Reference.parse(text) for text in repo_digests)
    return Origin(
        "docker-daemon",
        NAME,
        engine=EngineImage(Digest("sha256", "0" * 64), pulled, store, "Docker", "28.0.0"),
    )


def classic(found: Opened) -> Opened:
    """The same as a classic store exports it: without manifests that mean anything."""
    (image,) = (image for image in found.images if image.platform.architecture == "amd64")
    one = replace(image, descriptor=None)
    return Opened(one.digest, (one,))


def test_an_image_of_an_index_was_signed_by_itself_or_with_the_index(tmp_path: Path) -> None:
    found = subjects(opened(tmp_path), Origin("docker", NAME))
    assert found == Subjects((MANIFEST, INDEX_DIGEST), (REPOSITORY,))


def test_a_manifest_that_was_asked_for_has_no_index(tmp_path: Path) -> None:
    pinned = replace(NAME, digest=MANIFEST)
    assert subjects(opened(tmp_path, CLEAN_IMAGE), Origin("docker", pinned)) == Subjects(
        (MANIFEST,), (REPOSITORY,)
    )


def test_signatures_may_lie_in_a_repository_of_their_own(tmp_path: Path) -> None:
    hosts = {"registry.example.com": HostSettings(signature_repository="other.example.com/signatures")}
    settings = SourceSettings(RegistrySettings(hosts))
    found = opened(tmp_path, CLEAN_IMAGE)
    with Access.to_files() as files, Access(settings, files.deadline) as access:
        image: Image = found.images[0]
        told = subjects_of(image, replace(found, origin=Origin("docker", NAME)), None, access)
    assert told.repositories == (Reference.parse("other.example.com/signatures"),)


def test_a_file_is_asked_for_only_by_the_name_that_the_caller_states(tmp_path: Path) -> None:
    found = opened(tmp_path, CLEAN_IMAGE)
    assert subjects(found, Origin("oci")) == Subjects((MANIFEST,), ())
    assert subjects(found, Origin("oci"), stated=str(NAME)) == Subjects((MANIFEST,), (REPOSITORY,))


def test_an_older_archive_has_nothing_that_could_have_been_signed(tmp_path: Path) -> None:
    path = write_archive(docker_archive({str(NAME): CLEAN_IMAGE}), tmp_path / "a.tar")
    with (
        open_source(locate(f"docker-archive:{path}"), None) as found,
        pytest.raises(Unavailable, match="holds no manifest"),
    ):
        subjects(found, Origin("docker-archive"), stated=str(NAME))


# --- container engines ---


def test_containerds_store_keeps_manifests(tmp_path: Path) -> None:
    origin = held(f"{REPOSITORY}@{INDEX_DIGEST}", f"mirror.example.com/a@{INDEX_DIGEST}", store="containerd")
    found = subjects(opened(tmp_path), origin)
    assert found.digests == (MANIFEST, INDEX_DIGEST)
    assert found.repositories == (REPOSITORY, Reference.parse("mirror.example.com/a"))


@pytest.mark.parametrize(
    ("sample", "expected"), [(INDEX, (MANIFEST, INDEX_DIGEST)), (CLEAN_IMAGE, (MANIFEST,))]
)
def test_a_classic_stores_word_is_checked(tmp_path: Path, sample: Any, expected: tuple[Digest, ...]) -> None:
    """The digest under which it was pulled must lead to the configuration that it holds."""
    registry = AskedRegistry({str(NAME): sample})
    found = subjects(classic(opened(tmp_path)), held(f"{REPOSITORY}@{sample.manifest.digest}"), registry)
    assert found == Subjects(expected, (REPOSITORY,))
    assert not any("tag" in question for question in registry.asked)


def test_a_digest_that_leads_elsewhere_is_not_believed(tmp_path: Path) -> None:
    registry = AskedRegistry({str(NAME): ARM})
    with pytest.raises(Unavailable, match="knows no digest of this image"):
        subjects(classic(opened(tmp_path)), held(f"{REPOSITORY}@{ARM.manifest.digest}"), registry)


def test_an_image_that_was_built_there_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="knows no digest of this image"):
        subjects(classic(opened(tmp_path)), held())


def test_no_answer_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is not there"):
        subjects(classic(opened(tmp_path)), held(f"{REPOSITORY}@{MANIFEST}"), AskedRegistry({}))


def test_another_name_may_lead_there(tmp_path: Path) -> None:
    registry = AskedRegistry({str(NAME): CLEAN_IMAGE})
    origin = held(f"gone.example.com/a@{ARM.manifest.digest}", f"{REPOSITORY}@{MANIFEST}")
    assert subjects(classic(opened(tmp_path)), origin, registry).digests == (MANIFEST,)
