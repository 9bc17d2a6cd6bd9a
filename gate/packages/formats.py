"""The formats of package databases: where each keeps its files.

Apart from what reads them, because every layer pass needs to know the places, and few images have files at all of them.
"""

from __future__ import annotations

import re

from gate.packages import DatabaseFormat


def _rpm(file_name: str) -> frozenset[str]:
    """Return where distributions keep an rpm database file.

    `var/lib/rpm` everywhere once, `usr/lib/sysimage/rpm` in Fedora 36+, RHEL 10, SUSE and Photon, `usr/share/rpm` in ostree.
    """
    return frozenset(
        f"{home}/{file_name}" for home in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
    )


DPKG_STATUS = DatabaseFormat(
    "dpkg-status",
    "deb",
    "dpkg.parse_status",
    # The journal: what an interrupted dpkg run did and has not merged yet; dpkg reads it with the status file.
    paths=frozenset({"var/lib/dpkg/status", "usr/lib/dpkg/status"}),
    directories=("var/lib/dpkg/updates/",),
    member=re.compile(r"[0-9]+"),
)
DPKG_STATUS_D = DatabaseFormat(
    "dpkg-status.d",
    "deb",
    "dpkg.parse_status_d",
    directories=("var/lib/dpkg/status.d/", "usr/lib/dpkg/status.d/"),
)
_OPKG = DatabaseFormat(
    "opkg-status",
    "opkg",
    "dpkg.parse_opkg",
    paths=frozenset({"var/lib/opkg/status", "usr/lib/opkg/status"}),
)
APK = DatabaseFormat(
    "apk",
    "apk",
    "apk.parse",
    # Wolfi and Chainguard have merged /lib into /usr; db-uvol is OpenWrt's second layer of the same database.
    paths=frozenset(
        {
            "lib/apk/db/installed",
            "usr/lib/apk/db/installed",
            "lib/apk/db-uvol/installed",
            "usr/lib/apk/db-uvol/installed",
        }
    ),
)
RPM_SQLITE = DatabaseFormat(
    "rpm-sqlite", "rpm", "rpm_sqlite.parse", paths=_rpm("rpmdb.sqlite"), beside=("-wal", "-journal")
)
RPM_NDB = DatabaseFormat("rpm-ndb", "rpm", "rpm_ndb.parse", paths=_rpm("Packages.db"))
RPM_BDB = DatabaseFormat("rpm-bdb", "rpm", "rpm_bdb.parse", paths=_rpm("Packages"))
_RPM_MANIFEST = DatabaseFormat(
    "rpm-manifest", "rpm", "rpm_manifest.parse", paths=frozenset({"var/lib/rpmmanifest/container-manifest-2"})
)
_PACMAN = DatabaseFormat(
    "pacman",
    "alpm",
    "pacman.parse",
    directories=("var/lib/pacman/local/",),
    member=re.compile(r"[^/]+/desc"),
)

FORMATS: tuple[DatabaseFormat, ...] = (
    DPKG_STATUS,
    DPKG_STATUS_D,
    _OPKG,
    APK,
    RPM_SQLITE,
    RPM_NDB,
    RPM_BDB,
    _RPM_MANIFEST,
    _PACMAN,
)

SYSTEM_TYPES: frozenset[str] = frozenset(kind.package_type for kind in FORMATS)
"""Packages of distributions: an image has one, so its name tells nothing, and scanners spell it differently."""
