from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.packages.purls import means_any, parsed, type_of

LIBSSL = "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12"


@pytest.mark.parametrize("text", ["", "libssl3", "pkg:", "pkg:deb", "https://example.com/pkg", "\x00"])
def test_what_is_no_package_url(text: str) -> None:
    assert parsed(text) is None
    assert not means_any(text, [LIBSSL])
    assert not means_any(LIBSSL, [text])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("pkg:deb/debian/libssl3", True),
        ("pkg:deb/debian/libssl3@3.0.9-1", True),
        ("pkg:deb/debian/libssl3?arch=amd64", True),
        (LIBSSL, True),
        ("pkg:DEB/debian/libssl3", True),
        ("pkg:deb/debian/libssl3@3.0.9-2", False),
        ("pkg:deb/debian/libssl3?arch=arm64", False),
        ("pkg:deb/debian/libssl3?vendor=x", False),
        ("pkg:deb/debian/libssl3#part", False),
        ("pkg:deb/libssl3", False),
        ("pkg:deb/ubuntu/libssl3", False),
        ("pkg:apk/debian/libssl3", False),
        ("pkg:deb/debian/libssl", False),
    ],
)
def test_what_is_stated_must_be_so(written: str, expected: bool) -> None:
    assert means_any(written, ["pkg:npm/other@1", LIBSSL]) is expected


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [("debian-12", True), ("debian-12.5", True), ("debian-1", False), ("debian", False)],
)
def test_a_release_includes_its_minor_ones(distribution: str, expected: bool) -> None:
    """Scanners state the one of /etc/debian_version, and everybody else speaks of Debian 12."""
    found = ["pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12.5"]
    assert means_any(f"pkg:deb/debian/libssl3?distro={distribution}", found) is expected
    assert not means_any("pkg:deb/debian/libssl3?arch=am", ["pkg:deb/debian/libssl3?arch=am.d64"])


def test_types_are_normalised_as_they_want_it() -> None:
    assert means_any("pkg:pypi/Ruamel_Yaml", ["pkg:pypi/ruamel-yaml@1"])
    assert means_any("pkg:golang/golang.org/x/net@v1.2.0", ["pkg:golang/golang.org/x/net@1.2.0"])
    assert not means_any("pkg:npm/a@v1", ["pkg:npm/a@1"])


def test_no_package_url_means_nothing() -> None:
    assert not means_any("pkg:npm/a", [])


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        ("pkg:deb/debian/a@1", "deb"),
        ("pkg://NPM/a@1", "npm"),
        ("pkg:golang/golang.org/x/net", "golang"),
        ("", ""),
        ("deb/a", ""),
    ],
)
def test_types(purl: str, expected: str) -> None:
    assert type_of(purl) == expected


@given(st.text(max_size=40))
def test_no_text_is_a_fault(text: str) -> None:
    for purl in (text, f"pkg:{text}", f"pkg:deb/{text}"):
        type_of(purl)
