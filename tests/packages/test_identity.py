"""os-release against the packages that are there."""

from __future__ import annotations

import pytest

from gate.packages import Package, PackageDatabase
from gate.packages.identity import contradictions, package_type_of
from gate.packages.os_release import OsRelease


def found(os_release: OsRelease, *packages: Package, kind: str = "deb") -> list[str]:
    databases = [PackageDatabase("x", kind, "var/lib/x", packages)] if packages else []
    return list(contradictions({"etc/os-release": os_release}, databases))


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        (OsRelease("debian"), "deb"),
        (OsRelease("wolfi"), "apk"),
        (OsRelease("rhel"), "rpm"),
        (OsRelease("opensuse-leap"), "rpm"),
        (OsRelease("acme", ("acmeos", "ubuntu", "debian")), "deb"),
        (OsRelease("acme"), None),
        (OsRelease(), None),
    ],
)
def test_package_type(os_release: OsRelease, expected: str | None) -> None:
    assert package_type_of(os_release) == expected


def test_agreeing() -> None:
    assert found(OsRelease("debian", version_id="12"), Package("deb", "base-files", "12.4+deb12u5")) == []
    assert found(OsRelease("debian", version_id="12")) == []


def test_packages_of_another_distribution() -> None:
    assert found(OsRelease("wolfi", version_id="20230201"), Package("deb", "bash", "5")) == [
        "/etc/os-release says wolfi 20230201, whose packages are apk, but /var/lib/x lists 1 deb packages"
    ]


def test_unknown_distribution_contradicts_nothing() -> None:
    assert found(OsRelease("acme"), Package("deb", "bash", "5")) == []


@pytest.mark.parametrize(
    ("identity", "claimed", "package", "kind", "contradicts"),
    [
        ("debian", "13", Package("deb", "base-files", "12.4+deb12u5"), "deb", True),
        ("debian", "", Package("deb", "base-files", "13.5"), "deb", False),
        ("ubuntu", "22.04", Package("deb", "base-files", "12ubuntu4.6"), "deb", False),
        ("alpine", "3.20.3", Package("apk", "alpine-release", "3.20.2-r0"), "apk", False),
        ("alpine", "3.21.0", Package("apk", "alpine-release", "3.20.2-r0"), "apk", True),
        ("rhel", "9.4", Package("rpm", "redhat-release", "9.3-0.5.el9"), "rpm", False),
        ("rhel", "9.4", Package("rpm", "redhat-release", "8.9-0.1.el8"), "rpm", True),
        ("amzn", "2023", Package("rpm", "system-release", "2023.5.20240624-0.amzn2023"), "rpm", False),
        ("centos", "8", Package("rpm", "centos-release", "1:8.5-1"), "rpm", False),
        ("centos", "9", Package("rpm", "centos-release", "1:8.5-1"), "rpm", True),
    ],
)
def test_release(identity: str, claimed: str, package: Package, kind: str, contradicts: bool) -> None:
    sentences = found(OsRelease(identity, version_id=claimed), package, kind=kind)
    assert bool(sentences) is contradicts
    assert not sentences or f"the package {package.name} {package.version} is of release" in sentences[0]


def test_two_files_that_differ() -> None:
    both = {"etc/os-release": OsRelease("debian", version_id="12"), "usr/lib/os-release": OsRelease("wolfi")}
    assert list(contradictions(both, [])) == [
        "/etc/os-release says debian 12 but /usr/lib/os-release says wolfi"
    ]
    same = {
        "etc/os-release": OsRelease("debian", name="a"),
        "usr/lib/os-release": OsRelease("debian", name="b"),
    }
    assert list(contradictions(same, [])) == []
