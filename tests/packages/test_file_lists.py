"""Which files packages own, by the lists of dpkg, distroless, apk and rpm; and what holds where there are no lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.packages.file_lists import is_of_system, owned
from samples.images import alpine, debian
from samples.images.entries import Entry, directory, file, symbolic_link
from tests.kit import trees
from tests.packages.databases import rpm_bdb, rpm_files, rpm_ndb, rpm_package, rpm_sqlite

LIBC = debian.Package("libc6", "2.36-9")
DEBIAN = {**debian.release_files(), **debian.status_file((LIBC,))}
RECORD = {**debian.release_files(), **debian.status_directory((LIBC,))}
ALPINE = {**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)}


def listed(*paths: str) -> Mapping[str, Entry]:
    """Debian, with dpkg's list of these files."""
    return {**DEBIAN, "var/lib/dpkg/info/libc6:amd64.list": file("".join(f"{path}\n" for path in paths))}


def asked(root: Mapping[str, Entry], *paths: str) -> tuple[set[str], bool]:
    """Which of some paths packages own, and whether all lists were there."""
    tree = trees.filesystem(root)
    found = owned(tree, trees.inventory(tree), paths)
    return set(found.paths), found.complete


def test_dpkg() -> None:
    root = listed("/.", "/usr", "/usr/bin/ldd")
    assert asked(root, "/usr/bin/ldd", "/usr/bin/other") == ({"/usr/bin/ldd"}, True)


def test_a_list_without_the_architecture_in_its_name() -> None:
    root = {**DEBIAN, "var/lib/dpkg/info/libc6.list": file("/usr/bin/ldd\n")}
    assert asked(root, "/usr/bin/ldd") == ({"/usr/bin/ldd"}, True)


def test_a_list_of_no_installed_package_is_not_believed() -> None:
    root = {**listed(), "var/lib/dpkg/info/other.list": file("/usr/bin/tool\n")}
    assert asked(root, "/usr/bin/tool") == (set(), True)


def test_folders_that_have_moved_below_usr() -> None:
    """Packages still list `/bin/x`, and the file is `/usr/bin/x`."""
    root = {**listed("/bin/cat", "/lib/libc.so.6"), "bin": symbolic_link("usr/bin"), "usr/bin": directory()}
    assert asked(root, "/usr/bin/cat", "/usr/lib/libc.so.6") == ({"/usr/bin/cat"}, True)


def test_a_record_of_distroless() -> None:
    (record,) = (path for path in RECORD if "status.d" in path)
    root = {**RECORD, f"{record}.md5sums": file("0" * 32 + "  usr/bin/ldd\n" + "0" * 32 + "  ./lib/a\n")}
    assert asked(root, "/usr/bin/ldd", "/lib/a", "/usr/bin/b") == ({"/usr/bin/ldd", "/lib/a"}, True)


def test_apk() -> None:
    text = (
        alpine.installed(alpine.RELEASE_3_20_0).rstrip("\n")
        + "\nF:\nR:x\nF:usr/bin\nR:tool\nF:lib\nR:a.so\n\n"
    )
    root = {**ALPINE, "lib/apk/db/installed": file(text)}
    found = asked(root, "/usr/bin/tool", "/lib/a.so", "/usr/bin/a.so", "/x")
    assert found == ({"/usr/bin/tool", "/lib/a.so"}, True)


@pytest.mark.parametrize(
    ("path", "write"),
    [
        ("var/lib/rpm/rpmdb.sqlite", rpm_sqlite),
        ("usr/lib/sysimage/rpm/Packages.db", rpm_ndb),
        ("var/lib/rpm/Packages", rpm_bdb),
    ],
)
def test_rpm(path: str, write: Callable[[Sequence[bytes]], bytes]) -> None:
    headers = [rpm_package("without-files"), rpm_files("/usr/bin/ldd", "/usr/share/x", name="glibc")]
    root = {path: file(write(headers))}
    assert asked(root, "/usr/bin/ldd", "/usr/bin/other", "/usr/share/ldd") == ({"/usr/bin/ldd"}, True)
    assert asked(root, "/app/ldd") == (set(), True)


def test_programs_that_have_moved_within_usr() -> None:
    """Fedora has linked `/usr/sbin` to `/usr/bin`, and some packages still list the old path."""
    root = {
        "var/lib/rpm/rpmdb.sqlite": file(rpm_sqlite([rpm_files("/usr/sbin/ip", "/sbin/tc")])),
        "usr/sbin": symbolic_link("bin"),
        "sbin": symbolic_link("usr/sbin"),
        "usr/bin": directory(),
    }
    assert asked(root, "/usr/bin/ip", "/usr/bin/tc", "/usr/bin/a") == ({"/usr/bin/ip", "/usr/bin/tc"}, True)


@pytest.mark.parametrize("root", [DEBIAN, RECORD], ids=["dpkg", "distroless"])
def test_without_lists_nothing_is_owned_and_the_folder_decides(root: Mapping[str, Entry]) -> None:
    assert asked(root, "/usr/bin/ldd") == (set(), False)
    tree = trees.filesystem(root)
    paths = ("/usr/bin/ldd", "/usr/local/bin/tool", "/app/tool")
    found = owned(tree, trees.inventory(tree), paths)
    assert [path in found for path in paths] == [True, False, False]


@settings(max_examples=20)
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(["/usr/bin/ldd", "/usr", "", "/.", "\xff", "//"])).map(
        lambda lines: "\n".join(lines).encode("latin-1")
    )
)
def test_whatever_a_list_holds_only_asked_paths_are_owned(content: bytes) -> None:
    root = {**DEBIAN, "var/lib/dpkg/info/libc6.list": file(content)}
    found, complete = asked(root, "/usr/bin/ldd", "/app/x")
    assert complete
    assert found == ({"/usr/bin/ldd"} if b"/usr/bin/ldd" in content.split(b"\n") else set())


def test_an_image_without_packages_owns_nothing() -> None:
    assert asked({"usr/bin/tool": file()}, "/usr/bin/tool") == (set(), True)


@pytest.mark.parametrize("path", ["/app/server", "/usr/local/bin/tool", "/srv/a", "/home/a/b"])
def test_a_list_that_claims_what_is_not_the_distributions(path: str) -> None:
    """Scanners believe it and leave out what it names (Trivy does)."""
    assert asked(listed(path, "/opt/vendor/tool"), path, "/opt/vendor/tool") == ({"/opt/vendor/tool"}, True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/bin/sh", True),
        ("/lib64/ld.so", True),
        ("/sbin/init", True),
        ("/usr/bin/sh", True),
        ("/usr/lib/x/y.so", True),
        ("/usr/local/bin/x", False),
        ("/usr/x", False),
        ("/library/x", False),
        ("/opt/x", False),
        ("/app/usr/bin/x", False),
    ],
)
def test_folders_of_the_distribution(path: str, expected: bool) -> None:
    assert is_of_system(path) is expected
