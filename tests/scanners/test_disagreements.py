"""Why one scanner has a finding that the other has not: every reason there is, and that none is made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.evidence import ScannedPackage, Vulnerability
from gate.scanners.disagreements import reasons
from tests.kit.vulnerabilities import BUILT, opinion, scan_run, vulnerability

LIBSSL = ScannedPackage("deb", "libssl3", "3.0.9-1", "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64")
FOUND = vulnerability(opinion())


def why(*others: Vulnerability, packages: tuple[ScannedPackage, ...] = (LIBSSL,), **changes: Any) -> str:
    """Why Grype, which saw these packages, does not have what Trivy found."""
    built: datetime = changes.pop("built", BUILT)
    grype = replace(scan_run("grype", *packages, built=built), **changes)
    (first, *_) = reasons((FOUND, *others), {"trivy": scan_run("trivy", LIBSSL), "grype": grype})
    assert list(first) == ["grype"]
    return first["grype"]


def test_the_package_was_not_seen() -> None:
    assert why(packages=()) == "it did not see the package"


@pytest.mark.parametrize(
    ("path", "packages", "whose"),
    [
        ("/usr/bin/tool", (LIBSSL,), True),
        ("/app/tool", (LIBSSL,), False),
        ("/usr/bin/tool", (), False),
        ("", (LIBSSL,), False),
    ],
)
def test_what_the_distribution_may_own(path: str, packages: tuple[ScannedPackage, ...], whose: bool) -> None:
    found = vulnerability(opinion(), package_type="golang", package_name="stdlib", path=path)
    (first,) = reasons((found,), {"trivy": scan_run("trivy"), "grype": scan_run("grype", *packages)})
    assert first["grype"].startswith("it did not see the package")
    assert ("the distribution's advisories count for it" in first["grype"]) is whose


def test_it_has_it_under_another_id() -> None:
    (first,) = reasons(
        (replace(FOUND, named_by=("grype",)),), {"trivy": scan_run("trivy"), "grype": scan_run("grype")}
    )
    assert first == {"grype": "it has it under another id, of an advisory on several or of one of those"}


def test_the_package_was_seen_as_another_version() -> None:
    other = replace(LIBSSL, version="3.0.8-1")
    assert why(packages=(other,)) == "it saw the package as 3.0.8-1"
    many = tuple(replace(LIBSSL, version=str(number)) for number in range(1, 6))
    assert why(packages=many) == "it saw the package as 1, 2, 3, …"


def test_the_database_has_nothing_for_the_type() -> None:
    assert why(uncovered=("debian 12", "deb")) == "its database holds no advisories for deb"


def test_it_has_it_in_another_package() -> None:
    other = vulnerability(
        opinion(scanner="grype", fixed_versions=("3.0.10-1",)),
        package_name="openssl",
        package_version="3.0.10-1",
    )
    assert why(other) == (
        "it has it in openssl 3.0.10-1, fixed in 3.0.10-1, and takes this one for not affected"
    )
    unfixed = vulnerability(opinion(scanner="grype", fixed_versions=()), package_name="openssl")
    assert why(unfixed) == "it has it in openssl 3.0.9-1, and takes this one for not affected"


@pytest.mark.parametrize(
    ("published", "days", "expected"),
    [
        (
            "2026-11-22T10:00:00Z",
            2,
            "its database is of 2026-11-21, from before the publication on 2026-11-22",
        ),
        (
            "2023-10-25T10:00:00Z",
            2,
            "its database is of 2026-11-21, older than that of 2026-11-23, which lists it",
        ),
        ("", 1, "its database is of 2026-11-22, older than that of 2026-11-23, which lists it"),
        ("no date", 0, "it saw the package and does not list this for it; why cannot be told"),
        ("", 0.5, "it saw the package and does not list this for it; why cannot be told"),
        ("", -3, "it saw the package and does not list this for it; why cannot be told"),
    ],
)
def test_the_database_is_older(published: str, days: float, expected: str) -> None:
    found = vulnerability(opinion(published=published))
    grype = scan_run("grype", LIBSSL, built=BUILT - timedelta(days=days))
    assert reasons((found,), {"trivy": scan_run("trivy", LIBSSL), "grype": grype}) == [{"grype": expected}]


def test_where_all_agree_there_is_nothing_to_say() -> None:
    both = vulnerability(opinion(), opinion(scanner="grype"))
    runs = {name: scan_run(name) for name in ("trivy", "grype")}
    assert reasons((both, both), runs) == [{}, {}]
    assert reasons((), runs) == []
    assert reasons((FOUND,), {"trivy": scan_run("trivy")}) == [{}]


def test_a_package_is_the_same_however_a_scanner_writes_it() -> None:
    found = vulnerability(
        opinion(), package_type="golang", package_name="golang.org/x/net", package_version="0.7.0"
    )
    package = ScannedPackage("golang", "golang.org/x/net", "v0.7.0", "pkg:golang/golang.org/x/net@v0.7.0")
    runs = {"trivy": scan_run("trivy", package), "grype": scan_run("grype", package)}
    assert reasons((found,), runs)[0]["grype"].endswith("why cannot be told")


TEXT = st.sampled_from(
    ["", "1", "3.0.9-1", "libssl3", "deb", "pkg:deb/debian/libssl3@3.0.9-1", "pkg:x", "\x1b", "%"]
)


@given(
    st.lists(st.builds(ScannedPackage, TEXT, TEXT, TEXT, TEXT), max_size=4),
    st.lists(st.sampled_from([("trivy",), ("grype",), ("grype", "trivy")]), max_size=4),
    TEXT,
)
def test_each_scanner_that_lacks_a_finding_has_one_reason(
    packages: list[ScannedPackage], finders: list[tuple[str, ...]], published: str
) -> None:
    found = [
        vulnerability(*(opinion(scanner=name, published=published) for name in names)) for names in finders
    ]
    runs = {"trivy": scan_run("trivy", *packages), "grype": scan_run("grype", *packages)}
    for one, missing in zip(found, reasons(found, runs), strict=True):
        assert missing.keys() == runs.keys() - set(one.found_by)
        assert all(missing.values())
