from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.evidence import Database, ScanRun, ScanRuns, Subject
from gate.oci.descriptor import Digest, Platform
from gate.packages import Package, PackageDatabase
from gate.packages.inventory import Inventory, Problem
from gate.packages.os_release import OsRelease
from gate.rule import Finding, Remark
from gate.rules._releases import AS_OF, ENDS, NUMBERS, ROLLING, last_day, release_of
from gate.rules.eol_distribution import RULE, EolDistributionOptions, check

TODAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
PACKAGES = (PackageDatabase("dpkg-status", "deb", "var/lib/dpkg/status", (Package("deb", "a", "1"),)),)


def scanner(name: str, end_of_life: bool | None) -> ScanRun:
    database = Database("1", TODAY)
    return ScanRun(name, "1", "/x", "sha256:0", database, "sha256:0", "x", "1", end_of_life, (), (), 1.0)


def run(
    release: OsRelease | None, *, opinions: dict[str, bool | None] | None = None, days: int = 0, **more: Any
) -> list[Finding | Remark]:
    digest = Digest("sha256", "a" * 64)
    subject = Subject("image", "oci", digest, digest, Platform("linux", "amd64"), (), TODAY)
    runs: dict[str, ScanRun | Unavailable] = {
        name: scanner(name, said) for name, said in (opinions or {}).items()
    }
    inventory = Inventory(more.pop("databases", PACKAGES), release, **more)
    return list(check(subject, inventory, ScanRuns(runs), EolDistributionOptions(remaining_days=days)))


@pytest.mark.parametrize(
    ("identity", "version"),
    [
        ("debian", "12"), ("debian", "13"), ("ubuntu", "24.04"), ("ubuntu", "22.04"), ("alpine", "3.22.1"),
        ("alpine", "3.21.0"), ("rhel", "9.4"), ("rocky", "9.3"), ("almalinux", "8.10"), ("ol", "9.4"),
        ("amzn", "2023"), ("azurelinux", "3.0"), ("sles", "15.7"), ("opensuse-leap", "16.0"), ("fedora", "43"),
        ("centos", "9"), ("wolfi", "20230201"), ("opensuse-tumbleweed", "20261101"), ("chainguard", ""), ("arch", ""),
    ],
)  # fmt: skip
def test_a_supported_release_passes(identity: str, version: str) -> None:
    assert run(OsRelease(id=identity, version_id=version)) == []


@pytest.mark.parametrize(
    ("identity", "version", "end"),
    [
        ("debian", "11", "2026-08-31"), ("debian", "9", "2022-06-30"), ("ubuntu", "18.04", "2023-05-31"),
        ("ubuntu", "20.04", "2025-05-31"), ("alpine", "3.20.0", "2026-04-01"), ("alpine", "3.9.6", "2020-11-01"),
        ("rhel", "7.9", "2024-06-30"), ("centos", "7", "2024-06-30"), ("centos", "8", "2024-05-31"),
        ("fedora", "42", "2026-05-13"), ("amzn", "2", "2026-06-30"), ("amzn", "2018.03", "2023-12-31"),
        ("ol", "7.9", "2024-12-31"), ("sles", "15.6", "2025-12-31"), ("opensuse-leap", "15.6", "2026-04-30"),
        ("photon", "4.0", "2026-03-31"), ("mariner", "2.0", "2025-07-31"),
    ],
)  # fmt: skip
def test_a_release_past_its_end_is_a_finding(identity: str, version: str, end: str) -> None:
    (found,) = run(OsRelease(id=identity, version_id=version, pretty_name="The Name"))
    assert isinstance(found, Finding)
    assert found.message == f"The Name has had no security updates since {end}, by the table of {AS_OF}"
    assert found.details["end"] == end


def test_the_last_day_still_counts() -> None:
    release = OsRelease(id="alpine", version_id="3.21.0")
    assert last_day("alpine", "3.21.0") == date(2026, 12, 5)
    assert run(release, days=12) == []
    (found,) = run(release, days=13)
    assert isinstance(found, Finding)
    assert "alpine 3.21.0 gets security updates only until 2026-12-05" in found.message


def test_an_image_without_packages_and_release_passes() -> None:
    assert run(None, databases=()) == []


def test_packages_without_a_release_are_unknown() -> None:
    with pytest.raises(Unavailable, match="packages of a distribution and no os-release"):
        run(None)


@pytest.mark.parametrize("release", [OsRelease(id="acme", version_id="1"), OsRelease(id="debian", version_id="99"),
                                     OsRelease(id="debian"), OsRelease(id="photon", version_id="5.0"), OsRelease()])  # fmt: skip
def test_a_release_that_nobody_knows_is_unknown(release: OsRelease) -> None:
    nothing: list[dict[str, bool | None]] = [{}, {"trivy": False}, {"grype": None}]
    for opinions in nothing:
        with pytest.raises(Unavailable, match="gets updates is not known"):
            run(release, opinions=opinions)


def test_a_release_that_only_a_scanner_knows() -> None:
    (found,) = run(OsRelease(id="acme", version_id="1"), opinions={"trivy": True, "grype": True})
    assert isinstance(found, Finding)
    assert found.message == "acme 1 has reached its end of life, by grype and trivy"


def test_a_release_that_states_its_own_end() -> None:
    assert run(OsRelease(id="acme", support_end=date(2027, 1, 1))) == []
    (found,) = run(OsRelease(id="acme", support_end=date(2026, 1, 1)))
    assert isinstance(found, Finding)
    assert "SUPPORT_END in its os-release" in found.message


def test_the_table_goes_before_what_an_image_says_of_itself() -> None:
    (found,) = run(OsRelease(id="fedora", version_id="40", support_end=date(2099, 1, 1)))
    assert isinstance(found, Finding)


def test_a_scanner_that_thinks_otherwise_is_a_remark() -> None:
    (remark,) = run(OsRelease(id="debian", version_id="12"), opinions={"grype": True, "trivy": False})
    assert isinstance(remark, Remark)
    assert remark.message == (
        f"grype take debian 12 for unsupported; by the table of {AS_OF} it is until 2028-06-30"
    )


def test_a_scanner_that_failed_has_no_opinion() -> None:
    digest = Digest("sha256", "a" * 64)
    subject = Subject("image", "oci", digest, digest, Platform("linux", "amd64"), (), TODAY)
    runs = ScanRuns({"trivy": Unavailable("missing")})
    release = Inventory(PACKAGES, OsRelease(id="debian", version_id="12"))
    assert list(check(subject, release, runs, EolDistributionOptions())) == []


def test_an_os_release_that_cannot_be_read_is_unknown() -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        run(None, problems=(Problem("etc/os-release", Unavailable("/etc/os-release cannot be read")),))


@pytest.mark.parametrize(
    ("identity", "version", "expected"),
    [("debian", "12.5", "12"), ("alpine", "3.20.0", "3.20"), ("amzn", "2018.03", "1"), ("amzn", "2023", "2023"), ("x", "1.2.3", "1.2")],
)  # fmt: skip
def test_releases_by_version(identity: str, version: str, expected: str) -> None:
    assert release_of(identity, version) == expected


def test_the_table_is_well_formed() -> None:
    assert ENDS.keys() == NUMBERS.keys()
    assert not ENDS.keys() & ROLLING
    for identity, releases in ENDS.items():
        for release in releases:
            assert last_day(identity, release) is not None
            assert len(release.split(".")) <= NUMBERS[identity]


def test_the_rule_itself() -> None:
    assert RULE.id == "eol-distribution"
