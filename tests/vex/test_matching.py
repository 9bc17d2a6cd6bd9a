"""Which statement decides: the newest on the same vulnerability in the same package, and never one that is unclear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.rule import Finding, Location
from gate.vex import WEAKENING, Document, ImageIdentity, Product, Statement, Status, Vex
from gate.vex.matching import Claims
from tests.policy.conftest import MANIFEST, subject

NAME = "registry.example.com/shop/api"
IMAGE = subject(f"{NAME}:1.4")  # judged on 2026-06-01
DAY = datetime(2026, 5, 1, tzinfo=UTC)
PLAIN = "pkg:deb/debian/libssl3@3.0.9-1"
WRITTEN = (f"{PLAIN}?arch=amd64&distro=debian-12.1", f"{PLAIN}?arch=amd64&distro=debian-12&upstream=openssl")
FOUND = Finding(
    "CVE-1 in libssl3",
    Location(package=PLAIN, path="/var/lib/dpkg/status"),
    id="CVE-1",
    details={"aliases": ["GHSA-a", "DSA-1"], "purls": list(WRITTEN)},
)
BARE = Finding("CVE-1 in something", Location(path="/opt/thing"), id="CVE-1")
BY_DIGEST, BY_NAME = ImageIdentity(str(MANIFEST)), ImageIdentity("", NAME)
OTHER = ImageIdentity(f"sha256:{'d' * 64}")


HERE = Product(None, PLAIN)


def said(status: Status = "not_affected", *ids: str, product: Product = HERE, **changes: Any) -> Statement:
    facts = {"number": 1, "dated": DAY, "products": (product,), **changes}
    return Statement(ids=frozenset(ids or {"CVE-1"}), status=status, **facts)


def document(*statements: Statement, name: str = "v.json") -> Document:
    return Document(name, "policy", "sha256:0", "OpenVEX", "id", "author", statements)


def taken_away(*statements: Statement, finding: Finding = FOUND) -> bool:
    return Claims(Vex((document(*statements),)), IMAGE).about(finding) is not None


@pytest.mark.parametrize("status", get_args(Status))
def test_only_two_statuses_take_anything_away(status: Status) -> None:
    assert taken_away(said(status)) is (status in {"not_affected", "fixed"})


@pytest.mark.parametrize(
    "package",
    [
        PLAIN,
        "pkg:deb/debian/libssl3",
        f"{PLAIN}?arch=amd64",
        f"{PLAIN}?distro=debian-12",
        f"{PLAIN}?arch=amd64&distro=debian-12.1",
        "pkg:deb/debian/libssl3?arch=amd64",
    ],
)
@pytest.mark.parametrize("image", [None, BY_DIGEST, BY_NAME], ids=["anywhere", "digest", "name"])
def test_a_package_is_matched_as_far_as_it_is_stated(package: str, image: ImageIdentity | None) -> None:
    assert taken_away(said(product=Product(image, package)))
    assert not taken_away(said(product=Product(image, package)), finding=BARE)


@pytest.mark.parametrize(
    "package",
    [
        "pkg:deb/debian/libssl3@3.0.9",
        "pkg:deb/debian/libssl3@3.0.9-1~",
        "pkg:deb/ubuntu/libssl3",
        "pkg:rpm/debian/libssl3",
        "pkg:deb/debian/openssl",
        f"{PLAIN}?arch=arm64",
        f"{PLAIN}?distro=debian-12.1&upstream=openssl",
        f"{PLAIN}?unknown=x",
        f"{PLAIN}#part",
        "libssl3",
    ],
)
def test_another_package_is_not(package: str) -> None:
    assert not taken_away(said(product=Product(None, package)))


@pytest.mark.parametrize("found", ["pkg:golang/golang.org/x/net@0.1.0", "pkg:golang/golang.org/x/net@v0.1.0"])
def test_a_go_module_has_its_version_with_and_without_the_letter(found: str) -> None:
    finding = Finding("x", Location(package=found), id="CVE-1")
    for version, expected in (("v0.1.0", True), ("0.1.0", True), ("v0.1.1", False)):
        product = Product(None, f"pkg:golang/golang.org/x/net@{version}")
        assert taken_away(said(product=product), finding=finding) is expected


@pytest.mark.parametrize("image", [BY_DIGEST, BY_NAME], ids=["digest", "name"])
def test_a_statement_on_the_image_as_a_whole_is_on_all_of_its_packages(image: ImageIdentity) -> None:
    assert taken_away(said(product=Product(image)))
    assert taken_away(said(product=Product(image)), finding=BARE)


@pytest.mark.parametrize("package", ["", PLAIN])
def test_a_statement_on_another_image_is_not_on_this_one(package: str) -> None:
    assert not taken_away(said(product=Product(OTHER, package)))
    assert taken_away(said(products=(Product(OTHER, package), Product(BY_DIGEST, package))))


@pytest.mark.parametrize(
    ("product", "certain"),
    [
        (Product(None, PLAIN), True),
        (Product(None, "pkg:deb/debian/libssl3"), False),
        (Product(BY_NAME, PLAIN), True),
        (Product(BY_NAME), False),
        (Product(BY_DIGEST), True),
        (Product(BY_DIGEST, "pkg:deb/debian/libssl3"), True),
    ],
)
def test_a_fix_is_of_a_certain_version_or_image(product: Product, certain: bool) -> None:
    assert taken_away(said("fixed", product=product)) is certain
    assert taken_away(said("not_affected", product=product))


@pytest.mark.parametrize(
    ("ids", "same"),
    [
        (("CVE-1",), True),
        (("GHSA-a",), True),
        (("GHSA-a", "CVE-1"), True),
        (("GHSA-a", "CVE-2"), False),
        (("CVE-2",), False),
        (("DSA-1",), False),
        (("cve-1",), False),
    ],
)
def test_the_same_vulnerability_by_whatever_name_but_never_another_cve(
    ids: tuple[str, ...], same: bool
) -> None:
    assert taken_away(said("not_affected", *ids)) is same


def test_an_advisory_is_matched_by_its_own_id() -> None:
    finding = Finding("x", Location(package=PLAIN), id="DSA-1")
    assert taken_away(said("not_affected", "DSA-1"), finding=finding)
    assert not taken_away(said("not_affected", ""), finding=Finding("x", Location(package=PLAIN)))


def test_the_newest_statement_wins_wherever_it_stands() -> None:
    old, new = said("not_affected"), said("affected", dated=DAY + timedelta(seconds=1))
    assert not taken_away(old, new)
    assert not taken_away(new, old)
    newest = said("not_affected", dated=DAY + timedelta(seconds=2), product=Product(BY_DIGEST))
    assert taken_away(old, new, newest)
    claims = Claims(Vex((document(old, name="a"), document(newest, name="b"), document(new))), IMAGE)
    claim = claims.about(FOUND)
    assert claim is not None
    assert (claim.document.name, claim.statement) == ("b", newest)


@pytest.mark.parametrize("other", ["affected", "under_investigation", "fixed"])
def test_contradictions_of_the_same_moment_are_no_statement(other: Status) -> None:
    assert not taken_away(said("not_affected"), said(other, dated=DAY.replace()))
    assert taken_away(said("not_affected"), said("not_affected"))


@pytest.mark.parametrize("other", ["affected", "under_investigation"])
def test_doubt_about_a_package_of_any_version_is_doubt(other: Status) -> None:
    anyone = Product(None, "pkg:deb/debian/libssl3")
    assert not taken_away(said("not_affected"), said(other, product=anyone, dated=DAY + timedelta(days=1)))


def test_of_several_that_say_the_same_the_first_is_named() -> None:
    claim = Claims(Vex((document(said(), name="a"), document(said(), name="b"))), IMAGE).about(FOUND)
    assert claim is not None
    assert claim.document.name == "a"


@pytest.mark.parametrize(("hours", "applies"), [(0, True), (23, True), (24, False), (24 * 365, False)])
def test_what_is_dated_later_than_the_judged_day_takes_nothing_away_yet(hours: int, applies: bool) -> None:
    dated = IMAGE.checked_at + timedelta(hours=hours)
    assert taken_away(said("not_affected", dated=dated)) is applies
    assert not taken_away(said("not_affected"), said("affected", dated=dated))


@given(st.integers(-14 * 60, 14 * 60), st.integers(-36, 36))
def test_the_day_of_a_statement_does_not_depend_on_where_the_gate_runs(minutes: int, hours: int) -> None:
    dated = IMAGE.checked_at + timedelta(hours=hours)
    there = replace(IMAGE, checked_at=IMAGE.checked_at.astimezone(timezone(timedelta(minutes=minutes))))
    claims = Claims(Vex((document(said(dated=dated)),)), there)
    assert (claims.about(FOUND) is not None) is (dated.date() <= IMAGE.checked_at.date())


PRODUCTS = st.builds(
    Product,
    st.sampled_from([None, BY_DIGEST, BY_NAME, OTHER]),
    st.sampled_from([PLAIN, "pkg:deb/debian/libssl3", "pkg:npm/x@1"]),
)
STATEMENTS = st.lists(
    st.builds(
        said,
        st.sampled_from(get_args(Status)),
        st.sampled_from(["CVE-1", "CVE-2", "GHSA-a"]),
        product=PRODUCTS,
        dated=st.sampled_from([DAY, DAY + timedelta(days=1), DAY + timedelta(days=90)]),
    ),
    max_size=5,
)


@given(STATEMENTS, st.randoms())
def test_neither_order_nor_more_doubt_ever_takes_more_away(statements: list[Statement], random: Any) -> None:
    before = taken_away(*statements)
    shuffled = list(statements)
    random.shuffle(shuffled)
    assert taken_away(*shuffled) is before
    doubted = said("under_investigation", dated=DAY + timedelta(days=120))
    assert not taken_away(*statements, doubted)
    assert not taken_away(*statements, finding=BARE)
    assert not taken_away(*(one for one in statements if one.status not in WEAKENING))
