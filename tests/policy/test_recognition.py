from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.policy.recognition import Findings, Key, fingerprint

PURL = "pkg:npm/openssl@3.0.11?arch=amd64"


def key(id_: str, rule: str = "vulnerabilities", path: str = "/db", message: str = "") -> Key:
    return (rule, id_, "pkg:npm/openssl", path, message)


def test_a_version_and_where_an_id_is_a_message_do_not_count() -> None:
    assert fingerprint("vulnerabilities", "CVE-1", PURL, "/db", "CVE-1 in openssl") == key("CVE-1")
    assert fingerprint("r", "", None, None, "u:secret@x.test is odd") == (
        "r",
        "",
        "",
        "",
        "u:***@x.test is odd",
    )
    assert fingerprint("r", "", "no purl", None, "m") == ("r", "", "no purl", "", "m")


@pytest.mark.parametrize("path", ["/var/lib/dpkg/status", "/lib/apk/db/installed", None])
def test_the_database_of_a_distributions_package_is_no_place(path: str | None) -> None:
    """One scanner states it and another does not, and a run may ask either alone."""
    found = fingerprint("vulnerabilities", "CVE-1", "pkg:deb/debian/openssl@3", path, "x")
    assert found == ("vulnerabilities", "CVE-1", "pkg:deb/debian/openssl", "", "")


KNOWN = Findings({key("CVE-1"): ("GHSA-a", "DSA-1"), key("GHSA-b"): (), key("", message="m"): ("GHSA-c",)})


@pytest.mark.parametrize(
    ("found", "aliases", "expected"),
    [
        (key("CVE-1"), (), "CVE-1"),
        (key("CVE-1"), ("GHSA-b",), "CVE-1"),
        (key("GHSA-a"), (), "CVE-1"),
        (key("CVE-2"), ("GHSA-b",), "GHSA-b"),
        (key("CVE-2"), ["GHSA-b"], "GHSA-b"),
        (key("CVE-2"), ("GHSA-a",), None),
        (key("DSA-1"), (), None),
        (key("CVE-2"), ("DSA-1",), None),
        (key("CVE-2"), "GHSA-b", None),
        (key("GHSA-a", rule="other"), (), None),
        (key("GHSA-a", path="/x"), (), None),
        (key("GHSA-c"), (), None),
        (key("", message="n"), (), None),
    ],
)
def test_what_is_the_same(found: Key, aliases: object, expected: str | None) -> None:
    assert KNOWN.same_as(found, aliases) == ([key(expected)] if expected else [])


names = st.sampled_from(["CVE-1", "CVE-2", "GHSA-a", "GHSA-b", "GO-1"])


@given(names, st.lists(names, max_size=3), names, st.lists(names, max_size=3))
def test_it_is_the_same_from_both_sides(one: str, its: list[str], other: str, others: list[str]) -> None:
    there = Findings({key(one): its}).same_as(key(other), others)
    back = Findings({key(other): others}).same_as(key(one), its)
    assert bool(there) is bool(back)
