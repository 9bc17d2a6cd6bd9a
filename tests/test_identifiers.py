from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.identifiers import cve_ids, is_single, names_of, same


@pytest.mark.parametrize(
    "id_", ["CVE-2023-1", "GHSA-a", "ghsa-a", "GO-2023-1", "PYSEC-1", "RUSTSEC-1", "TEMP-1"]
)
def test_ids_of_one_vulnerability(id_: str) -> None:
    assert is_single(id_)


@pytest.mark.parametrize("id_", ["", "DSA-1", "RHSA-2023:1", "ALAS-1", "ELSA-1", "CVE-", "XCVE-1", "GHSA"])
def test_ids_of_advisories_and_what_is_none(id_: str) -> None:
    assert not is_single(id_)


@pytest.mark.parametrize(
    ("aliases", "names"),
    [
        (["GHSA-a", "DSA-1"], {"CVE-1", "GHSA-a"}),
        (("GHSA-a",), {"CVE-1", "GHSA-a"}),
        ([], {"CVE-1"}),
        (None, {"CVE-1"}),
        ("GHSA-a", {"CVE-1"}),
        ([1, None, ["GHSA-a"]], {"CVE-1"}),
    ],
)
def test_an_id_and_its_aliases(aliases: object, names: set[str]) -> None:
    assert names_of("CVE-1", aliases) == names


def test_an_advisory_that_has_no_other_name_is_called_by_it() -> None:
    assert names_of("DSA-1", ["CVE-1", "DSA-2"]) == {"DSA-1", "CVE-1"}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"CVE-1"}, {"CVE-1"}, True),
        ({"CVE-1", "GHSA-a"}, {"GHSA-a"}, True),
        ({"GHSA-a"}, {"GHSA-a", "CVE-1"}, True),
        ({"CVE-1", "GHSA-a"}, {"CVE-2", "GHSA-a"}, False),
        ({"CVE-1", "CVE-2"}, {"CVE-2"}, True),
        ({"GHSA-a"}, {"GHSA-b"}, False),
        (set(), {"CVE-1"}, False),
        (set(), set(), False),
    ],
)
def test_when_two_are_the_same(one: set[str], other: set[str], expected: bool) -> None:
    assert same(one, other) is expected
    assert same(other, one) is expected


ids = st.frozensets(st.sampled_from(["CVE-1", "CVE-2", "GHSA-a", "GHSA-b", "GO-1"]), max_size=3)


@given(ids, ids)
def test_what_is_the_same_shares_a_name_and_no_cve_stands_against_it(
    one: frozenset[str], other: frozenset[str]
) -> None:
    if same(one, other):
        assert one & other
        assert not (cve_ids(one) and cve_ids(other)) or cve_ids(one) & cve_ids(other)
