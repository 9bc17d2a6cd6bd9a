"""Joining findings: the same vulnerability in the same package once, and nothing lost or joined that is another."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evidence import Database, Opinion, ScanRun, Vulnerability
from gate.scanners import RawFinding, ScannerReport
from gate.scanners.merge import merge

LIBSSL = "pkg:deb/debian/libssl3@3.0.9-1"


def finding(
    scanner: str, id_: str, *aliases: str, purl: str = LIBSSL, version: str = "3.0.9-1", **more: Any
) -> RawFinding:
    """A finding of one scanner; `path` and `layer` may be given."""
    opinion = Opinion(scanner, id_, aliases, "high", "nvd", {}, {}, ("9",), "fixed")
    return RawFinding("deb", "libssl3", version, purl, opinion, **more)


def report(name: str, *findings: RawFinding) -> ScannerReport:
    """A report with these findings."""
    database = Database("2", datetime(2026, 11, 23, tzinfo=UTC))
    return ScannerReport(
        ScanRun(name, "1", "/x", "sha256:0", database, "sha256:0", "debian", "12", None, (), (), 1.0),
        findings,
    )


def joined(*findings: RawFinding) -> tuple[Vulnerability, ...]:
    """The findings of all scanners, joined."""
    names = {item.opinion.scanner for item in findings}
    return merge(
        {n: report(n, *(item for item in findings if item.opinion.scanner == n)) for n in names}
    ).found


def ids(*findings: RawFinding) -> list[tuple[str, tuple[str, ...]]]:
    """Id and finders of the joined findings."""
    return [(item.id, item.found_by) for item in joined(*findings)]


def test_one_id_from_two_scanners() -> None:
    assert ids(finding("trivy", "CVE-1"), finding("grype", "CVE-1")) == [("CVE-1", ("grype", "trivy"))]


def test_an_advisory_on_several_is_no_disagreement_with_each_of_them() -> None:
    """Grype goes by the advisories of Oracle and Amazon, and Trivy by what they fix."""
    advisory = finding("grype", "ELSA-1", "CVE-1", "CVE-2")
    found = joined(finding("trivy", "CVE-1"), finding("trivy", "CVE-3"), advisory)
    assert [(one.id, one.found_by, one.named_by, one.known_to) for one in found] == [
        ("CVE-1", ("trivy",), ("grype",), ("grype", "trivy")),
        ("CVE-3", ("trivy",), (), ("trivy",)),
        ("ELSA-1", ("grype",), ("trivy",), ("grype", "trivy")),
    ]
    other = finding("trivy", "CVE-1", purl="pkg:deb/debian/other@1", version="1")
    assert [one.named_by for one in joined(other, advisory)] == [(), ()]


def test_what_only_one_found_stays() -> None:
    assert ids(finding("trivy", "CVE-1"), finding("grype", "CVE-2")) == [
        ("CVE-1", ("trivy",)),
        ("CVE-2", ("grype",)),
    ]


def test_a_cve_and_its_ghsa() -> None:
    (found,) = joined(finding("trivy", "CVE-1", "GHSA-a"), finding("grype", "GHSA-a", "CVE-1"))
    assert (found.id, found.aliases, found.found_by) == ("CVE-1", ("GHSA-a",), ("grype", "trivy"))


def test_aliases_join_over_a_third() -> None:
    (found,) = joined(
        finding("trivy", "PYSEC-1", "GHSA-a"),
        finding("grype", "GO-1", "GHSA-a"),
        finding("grype", "CVE-1", "GO-1"),
    )
    assert (found.id, len(found.opinions)) == ("CVE-1", 3)


def test_without_a_cve_the_first_id_names_it() -> None:
    assert ids(finding("trivy", "PYSEC-1", "GHSA-a"), finding("grype", "GHSA-a")) == [
        ("GHSA-a", ("grype", "trivy"))
    ]


def test_a_cve_that_is_only_an_alias_names_it() -> None:
    assert ids(finding("grype", "GHSA-a", "CVE-1")) == [("CVE-1", ("grype",))]


def test_an_advisory_of_many_joins_nothing() -> None:
    found = joined(
        finding("trivy", "CVE-1", "DSA-5"),
        finding("trivy", "CVE-2", "DSA-5"),
        finding("grype", "CVE-1", "DSA-5"),
    )
    assert [(item.id, item.aliases, item.found_by) for item in found] == [
        ("CVE-1", ("DSA-5",), ("grype", "trivy")),
        ("CVE-2", ("DSA-5",), ("trivy",)),
    ]


def test_an_advisory_of_several_cves_is_a_finding_of_its_own() -> None:
    found = ids(
        finding("grype", "ELSA-1", "CVE-1", "CVE-2"),
        finding("trivy", "CVE-1", "ELSA-1"),
        finding("trivy", "CVE-2", "ELSA-1"),
    )
    assert found == [("CVE-1", ("trivy",)), ("CVE-2", ("trivy",)), ("ELSA-1", ("grype",))]


def test_an_advisory_of_one_cve_is_that_cve() -> None:
    found = ids(finding("grype", "ALAS-1", "CVE-1"), finding("trivy", "CVE-1", "ALAS-1"))
    assert found == [("CVE-1", ("grype", "trivy"))]


def test_two_cves_are_never_joined() -> None:
    found = joined(finding("trivy", "CVE-1", "GHSA-a"), finding("grype", "CVE-2", "GHSA-a"))
    assert [item.id for item in found] == ["CVE-1", "CVE-2"]
    (linked, other) = joined(finding("trivy", "CVE-1", "CVE-2"), finding("grype", "CVE-2"))
    assert (linked.id, other.id) == ("CVE-1", "CVE-2")


def test_packages_are_kept_apart() -> None:
    found = joined(
        finding("trivy", "CVE-1"),
        finding("grype", "CVE-1", purl="pkg:deb/debian/openssl@3.0.9-1"),
        finding("grype", "CVE-1", version="3.0.10-1"),
    )
    assert [(item.package_name, item.package_version) for item in found] == [
        ("libssl3", "3.0.10-1"),
        ("libssl3", "3.0.9-1"),
        ("openssl", "3.0.9-1"),
    ]


def test_qualifiers_and_spelling_do_not_matter() -> None:
    (found,) = joined(
        finding("trivy", "CVE-1", purl="pkg:pypi/jinja2@3.1.2"),
        finding("grype", "CVE-1", purl="pkg:pypi/Jinja2@3.1.2?x=y"),
    )
    assert (found.package_type, found.package_name, found.purl) == (
        "pypi",
        "jinja2",
        "pkg:pypi/jinja2@3.0.9-1",
    )


def test_places_are_taken_for_the_same_where_each_names_one() -> None:
    (found,) = joined(
        finding("trivy", "CVE-1", layer="sha256:1"),
        finding("grype", "CVE-1", path="/var/lib/dpkg/status", layer="sha256:1"),
    )
    assert (found.path, found.layer) == ("/var/lib/dpkg/status", "sha256:1")


def test_two_copies_are_two_findings() -> None:
    found = joined(
        finding("trivy", "CVE-1", path="/a"),
        finding("trivy", "CVE-1", path="/b"),
        finding("grype", "CVE-1", path="/a"),
        finding("grype", "CVE-1", path="/b"),
    )
    assert [(item.path, item.found_by) for item in found] == [
        ("/a", ("grype", "trivy")),
        ("/b", ("grype", "trivy")),
    ]


def test_two_architectures_of_one_package_are_one_finding() -> None:
    (found,) = joined(
        finding("trivy", "CVE-1", purl=f"{LIBSSL}?arch=amd64"),
        finding("trivy", "CVE-1", purl=f"{LIBSSL}?arch=i386"),
    )
    assert len(found.opinions) == 2


def test_nothing_is_nothing() -> None:
    assert merge({}).found == ()
    assert merge({"trivy": report("trivy")}).found == ()


IDS = st.sampled_from(
    ["CVE-1", "CVE-2", "CVE-3", "GHSA-a", "GHSA-b", "GO-1", "PYSEC-1", "DSA-1", "ELSA-1", "odd"]
)
FINDINGS = st.lists(
    st.builds(
        lambda scanner, id_, aliases, purl, path: finding(
            scanner, id_, *sorted(aliases - {id_}), purl=purl, path=path
        ),
        st.sampled_from(["trivy", "grype"]),
        IDS,
        st.frozensets(IDS, max_size=3),
        st.sampled_from([LIBSSL, "pkg:npm/a@1", ""]),
        st.sampled_from(["", "/a", "/b"]),
    ),
    max_size=12,
)


@given(FINDINGS)
def test_every_finding_is_in_exactly_one_joined_finding(findings: list[RawFinding]) -> None:
    went_in = Counter(id(item.opinion) for item in findings)
    came_out = Counter(id(opinion) for item in joined(*findings) for opinion in item.opinions)
    assert came_out == went_in


@given(FINDINGS)
def test_no_joined_finding_holds_two_cves(findings: list[RawFinding]) -> None:
    for item in joined(*findings):
        assert len({opinion.id for opinion in item.opinions if opinion.id.startswith("CVE-")}) <= 1


@given(FINDINGS, st.randoms())
def test_the_order_of_findings_does_not_matter(findings: list[RawFinding], random: Any) -> None:
    def summary(items: list[RawFinding]) -> list[Any]:
        return [(f.id, f.aliases, f.purl, f.path, f.found_by, len(f.opinions)) for f in joined(*items)]

    shuffled = findings.copy()
    random.shuffle(shuffled)
    assert summary(shuffled) == summary(findings)


def parts(found: tuple[Vulnerability, ...]) -> list[Any]:
    """All that joining decides, without the order of opinions that say exactly the same."""
    return [
        (f.id, f.aliases, f.package_type, f.package_name, f.package_version, f.purl, f.path, f.layer, sorted(map(repr, f.opinions)))
        for f in found
    ]  # fmt: skip


@given(FINDINGS, st.randoms())
def test_neither_the_order_of_reports_nor_of_findings_matters(
    findings: list[RawFinding], random: Any
) -> None:
    def reports(items: list[RawFinding], names: list[str]) -> dict[str, ScannerReport]:
        return {name: report(name, *(f for f in items if f.opinion.scanner == name)) for name in names}

    shuffled = findings.copy()
    random.shuffle(shuffled)
    one = merge(reports(findings, ["trivy", "grype"])).found
    other = merge(reports(shuffled, ["grype", "trivy"])).found
    assert parts(one) == parts(other)


@given(FINDINGS)
def test_what_is_reported_twice_is_twice_in_the_same_finding(findings: list[RawFinding]) -> None:
    once, twice = joined(*findings), joined(*findings, *findings)
    assert [(f.id, f.aliases, f.purl, f.path) for f in once] == [
        (f.id, f.aliases, f.purl, f.path) for f in twice
    ]
    assert [2 * len(f.opinions) for f in once] == [len(f.opinions) for f in twice]


@given(FINDINGS)
def test_joining_again_changes_nothing(findings: list[RawFinding]) -> None:
    once = joined(*findings)
    assert parts(joined(*(again for f in once for again in raw(f)))) == parts(once)


def raw(found: Vulnerability) -> list[RawFinding]:
    """What scanners would have to report for this finding alone."""
    package = found.package_type, found.package_name, found.package_version, found.purl
    return [RawFinding(*package, opinion, layer=found.layer, path=found.path) for opinion in found.opinions]


@pytest.mark.slow
@pytest.mark.parametrize("count", [20_000])
def test_many_findings_take_no_time(count: int) -> None:
    findings = [finding("trivy", f"CVE-{number}") for number in range(count)]
    findings += [finding("grype", f"GHSA-{number}", f"CVE-{number}") for number in range(count)]
    began = datetime.now(UTC)
    assert len(joined(*findings)) == count
    assert (datetime.now(UTC) - began).total_seconds() < 20
