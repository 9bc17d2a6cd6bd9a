from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from gate.errors import InvalidInput
from gate.packages.version_order import ECOSYSTEMS
from gate.policy.versions import LONGEST_VERSION, VersionRange, version_of


def holds(purl: str, text: str) -> bool:
    return VersionRange.parse(text).holds(PackageURL.from_string(purl))


@pytest.mark.parametrize(
    ("purl", "text"),
    [
        ("pkg:deb/debian/openssl@3.0.11-1~deb12u2", ">=3.0.11-1~deb12u1 <3.0.11-1"),
        ("pkg:deb/debian/x@1%3A1.0", ">2"),
        ("pkg:rpm/redhat/x@1.0?epoch=1", ">2"),
        ("pkg:rpm/redhat/x@1.0?epoch=0", "<2"),
        ("pkg:apk/alpine/x@1.2.3-r0", "<1.2.3-r1"),
        ("pkg:npm/x@1.10.0", ">1.9.0"),
        ("pkg:npm/x@2.0.0-rc.1", "<2.0.0"),
        ("pkg:pypi/x@1.0rc1", "<1.0"),
        ("pkg:maven/g/x@1.0-SNAPSHOT", "<1.0"),
        ("pkg:golang/x/y@v1.2.3", "= 1.2.3"),
        ("pkg:gem/x@1.2", ">=1.2,<=1.2"),
        ("pkg:cargo/x@1.2.3", ">=1.2.3<1.3"),
    ],
)
def test_each_ecosystem_has_its_order(purl: str, text: str) -> None:
    assert holds(purl, text)


@pytest.mark.parametrize(
    ("purl", "text"),
    [
        ("pkg:npm/x@1.9.0", ">1.10.0"),
        ("pkg:npm/x@1.0.0", "<1.0.0"),
        ("pkg:npm/x@1.0.0", ">=1 <1"),
        ("pkg:npm/x@not-a-version", "<2"),
        ("pkg:npm/x@1.0.0", "<not-a-version"),
        ("pkg:golang/stdlib@go1.21", "<1.22"),
        ("pkg:deb/debian/x", "<1"),
        ("pkg:generic/x@1.0", "<2"),
        ("pkg:docker/x@1.0", "<2"),
        (f"pkg:deb/x@{'1' * (LONGEST_VERSION + 1)}", ">1"),
    ],
)
def test_unclear_is_outside(purl: str, text: str) -> None:
    assert not holds(purl, text)


@pytest.mark.parametrize(
    "text", ["", " ", "1.2", ">=", "<1,", "<1,,>0", "<1 x", "^1.2", "~>1", "!=1", "*", "< =1"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no range of versions"):
        VersionRange.parse(text)


@pytest.mark.parametrize("relation", ["<", "<=", "=", ">=", ">"])
@given(st.integers(0, 30), st.integers(0, 30))
def test_bounds_hold_as_numbers_do(relation: str, have: int, want: int) -> None:
    expected = {"<": have < want, "<=": have <= want, "=": have == want, ">=": have >= want, ">": have > want}
    assert holds(f"pkg:npm/x@1.{have}.0", f"{relation}1.{want}.0") is expected[relation]


@given(
    st.sampled_from(sorted(ECOSYSTEMS)),
    st.text(max_size=40),
    st.text(max_size=40).filter(lambda text: not text.startswith("=")),  # which would be another relation
)
def test_no_version_breaks_it(ecosystem: str, version: str, bound: str) -> None:
    try:
        purl = PackageURL(type=ecosystem, namespace="n", name="x", version=version)
        wanted = VersionRange.parse(f"<{bound}")
    except (ValueError, InvalidInput):
        return
    below, above = wanted.holds(purl), VersionRange.parse(wanted.replace("<", ">=", 1)).holds(purl)
    assert not (below and above)


def test_hostile_versions_take_no_time() -> None:
    start = time.process_time()
    for ecosystem in sorted(ECOSYSTEMS):
        for part in ("1.", "a", "1-", "~", "0"):
            version = (part * LONGEST_VERSION)[:LONGEST_VERSION]
            VersionRange.parse(f"<{version}1"[: LONGEST_VERSION + 1]).holds(
                PackageURL(ecosystem, "n", "x", version)
            )
    assert time.process_time() - start < 5


def test_an_epoch_that_stands_apart_counts_once() -> None:
    for text, version in (
        ("pkg:rpm/x@1.0?epoch=2", "2:1.0"),
        ("pkg:deb/x@2%3A1.0?epoch=2", "2:1.0"),
        ("pkg:rpm/x@1.0", "1.0"),
        ("pkg:rpm/x?epoch=2", ""),
    ):
        assert version_of(PackageURL.from_string(text)) == version
