"""Whether what an image says it is agrees with the packages it has.

Scanners choose their data by os-release alone: Debian packages under `ID=wolfi`, or under another `VERSION_ID`, are
looked up where nothing is known of them, and the scan is clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from gate.packages import PackageDatabase
from gate.packages.os_release import OsRelease

_IDS = {
    "deb": "debian ubuntu raspbian devuan kali linuxmint pop elementary neon zorin parrot deepin pureos",
    "apk": "alpine wolfi chainguard alpaquita minimos postmarketos",
    "rpm": "rhel centos fedora rocky almalinux ol amzn sles sled sle_hpc sl-micro opensuse opensuse-leap opensuse-tumbleweed "
    "opensuse-microos suse photon mariner azurelinux openeuler anolis alinux tencentos mageia scientific cloudlinux virtuozzo",
    "alpm": "arch archarm manjaro endeavouros",
    "opkg": "openwrt",
}
_TYPE_BY_ID = {identity: package_type for package_type, ids in _IDS.items() for identity in ids.split()}

_RELEASE_PACKAGES = {
    "debian": ("base-files",),
    "raspbian": ("base-files",),
    "alpine": ("alpine-release",),
    "fedora": ("fedora-release-common",),
    "rhel": ("redhat-release",),
    "centos": ("centos-stream-release", "centos-release"),
    "rocky": ("rocky-release",),
    "almalinux": ("almalinux-release",),
    "ol": ("oraclelinux-release",),
    "amzn": ("system-release",),
    "photon": ("photon-release",),
    "mariner": ("mariner-release",),
    "azurelinux": ("azurelinux-release",),
    "sles": ("sles-release",),
    "opensuse-leap": ("openSUSE-release",),
}
"""Packages whose version begins with the number of the release that they are made for."""

_MAJOR = re.compile(r"(?:[0-9]+:)?([0-9]+)")
_MAJOR_MINOR = re.compile(r"([0-9]+(?:\.[0-9]+)?)")


def package_type_of(os_release: OsRelease) -> str | None:
    """Return the purl type of the packages that a distribution uses, by its `ID`, else `ID_LIKE`; None if unknown."""
    found = (_TYPE_BY_ID.get(identity) for identity in (os_release.id, *os_release.id_like))
    return next((package_type for package_type in found if package_type), None)


def contradictions(
    os_releases: Mapping[str, OsRelease], databases: Iterable[PackageDatabase]
) -> Iterator[str]:
    """Yield one sentence for each way in which os-release contradicts the packages, or one os-release the other."""
    claims = {(found.id, found.version_id): path for path, found in os_releases.items()}
    if len(claims) > 1:
        yield " but ".join(f"/{path} says {_named(*claim)}" for claim, path in claims.items())
    databases = tuple(databases)
    for path, os_release in os_releases.items():
        expected = package_type_of(os_release)
        for database in databases:
            if expected and database.packages and database.package_type != expected:
                yield (
                    f"/{path} says {_named(os_release.id, os_release.version_id)}, whose packages are {expected}, but "
                    f"/{database.path} lists {len(database.packages)} {database.package_type} packages"
                )
        yield from _other_release(path, os_release, databases)


def _other_release(path: str, os_release: OsRelease, databases: Iterable[PackageDatabase]) -> Iterator[str]:
    names = _RELEASE_PACKAGES.get(os_release.id, ())
    pattern = _MAJOR_MINOR if os_release.id == "alpine" else _MAJOR
    claimed = pattern.match(os_release.version_id)
    if claimed is None:  # rolling releases state none
        return
    for database in databases:
        for package in database.packages:
            if package.name not in names:
                continue
            installed = pattern.match(package.version)
            if installed is not None and installed[1] != claimed[1]:
                yield (
                    f"/{path} says {_named(os_release.id, os_release.version_id)}, but the package "
                    f"{package.name} {package.version} is of release {installed[1]}"
                )


def _named(identity: str, version: str) -> str:
    return f"{identity} {version}".strip()
