"""Where package databases are, and that each is read by what reads its format."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate.errors import MalformedImage
from gate.packages import DatabaseFile, DatabaseFormat
from gate.packages.formats import FORMATS


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("var/lib/dpkg/status", "dpkg-status"),
        ("var/lib/dpkg/updates/0001", "dpkg-status"),
        ("usr/lib/dpkg/status.d/libc6", "dpkg-status.d"),
        ("usr/lib/opkg/status", "opkg-status"),
        ("lib/apk/db/installed", "apk"),
        ("usr/lib/apk/db/installed", "apk"),
        ("lib/apk/db-uvol/installed", "apk"),
        ("var/lib/rpm/rpmdb.sqlite", "rpm-sqlite"),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", "rpm-sqlite"),
        ("usr/lib/sysimage/rpm/Packages.db", "rpm-ndb"),
        ("var/lib/rpm/Packages", "rpm-bdb"),
        ("var/lib/rpmmanifest/container-manifest-2", "rpm-manifest"),
        ("var/lib/pacman/local/bash-5.2.026-2/desc", "pacman"),
    ],
)
def test_paths(path: str, name: str) -> None:
    assert [kind.name for kind in FORMATS if kind.reads(path)] == [name]


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/updates/tmp.i",
        "opt/var/lib/dpkg/status",
        "usr/lib/apk/db/installed.new",
        "var/lib/pacman/local/bash-5.2.026-2/files",
        "var/lib/pacman/local/ALPM_DB_VERSION",
    ],
)
def test_files_that_are_no_databases(path: str) -> None:
    assert not any(kind.reads(path) for kind in FORMATS)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_what_reads_a_format_is_there(kind: DatabaseFormat) -> None:
    with pytest.raises(MalformedImage, match="the package database /x cannot be read"):
        kind.parse(DatabaseFile("x", b"\0"))


def test_only_the_readers_of_formats_that_are_met_are_imported() -> None:
    code = (
        "import sys; from gate.packages.inventory import read_inventory\n"
        "found = read_inventory({'lib/apk/db/installed': b'P:musl\\nV:1.2.5-r0\\nA:x86_64\\n\\n'})\n"
        "assert [package.name for package in found.packages] == ['musl'], found\n"
        "print(*sorted(name for name in sys.modules if name.startswith('gate.packages.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        f"gate.packages.{name}" for name in ("apk", "formats", "identity", "inventory", "os_release")
    ]
