from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.oci.descriptor import Platform
from gate.oci.platform_pattern import PlatformPattern


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("linux/arm64", ["linux/arm64", "linux/arm64/v8", "linux/aarch64", "Linux/ARM64", "linux/arm64/v9"], ["linux/amd64", "windows/arm64"]),
        ("linux/x86_64", ["linux/amd64", "linux/amd64/v3"], ["linux/386"]),
        ("linux/arm", ["linux/arm", "linux/arm/v6", "linux/arm/v7"], ["linux/arm64"]),
        ("linux/arm/v7", ["linux/arm/v7", "linux/arm", "linux/arm/7"], ["linux/arm/v6"]),
        ("linux/arm64/v8", ["linux/arm64", "linux/arm64/v8"], ["linux/arm64/v9"]),
        ("windows/*", ["windows/amd64", "Windows/arm64"], ["linux/amd64", "windowsx/amd64"]),
        ("*/s390x", ["linux/s390x"], ["linux/s390"]),
        ("*/*/v7", ["linux/arm/v7", "linux/arm"], ["linux/arm/v6", "linux/amd64"]),
        ("linux/arm/*", ["linux/arm/v6", "linux/arm"], ["linux/arm64"]),
    ],
)  # fmt: skip
def test_patterns(text: str, inside: list[str], outside: list[str]) -> None:
    pattern = PlatformPattern.parse(text)
    assert [name for name in inside if not pattern.matches(Platform(*name.split("/")))] == []
    assert [name for name in outside if pattern.matches(Platform(*name.split("/")))] == []
    assert pattern.wild == ("*" in text)


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux/", "/arm64", "linux/arm/v7/x", "linux/a*", "li nux/x", "linux/arm64\n", "a//b", "лinux/x", "**/x", "linux\\x"],
)  # fmt: skip
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a platform"):
        PlatformPattern.parse(text)


def test_an_image_without_a_platform_is_of_no_platform() -> None:
    assert not PlatformPattern.parse("linux/amd64").matches(Platform("", ""))


WORDS = st.from_regex(r"[a-z0-9_.-]{1,8}", fullmatch=True)


@given(WORDS, WORDS, st.just("") | WORDS)
def test_every_platform_is_its_own_pattern(system: str, architecture: str, variant: str) -> None:
    platform = Platform(system, architecture, variant)
    assert PlatformPattern.parse(str(platform)).matches(platform)
    assert PlatformPattern.parse("*/*").matches(platform)
