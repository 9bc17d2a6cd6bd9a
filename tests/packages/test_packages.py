"""The values of the inventory, and what every text database has in common."""

from __future__ import annotations

import re

import pytest

from gate.errors import MalformedImage
from gate.packages import DatabaseFormat, Package
from tests.packages.databases import database


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            Package("deb", "libstdc++6", "1:12.2.0-14+deb12u1", "amd64"),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
        ),
        (
            Package("apk", "musl", "1.2.5-r0", "x86_64"),
            "pkg:apk/debian/musl@1.2.5-r0?arch=x86_64&distro=debian-12",
        ),
        (Package("rpm", "vim", "2:9.0-1.el9"), "pkg:rpm/debian/vim@9.0-1.el9?distro=debian-12&epoch=2"),
        (Package("rpm", "bash", "5.1-1.el9"), "pkg:rpm/debian/bash@5.1-1.el9?distro=debian-12"),
    ],
)
def test_purl(package: Package, expected: str) -> None:
    # The purl specification lets a colon stand or not; everything else has one form.
    assert package.purl("debian", "12").replace("%3A", ":") == expected


def test_purl_without_distribution() -> None:
    assert Package("deb", "a", "1").purl("") == "pkg:deb/a@1"
    assert Package("deb", "a", "1").purl("debian") == "pkg:deb/debian/a@1?distro=debian"


def test_format_reads_below_its_directories_what_matches() -> None:
    kind = DatabaseFormat(
        "x", "deb", "x.parse", frozenset({"a/status"}), ("a/d/", "b/d/"), re.compile("[0-9]+")
    )
    assert [kind.reads(path) for path in ("a/status", "a/d/1", "b/d/22")] == [True] * 3
    assert [kind.reads(path) for path in ("a/status2", "a/d/x", "a/d/1/2", "a/d/", "c/d/1")] == [False] * 5


def test_lines_are_numbered_and_end_with_an_empty_one() -> None:
    assert list(database(b"a\n\nb\r\n").lines()) == [(1, b"a"), (2, b""), (3, b"b\r"), (4, b"")]


def test_messages_quote_hostile_bytes_safely_and_shortly() -> None:
    error = database(b"").malformed("x")
    assert str(error).startswith("the package database /var/lib/x cannot be read: x")
    with pytest.raises(MalformedImage) as caught:
        database(b"").word(b"\x1b[31m" * 1_000, "the name")
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 250
