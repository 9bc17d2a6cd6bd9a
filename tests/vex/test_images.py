from __future__ import annotations

import pytest
from msgspec.structs import replace

from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.vex import ImageIdentity
from gate.vex.images import identity, is_meant, with_hashes
from tests.policy.conftest import CONFIG, MANIFEST, subject

HEX = "c" * 64
INDEX = Digest("sha256", HEX)
NAME = "registry.example.com/shop/api"
IMAGE = replace(subject(f"{NAME}:1.4"), resolved=INDEX)
TWO_NAMES = subject(f"{NAME}:1.4", "docker.io/library/nginx:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"sha256:{HEX}", ImageIdentity(f"sha256:{HEX}")),
        (f"{NAME}:1.4@sha256:{HEX}", ImageIdentity(f"sha256:{HEX}")),
        (f"pkg:oci/api@sha256:{HEX}", ImageIdentity(f"sha256:{HEX}")),
        (
            f"pkg:oci/api@sha256%3A{HEX}?arch=amd64&os=linux&repository_url={NAME}&tag=1.4",
            ImageIdentity(f"sha256:{HEX}", NAME, "1.4", "linux", "amd64"),
        ),
        (f"pkg:oci/api@sha256:{HEX}?mediaType=x&repository_url=NOT", ImageIdentity(f"sha256:{HEX}")),
        (f"pkg:oci/api?repository_url={NAME}", ImageIdentity("", NAME)),
        (f"pkg:oci/api?repository_url=https://{NAME}", ImageIdentity("", NAME)),
        (f"pkg:oci/api?repository_url={NAME}&tag=1.4", ImageIdentity("", NAME, "1.4")),
        (
            "pkg:oci/debian?repository_url=index.docker.io/library/debian",
            ImageIdentity("", "docker.io/library/debian"),
        ),
        ("pkg:docker/debian@12", ImageIdentity("", "docker.io/library/debian", "12")),
        ("pkg:docker/shop/api@1.4?repository_url=registry.example.com", ImageIdentity("", NAME, "1.4")),
        (
            f"pkg:docker/shop/api@sha256:{HEX}?platform=linux/arm/v7",
            ImageIdentity(f"sha256:{HEX}", "docker.io/shop/api", "", "linux", "arm/v7"),
        ),
    ],
)
def test_what_an_image_is_called(text: str, expected: ImageIdentity) -> None:
    assert identity(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api",
        f"{NAME}:1.4",
        f"{NAME}@sha256:abc",
        "sha256:abc",
        f"md5:{'a' * 32}",
        "pkg:oci/api",
        "pkg:oci/api@1.4?repository_url=registry.example.com/shop/api",
        "pkg:oci/api?repository_url=registry.example.com/shop",
        "pkg:oci/api?repository_url=registry.example.com/shop/other",
        f"pkg:oci/api?repository_url={NAME}&flavour=debug",
        "pkg:oci/api?repository_url=",
        "pkg:deb/debian/libssl3",
        "pkg:docker/shop/api@1.4?repository_url=NOT A NAME",
    ],
)
def test_what_names_no_certain_image(text: str) -> None:
    assert identity(text) is None


@pytest.mark.parametrize("digest", [MANIFEST, CONFIG, INDEX])
@pytest.mark.parametrize(
    "image", [IMAGE, replace(subject(), resolved=INDEX), replace(TWO_NAMES, resolved=INDEX)]
)
def test_a_digest_decides_whatever_the_image_is_called(digest: Digest, image: Subject) -> None:
    assert is_meant(ImageIdentity(str(digest)), image)
    assert is_meant(ImageIdentity(str(digest), "docker.io/shop/other", "9"), image)
    assert not is_meant(ImageIdentity(f"sha256:{'d' * 64}", NAME), image)


@pytest.mark.parametrize(
    ("image", "tag", "expected"),
    [
        (IMAGE, "", True),
        (IMAGE, "1.4", True),
        (IMAGE, "1.5", False),
        (subject(NAME), "1.4", False),
        (subject(f"{NAME}:1.4", f"{NAME}:1"), "", True),
        (subject(f"{NAME}:1.4", f"{NAME}:1"), "1.4", False),
        (TWO_NAMES, "", False),
        (subject(), "", False),
        (subject(f"{NAME}/more:1.4"), "", False),
    ],
)
def test_of_several_names_all_must_agree_because_anyone_can_add_one(
    image: Subject, tag: str, expected: bool
) -> None:
    assert is_meant(ImageIdentity("", NAME, tag), image) is expected


@pytest.mark.parametrize(
    ("os", "architecture", "expected"),
    [
        ("linux", "", True),
        ("linux", "arm", True),
        ("linux", "arm/v7", True),
        ("", "arm/v6", False),
        ("linux", "arm64", False),
        ("windows", "", False),
    ],
)
def test_a_platform_that_is_stated_must_be_the_images(os: str, architecture: str, expected: bool) -> None:
    image = replace(IMAGE, platform=Platform("linux", "arm", "v7"))
    for known in (ImageIdentity(str(MANIFEST)), ImageIdentity("", NAME)):
        assert is_meant(replace(known, os=os, architecture=architecture), image) is expected


BY_NAME, BY_DIGEST = ImageIdentity("", NAME), ImageIdentity(f"sha256:{HEX}", NAME)


@pytest.mark.parametrize(
    ("found", "hashes", "expected"),
    [
        (BY_NAME, {}, BY_NAME),
        (None, {}, None),
        (BY_NAME, {"sha-256": HEX}, BY_DIGEST),
        (BY_NAME, {"SHA-256": HEX.upper(), "md5": "x"}, BY_DIGEST),
        (BY_DIGEST, {"sha256": HEX}, BY_DIGEST),
        (None, {"sha256": HEX}, ImageIdentity(f"sha256:{HEX}")),
        (BY_DIGEST, {"sha256": "d" * 64}, None),
        (BY_NAME, {"sha256": "nothing"}, None),
        (BY_NAME, {"sha-512": "c" * 128}, None),
        (BY_DIGEST, {"sha-512": "c" * 128}, BY_DIGEST),
        (None, {"sha-512": "c" * 128}, None),
    ],
)
def test_a_hash_tells_the_image_as_its_digest_does(
    found: ImageIdentity | None, hashes: dict[str, str], expected: ImageIdentity | None
) -> None:
    assert with_hashes(found, hashes) == expected
