"""dpkg's, distroless images' and opkg's stanzas: read whole, or refused."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import LINE_LIMIT, Package, dpkg
from tests.packages.databases import PROMPTLY, database, deb822

LIBC = {
    "Package": "libc6",
    "Status": "install ok installed",
    "Priority": "optional",
    "Architecture": "amd64",
    "Multi-Arch": "same",
    "Source": "glibc (2.36-9+b1)",
    "Version": "2.36-9+deb12u4",
    "Conffiles": "\n /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab",
    "Description": "GNU C Library: Shared libraries\n Contains the standard libraries.\n .\n Package: not-one",
}
BASH = {"Package": "bash", "Status": "install ok installed", "Version": "5.2-1"}


def packages(content: bytes) -> tuple[Package, ...]:
    return dpkg.parse_status(database(content)).packages


def names(*stanzas: Mapping[str, str]) -> list[str]:
    return [package.name for package in packages(deb822(stanzas))]


def test_status() -> None:
    libc = Package("deb", "libc6", "2.36-9+deb12u4", "amd64", "glibc", "2.36-9+b1")
    bash = Package("deb", "bash", "5.2-1", "", "bash", "5.2-1")
    assert packages(deb822([LIBC, BASH])) == (libc, bash)


def test_empty_file_is_an_empty_database() -> None:
    assert packages(b"") == ()
    assert packages(b"\n\n") == ()


@pytest.mark.parametrize("line_ends", ["\n", "\n\n", "\n\n\n"])
def test_last_stanza_needs_no_empty_line(line_ends: str) -> None:
    assert [package.name for package in packages(f"Package: a\nVersion: 1{line_ends}".encode())] == ["a"]


def test_field_names_in_any_case() -> None:
    assert packages(b"PACKAGE:a\nversion:\t1 \n\n")[0] == Package("deb", "a", "1", "", "a", "1")


@pytest.mark.parametrize(
    "status",
    [
        "install ok installed",
        "hold ok installed",
        "deinstall ok installed",
        "purge ok half-installed",
        "install reinstreq unpacked",
        "install ok half-configured",
        "install ok triggers-awaited",
        "install ok triggers-pending",
    ],
)
def test_what_may_have_left_files_is_installed(status: str) -> None:
    assert names(BASH | {"Status": status}) == ["bash"]


@pytest.mark.parametrize("status", ["deinstall ok config-files", "purge ok not-installed"])
def test_what_was_removed_is_inactive(status: str) -> None:
    removed = {"Package": "old", "Status": status, "Priority": "extra", "Section": "net"}
    entries = dpkg.parse_status(database(deb822([removed, BASH])))
    assert [package.name for package in entries.packages] == ["bash"]
    assert entries.inactive == (Package("deb", "old", "", "", "old", ""),)


def test_removed_and_installed_again() -> None:
    removed = {"Package": "bash", "Status": "deinstall ok config-files", "Version": "4.0"}
    assert names(removed, BASH) == ["bash"]


def test_one_package_of_two_architectures() -> None:
    assert names(LIBC, LIBC | {"Architecture": "i386", "Version": "2.36-8"}) == ["libc6", "libc6"]


def test_foreign_bytes_where_they_do_not_matter() -> None:
    assert packages(b"Package: a\nMaintainer: J\xf6rg\nVersion: 1\n\n")[0].name == "a"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Package: a\nVersion: 1", "cut off"),
        (b"Package: a\nVers\n", "no field"),
        (b"Package: a\nVersion: 1\nVersion\n", "no field"),
        (b"Package: a\n\n", "no version"),
        (b"Version: 1\n\n", "names no package"),
        (b"Package: a\nStatus: install ok installed\nVersion:\n\n", "no version"),
        (b"Package: a\nVersion: 1\nversion: 2\n", "repeated"),
        (b"Package: a\nVersion: 1\nX-Y: 1\nx-y: 2\n", "repeated"),
        (b"Package: a\nVersion: 1\nDescription: x\n \nPackage: b\nVersion: 1\n", "repeated"),
        (b"Package: a\nVersion: 1\n \nPackage: b\nVersion: 1\n", "continues"),
        (b"Package: a\nVersion: 1\n\nPackage: a\nVersion: 2\n\n", "listed as 1 and as 2"),
        (b"Package: a\nVersion: 1\n 2\n", "continues"),
        (b" a\nVersion: 1\n", "continues"),
        (b"Package: a\nVersion: 1\0\n", "NUL"),
        (b"Package: a\nVersion: 1\x1aPackage: b\n", "NUL"),
        (b"Package: a\nVersion: 1\r\n", "plain word"),
        (b"Package: a\r\n\r\nVersion: 1\n", "no field"),
        (b"Package: a\nVersion: 1\n\x0bPackage: b\n", "no field"),
        (b"Package : a\nVersion: 1\n", "no field"),
        (b"-Package: a\nVersion: 1\n", "no field"),
        (b"#Package: a\nVersion: 1\n", "no field"),
        (b": a\nVersion: 1\n", "no field"),
        (b"Package: a\xff\nVersion: 1\n", "plain word"),
        (b"Package: ../a\nVersion: 1\n", "package name"),
        (b"Package:\nVersion: 1\n", "package name"),
        (b"Package: a\nVersion: 1 2\n", "plain word"),
        pytest.param(b"Package: a\nVersion: " + b"1" * 257 + b"\n", "plain word", id="long version"),
        (b"Package: a\nVersion: 1\nSource: a b c\n", "source"),
        (b"Package: a\nVersion: 1\nStatus: installed\n", "Status"),
        (b"Package: a\nVersion: 1\nStatus: deinstall ok gone\n", "Status"),
        (b"Package: a\nVersion: 1\nStatus: install ok not-installed-really\n", "Status"),
        pytest.param(
            b"X-Y: " + b"x" * 2_000_000 + b"\nPackage: a\nVersion: 1\n", "longer than", id="2 MB line"
        ),
        (b"garbage", "cut off"),
        (b"garbage\n", "no field"),
    ],
)
def test_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        packages(content)


def test_line_limit_is_what_it_says() -> None:
    longest = b"Provides: " + b"x" * (LINE_LIMIT - 11)
    assert packages(b"Package: a\nVersion: 1\n" + longest + b"\n")[0].name == "a"
    with pytest.raises(MalformedImage, match="longer than"):
        packages(b"Package: a\nVersion: 1\n" + longest + b"xx\n")


def test_many_field_names_are_refused_before_they_fill_memory() -> None:
    content = b"Package: a\nVersion: 1\n" + b"".join(b"X-%d: 1\n" % number for number in range(2_000))
    with pytest.raises(MalformedImage, match="no field"):
        packages(content)


def test_a_line_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.packages.LINES_LIMIT", 4)
    assert packages(b"Package: a\nVersion: 1\n\n\n")
    with pytest.raises(MalformedImage, match="more than 4 lines"):
        packages(b"Package: a\nVersion: 1\n\n\n\n")


def test_a_package_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.packages.PACKAGE_LIMIT", 1)
    with pytest.raises(MalformedImage, match="more than 1 packages"):
        names(BASH, LIBC)


def test_status_d() -> None:
    stanza = b"Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n"
    found = dpkg.parse_status_d(database(stanza, "var/lib/dpkg/status.d/tzdata")).packages
    assert [(package.name, package.version) for package in found] == [("tzdata", "2024a-0+deb12u1")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("libc6.md5sums", b"d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/libc6/copyright"),
        ("libc6.preinst", b"#!/bin/sh\nset -e"),
    ],
)
def test_status_d_passes_over_control_files(name: str, content: bytes) -> None:
    assert dpkg.parse_status_d(database(content, f"var/lib/dpkg/status.d/{name}")).packages == ()


def test_status_d_does_not_pass_over_a_stanza_by_another_name() -> None:
    content = b"package: openssl\nVersion: 3.0.11-1\n"
    assert dpkg.parse_status_d(database(content, "var/lib/dpkg/status.d/openssl.md5sums")).packages


def test_status_d_refuses_what_is_no_stanza() -> None:
    with pytest.raises(MalformedImage):
        dpkg.parse_status_d(database(b"d41d8cd98f00b204  usr/bin/x\n", "var/lib/dpkg/status.d/openssl"))


def test_opkg() -> None:
    content = (
        b"Package: libc\nVersion: 1.2.4-4\nDepends: libgcc1\nStatus: install user installed\n"
        b"Architecture: x86_64\nInstalled-Time: 1700000000\n\n"
    )
    expected = Package("opkg", "libc", "1.2.4-4", "x86_64", "libc", "1.2.4-4", install_time=1_700_000_000)
    assert dpkg.parse_opkg(database(content)).packages == (expected,)


NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][A-Za-z0-9.+~]{0,20}(-[0-9a-z.~]{1,8})?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=40)


@PROMPTLY
@given(st.dictionaries(NAMES, st.tuples(VERSIONS, NAMES, VERSIONS, TEXTS), max_size=10))
def test_written_then_read(expected: dict[str, tuple[str, str, str, str]]) -> None:
    stanzas = [
        {
            "Package": name,
            "Status": "install ok installed",
            "Description": f"{text}\n {text}x\n .",
            "Version": version,
            "Source": f"{source} ({source_version})",
        }
        for name, (version, source, source_version, text) in expected.items()
    ]
    found = packages(deb822(stanzas))
    assert [
        (package.name, package.version, package.source_name, package.source_version) for package in found
    ] == [
        (name, version, source, source_version)
        for name, (version, source, source_version, _) in expected.items()
    ]


@PROMPTLY
@given(
    st.binary(max_size=2_000)
    | st.lists(st.sampled_from(b"Package:|Version:| |\n|\t|a|1|\r|\0|:".split(b"|"))).map(b"".join)
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = packages(content)
    except MalformedImage:
        return
    assert all(package.name and package.version for package in found)


@PROMPTLY
@given(st.integers(0, 400))
def test_cut_anywhere_it_is_never_fewer_packages_in_silence(cut: int) -> None:
    content = deb822([BASH, LIBC])
    cut = min(cut, len(content) - 1)
    try:
        found = packages(content[:cut])
    except MalformedImage:
        return
    assert len(found) == content[:cut].count(b"\nPackage: ") + content[:cut].startswith(b"Package")


def test_time_grows_with_size_alone() -> None:
    """2,000 packages take 25 ms; anything that is not linear takes longer than a second."""
    content = deb822([LIBC | {"Package": f"package{number}"} for number in range(2_000)])
    start = time.process_time()
    packages(content)
    assert time.process_time() - start < 1


@pytest.mark.real
def test_debian(debian_root: Path) -> None:
    """A root that nobody here composed: the stanzas are the packages that dpkg keeps file lists of."""
    import tarfile

    with tarfile.open(debian_root) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}
        status = archive.extractfile(members["var/lib/dpkg/status"])
        assert status is not None
        found = {package.name for package in packages(status.read())}
    info = [
        name.removeprefix("var/lib/dpkg/info/") for name in members if name.startswith("var/lib/dpkg/info/")
    ]
    lists = {name.removesuffix(".list").partition(":")[0] for name in info if name.endswith(".list")}
    assert found == lists
    assert {"apt", "bash", "dash", "dpkg", "libc6"} <= found
