"""All databases together: nothing is lost in silence."""

from __future__ import annotations

import pytest

from gate.errors import IntegrityError, Unavailable
from gate.packages.formats import FORMATS
from gate.packages.inventory import (
    DATABASE_DIRECTORIES,
    DATABASE_PATHS,
    READS,
    Inventory,
    format_of,
    read_inventory,
)
from tests.packages.databases import (
    apk_installed,
    deb822,
    rpm_bdb,
    rpm_ndb,
    rpm_package,
    rpm_sqlite,
    written_by_rpm,
)

STATUS = deb822([{"Package": "bash", "Version": "5.2"}, {"Package": "libc6", "Version": "2.36"}])
DEBIAN = b"ID=debian\nVERSION_ID=12\n"
OPENSSL = b"Package: openssl\nVersion: 3.0\n"
DESC = b"%NAME%\nbash\n\n%VERSION%\n5-1\n"
MANIFEST = b"bash\t5-1\t1\t1\tx\t(none)\t1\tx86_64\t0\tbash-5-1.src.rpm\n"


def names(inventory: Inventory) -> list[str]:
    return [package.name for package in inventory.packages]


def test_nothing() -> None:
    assert read_inventory({}) == Inventory()
    assert read_inventory({}).complete().packages == ()


def test_debian() -> None:
    inventory = read_inventory({"usr/lib/os-release": DEBIAN, "var/lib/dpkg/status": STATUS})
    assert names(inventory.complete()) == ["bash", "libc6"]
    assert inventory.os_release is not None
    assert inventory.os_release.id == "debian"
    (database,) = inventory.databases
    assert (database.format, database.package_type, database.path) == (
        "dpkg-status",
        "deb",
        "var/lib/dpkg/status",
    )


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("var/lib/dpkg/status", STATUS, "dpkg-status"),
        ("var/lib/dpkg/updates/0001", STATUS, "dpkg-status"),
        ("var/lib/dpkg/status.d/bash", STATUS, "dpkg-status.d"),
        ("usr/lib/opkg/status", STATUS, "opkg-status"),
        ("lib/apk/db/installed", apk_installed([[("P", "bash"), ("V", "5")]]), "apk"),
        ("usr/lib/apk/db/installed", apk_installed([[("P", "bash"), ("V", "5")]]), "apk"),
        ("var/lib/rpm/rpmdb.sqlite", rpm_sqlite([rpm_package()]), "rpm-sqlite"),
        ("usr/lib/sysimage/rpm/Packages.db", rpm_ndb([rpm_package()]), "rpm-ndb"),
        ("usr/share/rpm/Packages", rpm_bdb([rpm_package()]), "rpm-bdb"),
        ("var/lib/rpmmanifest/container-manifest-2", MANIFEST, "rpm-manifest"),
        ("var/lib/pacman/local/bash-5-1/desc", DESC, "pacman"),
    ],
)
def test_every_format_is_found_by_its_path(path: str, content: bytes, kind: str) -> None:
    inventory = read_inventory({path: content}).complete()
    assert names(inventory)[0] == "bash"
    assert inventory.databases[0].format == kind
    assert path in DATABASE_PATHS or path.startswith(DATABASE_DIRECTORIES)


def test_distroless() -> None:
    inventory = read_inventory(
        {
            "var/lib/dpkg/status": b"",
            "var/lib/dpkg/status.d/openssl": OPENSSL,
            "var/lib/dpkg/status.d/openssl.md5sums": b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/openssl",
            "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 1\n",
        }
    )
    assert names(inventory.complete()) == ["openssl", "tzdata"]


def test_journal_is_read_with_the_status_file() -> None:
    inventory = read_inventory({"var/lib/dpkg/status": STATUS, "var/lib/dpkg/updates/0000": OPENSSL})
    assert sorted(names(inventory)) == ["bash", "libc6", "openssl"]


def test_a_package_in_two_databases_is_listed_once() -> None:
    inventory = read_inventory({"var/lib/dpkg/status": STATUS, "var/lib/dpkg/status.d/bash": STATUS})
    assert names(inventory) == ["bash", "libc6"]


