"""The rpm header: one package, or a refusal; never a package with another name."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import Package
from gate.packages.rpm_header import listed_files, parse_header, parse_headers, source_of
from tests.packages.databases import (
    ARCH,
    BASENAMES,
    BUILD_TIME,
    DIRINDEXES,
    DIRNAMES,
    EPOCH,
    INSTALL_TIME,
    NAME,
    OLD_NAMES,
    PROMPTLY,
    RELEASE,
    SOURCE_RPM,
    VERSION,
    database,
    rpm_files,
    rpm_header,
    rpm_package,
)

FILE = database(b"")
FULL: dict[int, str | int | list[str] | tuple[int, ...]] = {
    NAME: "glibc",
    VERSION: "2.35",
    RELEASE: "2.cm2",
    EPOCH: 1,
    BUILD_TIME: 1_653_628_955,
    INSTALL_TIME: 1_653_816_591,
    ARCH: "x86_64",
    SOURCE_RPM: "glibc-src-2.35-2.cm2.src.rpm",
    BASENAMES: ["libc.so.6", "ld.so"],
    DIRNAMES: ["/lib64/", "/usr/"],
    DIRINDEXES: (0, 1),
    1004: ["A summary", "Eine Zusammenfassung"],
}


def test_all_tags() -> None:
    expected = Package(
        "rpm", "glibc", "1:2.35-2.cm2", "x86_64", "glibc-src", "2.35-2.cm2", 1_653_628_955, 1_653_816_591
    )
    assert parse_header(FILE, rpm_header(FULL)) == (expected, False)


def test_only_the_needed_tags() -> None:
    assert parse_header(FILE, rpm_package())[0] == Package(
        "rpm", "bash", "5.1-1.el9", "", "bash", "5.1-1.el9"
    )


def test_epoch_zero_is_not_written() -> None:
    assert parse_header(FILE, rpm_package(epoch=0))[0].version == "5.1-1.el9"


def test_imported_keys_are_inactive() -> None:
    entries = parse_headers(FILE, [rpm_package("gpg-pubkey", "fd431d51", "4ae0493b"), rpm_package()])
    assert [package.name for package in entries.packages] == ["bash"]
    assert [package.name for package in entries.inactive] == ["gpg-pubkey"]


def test_a_package_cannot_hide_as_a_key() -> None:
    with_files = rpm_header({NAME: "gpg-pubkey", VERSION: "1", RELEASE: "1", BASENAMES: ["sh"]})
    with_source = rpm_package("gpg-pubkey", source="openssl-1-1.src.rpm")
    assert len(parse_headers(FILE, [with_files, with_source]).packages) == 2


@pytest.mark.parametrize(
    ("source_rpm", "expected"),
    [
        ("glibc-2.35-2.cm2.src.rpm", ("glibc", "2.35-2.cm2")),
        ("java-17-openjdk-17.0.9-1.nosrc.rpm", ("java-17-openjdk", "17.0.9-1")),
        ("", ("own", "1-1")),
        ("(none)", ("own", "1-1")),
        ("glibc.src.rpm", ("own", "1-1")),
        ("glibc-2.35-2.x86_64.rpm", ("own", "1-1")),
    ],
)
def test_source(source_rpm: str, expected: tuple[str, str]) -> None:
    assert source_of(source_rpm, "own", "1-1") == expected


def raw(
    entries: list[tuple[int, int, int, int]], data: bytes, count: int | None = None, size: int | None = None
) -> bytes:
    """Write a header whose index says anything."""
    index = b"".join(struct.pack(">IIII", *entry) for entry in entries)
    return (
        struct.pack(">II", len(entries) if count is None else count, len(data) if size is None else size)
        + index
        + data
    )


NVR = [(NAME, 6, 0, 1), (VERSION, 6, 2, 1), (RELEASE, 6, 4, 1)]
DATA = b"a\0001\0002\0"


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "cut off"),
        (b"\0" * 7, "cut off"),
        (b"\0" * 8, "0 tags"),
        (raw(NVR, DATA, count=2), "2 tags"),
        (raw(NVR, DATA, count=4), "4 tags"),
        (raw(NVR, DATA, count=2**32 - 1), "tags"),
        (raw(NVR, DATA, size=5), "5 bytes"),
        (raw(NVR, DATA, size=2**32 - 1), "bytes"),
        (raw([*NVR, (5000, 6, 7, 1)], DATA), "outside"),
        (raw([*NVR, (5000, 6, 2**31, 1)], DATA), "outside"),
        (raw([*NVR, (5000, 6, 0, 0)], DATA), "outside"),
        (raw([*NVR, (5000, 6, 0, 2**32 - 1)], DATA), "outside"),
        (raw([*NVR, (5000, 10, 0, 1)], DATA), "outside"),
        (raw([*NVR, (5000, 0, 0, 1)], DATA), "outside"),
        (raw([*NVR, (NAME, 6, 2, 1)], DATA), "twice"),
        (raw(NVR, DATA[:-1]), "no end"),
        (raw([*NVR, (EPOCH, 4, 4, 1)], DATA), "outside"),
        (raw([*NVR, (EPOCH, 6, 4, 1)], DATA), "is a string"),
        (raw([*NVR, (EPOCH, 5, 0, 1)], DATA), "wrong type"),
        (raw([(NAME, 4, 0, 1), *NVR[1:]], DATA), "is a number"),
        (raw(NVR[:2], DATA), "lacks"),
        (raw(NVR[1:], DATA), "lacks"),
        (raw(NVR, b"a\0\0002\0\0"), "lacks"),
        (raw(NVR, b"\xff\0001\0002\0"), "plain word"),
        (raw(NVR, b"a\0 \0002\0"), "plain word"),
    ],
)
def test_refused(blob: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        parse_header(FILE, blob)


def test_many_tags_are_bounded_before_they_are_read() -> None:
    with pytest.raises(MalformedImage, match="70000 tags"):
        parse_header(FILE, raw([(5000, 6, 0, 1)] * 70_000, DATA))


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
NUMBERS = st.integers(0, 2**32 - 1)


@PROMPTLY
@given(WORDS, WORDS, WORDS, NUMBERS, NUMBERS)
def test_written_then_read(name: str, version: str, release: str, epoch: int, built: int) -> None:
    package, _ = parse_header(FILE, rpm_package(name, version, release, epoch=epoch, build_time=built))
    prefix = f"{epoch}:" if epoch else ""
    assert (package.name, package.version, package.build_time) == (
        name,
        f"{prefix}{version}-{release}",
        built,
    )


@PROMPTLY
@given(st.data())
def test_damaged_headers_are_read_or_refused(data: st.DataObject) -> None:
    blob = bytearray(rpm_header(FULL))
    for position in data.draw(st.lists(st.integers(0, len(blob) - 1), max_size=4)):
        blob[position] = data.draw(st.integers(0, 255))
    try:
        parse_header(FILE, bytes(blob))
    except MalformedImage:
        return


def listed(*blobs: bytes) -> list[bytes]:
    """The files that are listed of some that are asked for."""
    return list(listed_files(FILE, blobs, {b"usr/bin/ldd", b"usr/sbin/ldd", b"etc/a"}))


def test_the_files_that_packages_list() -> None:
    assert listed(rpm_files("/usr/bin/ldd", "/usr/share/a"), rpm_files("/etc/a")) == [
        b"usr/bin/ldd",
        b"etc/a",
    ]
    assert listed(rpm_package(), rpm_files("/opt/ldd", "/usr/ldd"), rpm_files("/ldd")) == []


def test_files_that_are_written_whole() -> None:
    old = rpm_header({NAME: "a", VERSION: "1", RELEASE: "1", OLD_NAMES: ["/usr/bin/ldd", "/x"]})
    assert listed(old) == [b"usr/bin/ldd"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({BASENAMES: ["ldd"]}, "without their folders"),
        ({BASENAMES: ["ldd"], DIRNAMES: ["/usr/bin/"]}, "without their folders"),
        ({BASENAMES: ["ldd"], DIRNAMES: ["/usr/bin/"], DIRINDEXES: (0, 0)}, "do not fit"),
        ({BASENAMES: ["ldd"], DIRNAMES: ["/usr/bin/"], DIRINDEXES: (1,)}, "do not fit"),
        ({BASENAMES: ["ldd"], DIRNAMES: ["/usr/bin/"], DIRINDEXES: ["0"]}, "or none"),
        ({BASENAMES: (1, 2), DIRNAMES: ["/usr/bin/"], DIRINDEXES: (0,)}, "or none"),
    ],
)
def test_files_that_cannot_be_told(
    files: dict[int, str | int | list[str] | tuple[int, ...]], reason: str
) -> None:
    with pytest.raises(MalformedImage, match=reason):
        listed(rpm_header(files))


@PROMPTLY
@given(st.data())
def test_damaged_lists_of_files_are_read_or_refused(data: st.DataObject) -> None:
    blob = bytearray(rpm_files("/usr/bin/ldd", "/etc/a", "/b"))
    for position in data.draw(st.lists(st.integers(0, len(blob) - 1), max_size=4)):
        blob[position] = data.draw(st.integers(0, 255))
    try:
        listed(bytes(blob))
    except MalformedImage:
        return
