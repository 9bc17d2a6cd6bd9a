"""apk's database of installed packages: read whole, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import Package, apk
from tests.packages.databases import PROMPTLY, apk_installed, database

BUSYBOX = [
    ("C", "Q1v4QhLje3kWlC8DJj+ZfJTjlJRSU="),
    ("P", "busybox"),
    ("V", "1.36.1-r29"),
    ("A", "x86_64"),
    ("S", "509600"),
    ("I", "962560"),
    ("T", "Size optimized toolbox of many common UNIX utilities"),
    ("U", "https://busybox.net/"),
    ("L", "GPL-2.0-only"),
    ("o", "busybox"),
    ("m", "Sören Tempel <soeren+alpine@soeren-tempel.net>"),
    ("t", "1718200000"),
    ("c", "1747c01fb96905f101c25609011589d28e01cbb8"),
    ("k", "100"),
    ("D", ""),
    ("p", "cmd:busybox=1.36.1-r29"),
    ("r", "busybox-initscripts"),
    ("i", "[]"),
    ("q", "0"),
    ("s", "edge"),
    ("f", "f"),
    ("g", "tag"),
    ("F", "bin"),
    ("M", "0:0:1777"),
    ("R", "busybox"),
    ("a", "0:0:755"),
    ("Z", "Q1iVGBkW5mnOvwxkEqyF+sJUzDPAs="),
    ("F", "etc"),
    ("R", "securetty"),
]


def packages(content: bytes) -> tuple[Package, ...]:
    return apk.parse(database(content, "lib/apk/db/installed")).packages


def test_every_letter() -> None:
    expected = Package("apk", "busybox", "1.36.1-r29", "x86_64", "busybox", "1.36.1-r29", 1_718_200_000)
    assert packages(apk_installed([BUSYBOX])) == (expected,)


def test_virtual_package_without_files() -> None:
    block = [("P", ".build-deps"), ("V", "20240101.120000"), ("D", "gcc")]
    assert packages(apk_installed([block, BUSYBOX]))[0] == Package(
        "apk", ".build-deps", "20240101.120000", "", ".build-deps", "20240101.120000"
    )


def test_origin_is_the_source() -> None:
    block = [("P", "libcrypto3"), ("V", "3.3.1-r0"), ("o", "openssl")]
    assert packages(apk_installed([block]))[0].source_name == "openssl"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_empty_file_is_an_empty_database(content: bytes) -> None:
    assert packages(content) == ()


def test_last_block_needs_no_empty_line() -> None:
    assert packages(b"P:a\nV:1\n")[0].name == "a"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"P:a\nV:1", "cut off"),
        (b"P:a\n\n", "no version"),
        (b"V:1\n\n", "no name"),
        (b"P:\nV:1\n\n", "no name"),
        (b"F:usr\nR:x\n\n", "no name"),
        (b"P:a\nV:1\nP:b\nV:1\n\n", "second time"),
        (b"P:a\nV:1\nV:2\n\n", "second time"),
        (b"P:a\nV:1\n\nP:a\nV:2\n\n", "listed as 1 and as 2"),
        (b"P:a\nV:1\nnothing\n\n", "no field"),
        (b"P:a\nV:1\n \n\n", "no field"),
        (b"P:a\r\nV:1\r\n\r\n", "no field"),
        (b"P:a\rV\nV:1\n\n", "plain word"),
        (b"P:a\nV:1\nx\nP:b\n\n", "no field"),
        (b"P:a\nV:1\n1:b\n\n", "no field"),
        (b"P:a\nV:1\n\xc3:b\n\n", "no field"),
        (b"P:a\nV:1\0\n\n", "NUL"),
        (b"P:a\nV:1\nt:soon\n\n", "build time"),
        (b"P:a b\nV:1\n\n", "plain word"),
        (b"P:a/b\nV:1\n\n", "package name"),
        (b"P:\xc3\xa4\nV:1\n\n", "plain word"),
        pytest.param(b"P:a\nV:1\nT:" + b"x" * 200_000 + b"\n\nP:b\nV:1\n\n", "longer than", id="200 kB line"),
    ],
)
def test_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        packages(content)


def test_a_package_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.packages.PACKAGE_LIMIT", 1)
    with pytest.raises(MalformedImage, match="more than 1 packages"):
        packages(apk_installed([BUSYBOX, [("P", "b"), ("V", "1")]]))


def test_the_same_package_twice_is_not_two_readings() -> None:
    assert len(packages(apk_installed([BUSYBOX, BUSYBOX]))) == 2


NAMES = st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9._+-]{0,20}", fullmatch=True)
VERSIONS = st.from_regex(
    r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}(_(alpha|git)[0-9]{1,4})?-r[0-9]{1,2}", fullmatch=True
)
TIMES = st.integers(0, 9_999_999_999)


@PROMPTLY
@given(st.dictionaries(NAMES, st.tuples(VERSIONS, NAMES, TIMES), max_size=10))
def test_written_then_read(expected: dict[str, tuple[str, str, int]]) -> None:
    blocks = [
        [("C", "Q1x="), ("P", name), ("V", version), ("o", origin), ("t", str(built)), *BUSYBOX[-6:]]
        for name, (version, origin, built) in expected.items()
    ]
    found = packages(apk_installed(blocks))
    assert [
        (package.name, package.version, package.source_name, package.build_time) for package in found
    ] == [(name, *values) for name, values in expected.items()]


@PROMPTLY
@given(
    st.binary(max_size=2_000)
    | st.lists(st.sampled_from(b"P:|V:|\n|a|1|F:|t:|\0|:| ".split(b"|"))).map(b"".join)
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = packages(content)
    except MalformedImage:
        return
    assert all(package.name and package.version for package in found)