def test_write_ahead_log_is_found_beside_its_database() -> None:
    contents = {
        "var/lib/rpm/rpmdb.sqlite": written_by_rpm("rpmdb.sqlite"),
        "var/lib/rpm/rpmdb.sqlite-wal": written_by_rpm("rpmdb.sqlite-wal"),
    }
    assert contents.keys() <= DATABASE_PATHS
    assert "delta.x" not in names(read_inventory(contents).complete())
    del contents["var/lib/rpm/rpmdb.sqlite-wal"]
    assert "delta.x" in names(read_inventory(contents).complete())


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("var/lib/dpkg/status", b"Package: a\n"),
        ("lib/apk/db/installed", b"P:a\n"),
        ("var/lib/rpm/rpmdb.sqlite", b""),
        ("var/lib/rpm/rpmdb.sqlite", b"\x01garbage" * 1_000),
        ("var/lib/rpm/Packages.db", b"\x01garbage" * 1_000),
        ("var/lib/rpm/Packages", b"\x01garbage" * 1_000),
        ("etc/os-release", b"ID=a\nID=b\n"),
    ],
)
def test_what_cannot_be_read_is_a_problem(path: str, content: bytes) -> None:
    inventory = read_inventory({path: content, "var/lib/dpkg/status.d/openssl": OPENSSL})
    assert names(inventory) == ["openssl"]
    assert [problem.path for problem in inventory.problems] == [path]
    with pytest.raises(IntegrityError, match=path):
        inventory.complete()


def test_what_was_not_kept_is_a_problem() -> None:
    not_kept = Unavailable("too large")
    for path in ("var/lib/dpkg/status", "etc/os-release"):
        assert [problem.error for problem in read_inventory({path: not_kept}).problems] == [not_kept]
    log: dict[str, bytes | Unavailable] = {
        "var/lib/rpm/rpmdb.sqlite": rpm_sqlite([]),
        "var/lib/rpm/rpmdb.sqlite-wal": not_kept,
    }
    assert [problem.error for problem in read_inventory(log).problems] == [not_kept]


def test_integrity_errors_come_first() -> None:
    inventory = read_inventory({"etc/os-release": Unavailable("x"), "var/lib/dpkg/status": b"x"})
    assert type(inventory.problems[0].error) is Unavailable
    with pytest.raises(IntegrityError):
        inventory.complete()


def test_etc_os_release_is_the_one_that_counts() -> None:
    inventory = read_inventory({"usr/lib/os-release": b"ID=wolfi\n", "etc/os-release": DEBIAN})
    assert inventory.os_release is not None
    assert inventory.os_release.id == "debian"
    assert inventory.contradictions == ("/etc/os-release says debian 12 but /usr/lib/os-release says wolfi",)


def test_identity_is_compared_with_the_packages() -> None:
    inventory = read_inventory({"etc/os-release": b"ID=wolfi\n", "var/lib/dpkg/status": STATUS})
    assert "lists 2 deb packages" in inventory.contradictions[0]


def test_packages_with_a_file_list_that_status_does_not_name() -> None:
    removed = b"Package: old\nStatus: deinstall ok config-files\n"
    paths = [f"var/lib/dpkg/info/{name}.list" for name in ("bash", "libc6:amd64", "openssl:amd64", "old")]
    paths += ["var/lib/dpkg/info/vim.md5sums", "var/lib/dpkg/info/format", "var/lib/dpkg/status"]
    contents = {"var/lib/dpkg/status": STATUS + removed}
    assert read_inventory(contents, paths).unlisted == ("openssl",)
    assert read_inventory({}, paths).unlisted == ("bash", "libc6", "old", "openssl")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("var/db/pkg/app-shells/bash-5.2/PF", "portage"),
        ("var/db/xbps/pkgdb-0.38.plist", "xbps"),
        ("var/lib/pkgtools/packages/bash-5.2-x86_64-1", "slackware"),
        ("var/log/packages/bash-5.2-x86_64-1", "slackware"),
        ("nix/var/nix/db/db.sqlite", "nix"),
        ("var/guix/db/db.sqlite", "guix"),
        ("var/lib/chisel/manifest.wall", "chisel"),
        ("home/linuxbrew/.linuxbrew/Cellar/jq/1.7/INSTALL_RECEIPT.json", "homebrew"),
    ],
)
def test_databases_that_are_not_read_are_named(path: str, name: str) -> None:
    assert read_inventory({}, [path, path + "2", "home/user/file"]).unread == ((name, path),)


def test_other_files_are_passed_over() -> None:
    contents = {
        "etc/passwd": b"root",
        "var/lib/dpkg/updates/tmp.i": b"#",
        "var/lib/pacman/local/x/mtree": b"#",
    }
    assert read_inventory(contents) == Inventory()


def test_formats_are_told_apart() -> None:
    for path in DATABASE_PATHS:
        assert sum(kind.reads(path) for kind in FORMATS) == (0 if path.endswith(("-wal", "-journal")) else 1)
    assert format_of("etc/passwd") is None
    assert {"etc/os-release", "usr/lib/os-release"} <= READS
