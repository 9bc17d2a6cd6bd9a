from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage, Unavailable
from gate.oci.descriptor import LAYER_TYPES, OCI_LAYER, Descriptor, Digest, Platform

HEX = "0123456789abcdef" * 4
DIGEST = Digest("sha256", HEX)


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}"])
def test_a_digest_is_printed_as_it_was_read(text: str) -> None:
    digest = Digest.parse(text)
    assert str(digest) == text
    assert digest.short == text[:19]


@pytest.mark.parametrize(
    "value",
    [
        "sha256:../../../../etc/passwd", f"sha256:{HEX.upper()}", f"sha256:{HEX[:63]}", f"sha256:{HEX}0", f"sha512:{HEX}", HEX,
        f"SHA256:{HEX}", f"sha256:{HEX}\n", f"\nsha256:{HEX}", f"sha256 :{HEX}", f"sha256::{HEX}", "sha256:", ":", "", f"sha256-{HEX}",
        f"sha256:{HEX[:62]}/x", f"sha256:{HEX[:63]}g", f"sha256:{HEX[:63]}\u0661", f"sha256:{HEX[:60]}.tar", f"sha256:{HEX[:63]}\0",
        None, 1, True, [], {}, [f"sha256:{HEX}"],
    ],
)  # fmt: skip
def test_what_is_no_digest_is_malformed(value: Any) -> None:
    """J13: digests become file names."""
    with pytest.raises(MalformedImage, match=r"^the layer "):
        Digest.parse(value, "the layer")


@pytest.mark.parametrize(
    "value", ["md5:d41d8cd98f00b204e9800998ecf8427e", f"sha384:{HEX}", f"blake3:{HEX}", f"sha256+b64u:{HEX}"]
)
def test_an_algorithm_that_cannot_be_verified_is_unavailable(value: str) -> None:
    with pytest.raises(Unavailable, match="uses the algorithm") as error:
        Digest.parse(value)
    assert error.value.hint == "sha256 and sha512 can be verified"


def test_messages_stay_short() -> None:
    for value in ("x" * 3_000_000, "x" * 3_000_000 + ":a", "sha256:" + "a" * 3_000_000, ["x" * 3_000_000]):
        with pytest.raises(Unavailable) as error:
            Digest.parse(value)
        assert len(str(error.value)) < 400


@given(st.text() | st.from_regex(r"[a-z0-9+._-]{0,8}:[A-Za-z0-9=_-]{0,70}", fullmatch=True))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except Unavailable:
        return
    assert str(digest) == text


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        (Platform("linux", "aarch64"), Platform("linux", "arm64")),
        (Platform("linux", "arm64", "v8"), Platform("linux", "arm64")),
        (Platform("linux", "arm64", "8"), Platform("linux", "arm64")),
        (Platform("linux", "arm64", "v9"), Platform("linux", "arm64", "v9")),
        (Platform("linux", "arm"), Platform("linux", "arm", "v7")),
        (Platform("linux", "ARM", "6"), Platform("linux", "arm", "v6")),
        (Platform("linux", "arm", "V5"), Platform("linux", "arm", "v5")),
        (Platform("linux", "arm", "8"), Platform("linux", "arm", "v8")),
        (Platform("linux", "x86_64"), Platform("linux", "amd64")),
        (Platform("linux", "x86-64", "v1"), Platform("linux", "amd64")),
        (Platform("linux", "amd64", "v3"), Platform("linux", "amd64", "v3")),
        (Platform("linux", "i386"), Platform("linux", "386")),
        (Platform("Windows", "AMD64", "", "10.0.1"), Platform("windows", "amd64", "", "10.0.1")),
    ],
    ids=str,
)
def test_platforms_are_compared_as_containerd_does(stated: Platform, meant: Platform) -> None:
    assert stated.normalised() == meant
    assert meant.normalised() == meant


@pytest.mark.parametrize(
    ("platform", "known", "text"),
    [
        (Platform("linux", "arm", "v7"), True, "linux/arm/v7"),
        (Platform("linux", "amd64", "", "x"), True, "linux/amd64"),
        (Platform("unknown", "unknown"), False, "unknown/unknown"),
        (Platform("linux", "unknown"), False, "linux/unknown"),
        (Platform("", "amd64"), False, "amd64"),
        (Platform("linux", ""), False, "linux"),
        (Platform("", ""), False, ""),
    ],
)
def test_a_platform_is_known_when_both_parts_are(platform: Platform, known: bool, text: str) -> None:
    assert platform.known is known
    assert str(platform) == text


DESCRIPTOR = {"mediaType": OCI_LAYER, "digest": f"sha256:{HEX}", "size": 7}


def test_a_descriptor_is_read_whole() -> None:
    stated = {
        **DESCRIPTOR,
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", "os.features": ["x"]},
        "annotations": {"Key": "a", "key": "b"},
        "artifactType": "application/x",
        "urls": ["http://169.254.169.254/"],
        "data": "AA==",
        "unknown": {},
    }  # fmt: skip
    assert Descriptor.from_json(stated, "it") == Descriptor(
        OCI_LAYER, DIGEST, 7, Platform("linux", "arm", "v7", "1"), {"Key": "a", "key": "b"}, "application/x"
    )
    assert Descriptor.from_json(DESCRIPTOR, "it") == Descriptor(OCI_LAYER, DIGEST, 7)
    assert Descriptor.from_json({**DESCRIPTOR, "platform": None}, "it").platform is None


@pytest.mark.parametrize(
    "change",
    [
        {"digest": None}, {"digest": "x"}, {"size": None}, {"size": -1}, {"size": True}, {"size": "7"}, {"size": 7.0}, {"size": 2**63},
        {"mediaType": 1}, {"mediaType": []}, {"Digest": "x"}, {"SIZE": 7}, {"\u017fize": 7}, {"mediatype": "x"},
        {"annotations": []}, {"annotations": {"a": 1}}, {"artifactType": {}}, {"platform": "linux/amd64"}, {"platform": []},
        {"platform": {"os": 1}}, {"platform": {"OS": "linux"}}, {"platform": {"os": "linux", "Architecture": "amd64"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_field_is_malformed(change: dict[str, Any]) -> None:
    """J12, J13 and the fields that readers match without regard to case."""
    with pytest.raises(MalformedImage, match=r"^it"):
        Descriptor.from_json({**DESCRIPTOR, **change}, "it")


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_what_is_no_descriptor_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedImage, match=r"^it"):
        Descriptor.from_json(value, "it")


def test_layers_that_can_be_read() -> None:
    """OCI image specification, layer.md and media-types.md; Docker's image manifest version 2, schema 2."""
    assert sorted(LAYER_TYPES) == [
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ]
