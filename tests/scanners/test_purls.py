"""Package URLs of both scanners, reduced to what they agree on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.scanners.purls import PackageKey, key_of, plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            ("pkg:deb/debian/login@4.13%2Bdfsg1-1?arch=amd64&epoch=1", "deb", "login", "1:4.13+dfsg1-1"),
            ("pkg:deb/debian/login@1%3A4.13%2Bdfsg1-1?arch=amd64&upstream=shadow", "deb", "login", "1:4.13+dfsg1-1"),
        ),
        (
            ("pkg:rpm/amazon/openssl@3.0.8-1?epoch=0", "rpm", "openssl", "3.0.8-1"),
            ("pkg:rpm/amzn/openssl@3.0.8-1", "rpm", "openssl", "0:3.0.8-1"),
        ),
        (("pkg:pypi/zope.interface@5", "x", "Zope.Interface", "5"), ("pkg:pypi/Zope_Interface@5", "python", "y", "5")),
        (("pkg:golang/golang.org/x/net@v0.7.0", "x", "x", "v0.7.0"), ("pkg:golang/golang.org/x/net@v0.7.0", "x", "x", "0.7.0")),
        (("pkg:golang/stdlib@v1.21.3", "x", "stdlib", "v1.21.3"), ("pkg:golang/stdlib@1.21.3", "x", "stdlib", "go1.21.3")),
        (("pkg:maven/org.x/core@2?type=jar", "jar", "org.x:core", "2"), ("pkg:maven/org.x/core@2", "java", "core", "2")),
    ],
)  # fmt: skip
def test_the_same_package(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    assert key_of(*one) == key_of(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("pkg:npm/%40a/core@1", "npm", "core", "1"), ("pkg:npm/%40b/core@1", "npm", "core", "1")),
        (("pkg:npm/core@1", "npm", "core", "1"), ("pkg:npm/core@1", "npm", "core", "2")),
        (("pkg:npm/core@1", "npm", "core", "1"), ("pkg:pypi/core@1", "pypi", "core", "1")),
        (("pkg:deb/debian/a@1", "deb", "a", "1"), ("pkg:deb/debian/a@1", "deb", "a", "1:1")),
        (("pkg:maven/a/core@1", "jar", "core", "1"), ("pkg:maven/b/core@1", "jar", "core", "1")),
    ],
)
def test_other_packages(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    assert key_of(*one) != key_of(*other)


@pytest.mark.parametrize("purl", ["", "libssl3", "pkg:", "pkg:deb", "cpe:/a:x:y"])
def test_without_a_purl_the_name_counts(purl: str) -> None:
    assert key_of(purl, "deb", "libssl3", "1") == PackageKey("deb", "", "libssl3", "1")


@pytest.mark.parametrize(
    ("purl", "version", "expected"),
    [
        (
            "pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12.0&upstream=glibc",
            "2.36-9",
            "pkg:deb/debian/libc6@2.36-9",
        ),
        ("pkg:npm/%40angular/core@1#src", "1", "pkg:npm/%40angular/core@1"),
        ("pkg:generic/x", "", "pkg:generic/x"),
        ("x", "1", ""),
    ],
)
def test_plain(purl: str, version: str, expected: str) -> None:
    assert plain(purl, version) == expected


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_text_is_a_fault(text: str, version: str) -> None:
    for purl in (text, f"pkg:{text}", f"pkg:deb/{text}"):
        key_of(purl, "deb", "a", version)
        plain(purl, version)
