"""os-release: what a shell and every scanner would read alike, or a refusal."""

from __future__ import annotations

import shlex
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages.os_release import OsRelease
from tests.packages.databases import PROMPTLY

DEBIAN = b"""PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/?a=b&c=d"
"""
FEDORA = b"""NAME="Fedora Linux"
ID=fedora
VERSION_ID=40
PRETTY_NAME="Fedora Linux 40 (Container Image)"
ANSI_COLOR="0;38;2;60;110;180"
SUPPORT_END=2025-05-13
VARIANT="Container Image"
VARIANT_ID=container
"""


def test_debian() -> None:
    assert OsRelease.parse(DEBIAN) == OsRelease(
        "debian", (), "Debian GNU/Linux", "12", "bookworm", "", "Debian GNU/Linux 12 (bookworm)"
    )


def test_fedora() -> None:
    found = OsRelease.parse(FEDORA)
    assert (found.id, found.version_id, found.variant_id) == ("fedora", "40", "container")
    assert found.support_end == date(2025, 5, 13)


def test_id_like() -> None:
    assert OsRelease.parse(b'ID="rocky"\nID_LIKE="rhel centos fedora"\n').id_like == (
        "rhel",
        "centos",
        "fedora",
    )


@pytest.mark.parametrize("content", [b"", b"\n# nothing\n", b"NAME=x\n", b"ID=\n", b"../usr/lib/os-release"])
def test_without_id(content: bytes) -> None:
    assert OsRelease.parse(content).id == "linux"


@pytest.mark.parametrize(
    ("content", "identity"),
    [
        (b"ID='alpine'", "alpine"),
        (b'ID="openEuler"\n', "openeuler"),
        (b"  ID=debian\r\n", "debian"),
        (b"export ID=debian\n", "debian"),
        (b"#ID=wolfi\nID=debian\n", "debian"),
        (b"ID=debian\nID='debian'\n", "debian"),
        (b'ID="de\\bian"\n', "debian"),
        (b"junk\n=\nID=debian\nx y z\n", "debian"),
        (b"NAME=My own Linux\nID=own\n", "own"),
        (b"id=wolfi\nID=debian\n", "debian"),
        (b"XID=wolfi\nID=debian\n", "debian"),
    ],
)
def test_forms(content: bytes, identity: str) -> None:
    assert OsRelease.parse(content).id == identity


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"ID=debian\nID=wolfi\n", "two values"),
        (b"VERSION_ID=12\nVERSION_ID=13\n", "two values"),
        (b"ID = wolfi\nID=debian\n", "no assignment"),
        (b"ID: wolfi\n", "no assignment"),
        (b"ID=$(echo wolfi)\n", "more than"),
        (b'ID="$X"\n', "more than"),
        (b"ID=`x`\n", "more than"),
        (b'ID="a"b\n', "more than"),
        (b"ID=a b\n", "more than"),
        (b"ID=a#b;c\n", "more than"),
        (b'ID="wolfi\n', "more than"),
        (b'X="\nID=wolfi\n"\nID=debian\n', "more than"),
        (b'NAME="a\nID=wolfi\n"\n', "more than"),
        (b"X=a\\\nID=wolfi\n", "more than"),
        (b"ID=../debian\n", "not a word"),
        (b'ID="a b"\n', "not a word"),
        (b"ID=" + b"x" * 65 + b"\n", "not a word"),
        (b"ID=d\xff\n", "UTF-8"),
        (b"ID=d\0\n", "NUL"),
        (b"SUPPORT_END=soon\n", "not a date"),
    ],
)
def test_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason) as caught:
        OsRelease.parse(content, "usr/lib/os-release")
    assert caught.value.message.startswith("/usr/lib/os-release cannot be read")


def test_refused_size() -> None:
    with pytest.raises(MalformedImage, match="more than 65,536"):
        OsRelease.parse(b"#" * 65_537)


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@PROMPTLY
@given(WORDS)
def test_what_a_shell_quotes_is_read_as_it_was(name: str) -> None:
    quoted = "'" + name.replace("'", "") + "'"
    assert OsRelease.parse(f"NAME={quoted}\n".encode()).name == name.replace("'", "")
    escaped = '"' + "".join(f"\\{letter}" if letter in '"\\$`' else letter for letter in name) + '"'
    assert OsRelease.parse(f"NAME={escaped}\n".encode()).name == name


@PROMPTLY
@given(st.text(st.sampled_from("ab '\"\\$`&;|<>()#=\t"), max_size=12))
def test_never_another_value_than_the_shells(value: str) -> None:
    line = f"VERSION_ID={value}\n"
    try:
        found = OsRelease.parse(line.encode()).version_id
    except MalformedImage:
        return
    words = shlex.split(line, comments=False, posix=True)
    assert words in ([f"VERSION_ID={found}"], [])


@PROMPTLY
@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        assert OsRelease.parse(content).id
    except MalformedImage:
        return


@pytest.mark.real
def test_debian_root(debian_root: Path) -> None:
    content = subprocess.run(
        ["tar", "-xOf", debian_root, "./usr/lib/os-release"], capture_output=True, check=True
    ).stdout
    assert OsRelease.parse(content).id == "debian"
