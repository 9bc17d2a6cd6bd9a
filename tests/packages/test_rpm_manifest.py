"""Azure Linux's list of packages in distroless images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.packages import Package, rpm_manifest
from tests.packages.databases import PROMPTLY, database

GLIBC = (
    b"glibc\t2.35-2.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t10855265\tx86_64\t0\t"
    b"glibc-2.35-2.cm2.src.rpm\n"
)
VIM = b"vim\t9.0-1.cm2\t1\t2\tMicrosoft Corporation\t2\t45000\tx86_64\t2\tvim-src-9.0-1.cm2.src.rpm\n"


def packages(content: bytes) -> tuple[Package, ...]:
    return rpm_manifest.parse(database(content)).packages


def test_manifest() -> None:
    assert packages(GLIBC + VIM) == (
        Package("rpm", "glibc", "2.35-2.cm2", "x86_64", "glibc", "2.35-2.cm2", 1_653_628_955, 1_653_816_591),
        Package("rpm", "vim", "2:9.0-1.cm2", "x86_64", "vim-src", "9.0-1.cm2", 2, 1),
    )


def test_empty() -> None:
    assert packages(b"") == ()


@pytest.mark.parametrize(
    "content",
    [
        GLIBC[:-1],
        GLIBC[:40] + b"\n",
        GLIBC.replace(b"\n", b"\tmore\n"),
        GLIBC.replace(b"\t0\t", b"\t(none)\t"),
        GLIBC.replace(b"1653816591", b"yesterday"),
        GLIBC.replace(b"glibc\t", b"\t"),
        GLIBC.replace(b"2.35-2.cm2\t", b"2.35 2\t"),
        b"bogus status\n",
    ],
)
def test_refused(content: bytes) -> None:
    with pytest.raises(MalformedImage):
        packages(content)


@PROMPTLY
@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        packages(content)
    except MalformedImage:
        return
    assert content.strip(b"\n") == b"" or b"\t" in content
