"""pacman's local database: one package per file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import Package, pacman
from tests.packages.databases import PROMPTLY, database

DESC = (
    b"%NAME%\nbash\n\n%VERSION%\n5.2.026-2\n\n%BASE%\nbash-base\n\n%DESC%\nThe GNU Bourne Again shell\n\n%ARCH%\nx86_64\n\n"
    b"%BUILDDATE%\n1700000000\n\n%INSTALLDATE%\n1700000001\n\n%DEPENDS%\nreadline\nglibc\n\n%VALIDATION%\npgp\n\n"
)


def packages(content: bytes) -> tuple[Package, ...]:
    return pacman.parse(database(content)).packages


def test_desc() -> None:
    expected = Package(
        "alpm", "bash", "5.2.026-2", "x86_64", "bash-base", "5.2.026-2", 1_700_000_000, 1_700_000_001
    )
    assert packages(DESC) == (expected,)


def test_only_the_needed_fields() -> None:
    assert packages(b"%NAME%\na\n\n%VERSION%\n1-1\n") == (Package("alpm", "a", "1-1", "", "a", "1-1"),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        DESC[:-3],
        DESC.replace(b"%NAME%", b"%NAMES%"),
        DESC.replace(b"%VERSION%", b"VERSION"),
        DESC + b"%NAME%\nother\n\n",
        DESC.replace(b"bash\n\n%V", b"bash\nother\n\n%V"),
        DESC.replace(b"bash\n\n%V", b"\n\n%V"),
        DESC.replace(b"5.2.026-2", b"5 2"),
        DESC.replace(b"x86_64", b"\xff"),
    ],
)
def test_refused(content: bytes) -> None:
    with pytest.raises(MalformedImage):
        packages(content)


@PROMPTLY
@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = packages(content)
    except MalformedImage:
        return
    assert len(found) == 1
