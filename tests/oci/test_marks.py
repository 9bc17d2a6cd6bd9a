from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate.oci.marks import SIGNATURES, ContentScan, Kind, Signature, names, script_interpreter

MIB = 1024 * 1024
PROGRAM = b"\x7fELF\x02\x01\x01".ljust(24, b"\0") + (0x401000).to_bytes(8, "little") + bytes(32)
PROGRAM_32 = b"\x7fELF\x01\x02\x01".ljust(24, b"\0") + (0x10054).to_bytes(4, "big") + bytes(24)
LIBRARY = b"\x7fELF\x02\x01\x01".ljust(64, b"\0")
LIBRARY_32 = b"\x7fELF\x01\x02\x01".ljust(24, b"\0") + bytes(4) + (52).to_bytes(4, "big") + bytes(20)

BASH = next(signature.needles[0] for signature in SIGNATURES if signature.name == "bash")
PYTHON = next(signature.needles[0] for signature in SIGNATURES if signature.name == "python")
NEEDLES = [needle for signature in SIGNATURES for needle in signature.needles]


def scan(content: bytes, cuts: Iterable[int] = ()) -> tuple[str, ...]:
    """Search content that is cut at these positions."""
    found = ContentScan(len(content))
    for start, end in pairwise([0, *sorted(cuts), len(content)]):
        found.feed(content, start, end)
    return found.marks()


def scan_file(path: Path) -> tuple[str, ...]:
    """Search a file in steps of a MiB, as the pass over a layer does."""
    content = path.read_bytes()
    return scan(content, range(MIB, len(content), MIB)) if content.startswith(b"\x7fELF") else ()


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.name)
def test_every_needle_tells_its_program(signature: Signature) -> None:
    for needle in signature.needles:
        content = PROGRAM + bytes(500) + needle
        assert scan(content) == (signature.name,)
        assert scan(content + bytes(500)) == (signature.name,)


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.name)
def test_a_needle_is_found_across_every_border(signature: Signature) -> None:
    for needle in signature.needles:
        content = PROGRAM + bytes(200) + needle + bytes(200)
        place = content.index(needle)
        for cut in range(place - 1, place + len(needle) + 2):
            assert scan(content, [cut]) == (signature.name,), f"cut at {cut - place} of {len(needle)}"


def test_a_program_that_sets_the_variable_of_rust_is_none() -> None:
    assert scan(PROGRAM + b"\0RUST_BACKTRACE=1\0") == ()


def test_a_needle_is_found_when_the_content_comes_byte_by_byte() -> None:
    content = PROGRAM + b"\0" + BASH + b"\0"
    assert scan(content, range(1, len(content))) == ("bash",)


@given(
    st.lists(st.sampled_from(NEEDLES) | st.binary(max_size=200), max_size=6),
    st.sampled_from([PROGRAM, PROGRAM_32, LIBRARY, LIBRARY_32, b""]),
    st.lists(st.integers(0, 1000), max_size=12),
)
def test_the_same_content_has_the_same_marks_however_it_is_cut(
    parts: list[bytes], head: bytes, cuts: list[int]
) -> None:
    content = head + b"".join(parts)
    assert scan(content, [min(cut, len(content)) for cut in cuts]) == scan(content)


@given(st.binary(max_size=400), st.integers(1, 300))
def test_only_a_whole_needle_counts(content: bytes, step: int) -> None:
    assume(not any(needle in content for needle in NEEDLES))
    broken = PROGRAM + BASH[:-1] + b"\0" + BASH[1:] + content
    assert "bash" not in scan(broken, range(step, len(broken), step))


def test_only_the_range_is_searched() -> None:
    buffer = BASH + PROGRAM + bytes(100) + BASH
    found = ContentScan(len(PROGRAM) + 100)
    found.feed(buffer, len(BASH), len(BASH) + len(PROGRAM) + 100)
    assert found.marks() == ()


def test_a_file_does_not_end_in_the_next_one() -> None:
    content = PROGRAM + bytes(100) + BASH
    first, second = ContentScan(len(content) - 10), ContentScan(len(content))
    first.feed(content, 0, len(content) - 10)
    second.feed(PROGRAM + BASH[-10:] + bytes(100), 0, len(PROGRAM) + 110)
    assert first.marks() == second.marks() == ()


def test_one_program_can_carry_several_marks() -> None:
    content = PROGRAM + b"\0".join(NEEDLES)
    assert scan(content) == tuple(sorted(signature.name for signature in SIGNATURES))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", PROGRAM[:31], PROGRAM, bytes(2 * MIB)])
def test_nothing_is_found_where_nothing_is(content: bytes) -> None:
    assert scan(content, [len(content) // 2]) == ()


@pytest.mark.parametrize("head", [PROGRAM, PROGRAM_32, LIBRARY, LIBRARY_32])
def test_programs_and_libraries_are_searched_alike(head: bytes) -> None:
    assert scan(head + BASH + PYTHON) == ("bash", "python")


def test_the_kept_state_is_small_whatever_the_file_holds() -> None:
    buffer = PROGRAM + BASH[:-1] * 15_000
    tracemalloc.start()
    found = ContentScan(10**12)
    for _ in range(20):
        found.feed(buffer, 0, len(buffer))
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 4096
    assert peak < 16 * 1024


def test_signatures_are_distinct_and_long_enough_to_mean_something() -> None:
    assert len({signature.name for signature in SIGNATURES}) == len(SIGNATURES)
    assert all(len(needle) > 10 for needle in NEEDLES)
    assert not [(a, b) for a in NEEDLES for b in NEEDLES if a is not b and a in b]


def test_names_are_taken_by_kind() -> None:
    assert {"bash", "ash", "mksh", "zsh"} <= names(Kind.SHELL)
    assert names(Kind.MULTI_CALL) == {"busybox", "toybox"}
    assert names(Kind.MULTI_CALL, Kind.GO) == {"busybox", "toybox", "go", "go-modules"}


@pytest.mark.parametrize(
    ("head", "program"),
    [
        (b"#!/bin/sh\n", b"/bin/sh"),
        (b"#! \t/bin/sh -e\nmore", b"/bin/sh"),
        (b"#!/bin/sh", b"/bin/sh"),
        (b"#!/bin/busybox sh\n", b"/bin/busybox"),
        (b"#!bin/tool\n", b"bin/tool"),
        (b"#!/bin/sh\0hidden\n", b"/bin/sh"),
        (b"#!/bin/sh\r\n", b"/bin/sh\r"),
        (b"#!/usr/bin/env python3\n", b"python3"),
        (b"#!/usr/bin/env -S python3 -u\n", b"python3"),
        (b"#!/usr/bin/env -Spython3 -u\n", b"python3"),
        (b"#!/usr/bin/env -iS A=b perl -w\n", b"perl"),
        (b"#!/usr/bin/env -S-i 'bash'\n", b"bash"),
        (b"#!/usr/bin/env --split-string=node --harmony\n", b"node"),
        (b"#!/usr/bin/env -u SHELL -uPS1 --ignore-environment -C / ruby\n", b"ruby"),
        (b"#!/usr/bin/env\n", b"/usr/bin/env"),
        (b"#!/usr/bin/env -i -S\n", b"/usr/bin/env"),
        (b"#!/usr/bin/environment x\n", b"/usr/bin/environment"),
        (b"#!/" + b"d" * 252 + b"\n", b"/" + b"d" * 252),
        (b"#!/bin/sh " + b"a" * 400, b"/bin/sh"),
        (b"#!/" + b"d" * 400 + b"\n", None),
        (b"#!\n/bin/sh\n", None),
        (b"#! \t\n", None),
        (b"#!\0\n", None),
        (b"#!", None),
        (b"", None),
        (b"# !/bin/sh\n", None),
        (b"\xef\xbb\xbf#!/bin/sh\n", None),
    ],
)
def test_the_program_that_runs_a_script(head: bytes, program: bytes | None) -> None:
    assert script_interpreter(head) == program


@given(st.binary(max_size=300).map(lambda rest: b"#!/usr/bin/env" + rest) | st.binary(max_size=300))
def test_an_interpreter_stands_in_the_first_line(head: bytes) -> None:
    program = script_interpreter(head)
    assert program is None or (program and program in head[:256].partition(b"\n")[0])


DEBIAN: Mapping[str, tuple[str, ...]] = {
    "bash": ("bash",),
    "bash-static": ("bash",),
    "busybox": ("ash", "busybox", "dpkg"),
    "dash": ("ash",),
    "ksh93": ("ksh93",),
    "shcomp93": ("ksh93",),
    "lksh": ("mksh",),
    "mksh": ("mksh",),
    "toybox": ("toybox",),
    "zsh": ("zsh",),
    "zsh-static": ("zsh",),
    "apt": ("apt",),
    "apt-get": ("apt",),
    "dpkg": ("dpkg",),
    "rpm": ("rpm",),
}
"""The marks of Debian's programs; all others of the same packages have none."""


@pytest.mark.real
def test_real_programs_are_told_and_their_neighbours_are_not(debian_programs: Mapping[str, Path]) -> None:
    marks = {name: scan_file(path) for name, path in debian_programs.items()}
    assert {name: found for name, found in marks.items() if found} == DEBIAN


KNOWN_AS: Mapping[str, tuple[str, ...]] = {
    "apt": ("apt", "aptitude"),
    "ash": ("ash", "busybox", "dash", "sh"),
    "bash": ("bash", "rbash", "sh"),
    "csh": ("bsd-csh", "csh", "tcsh"),
    "dpkg": ("busybox", "dpkg"),
    "ksh93": ("ksh", "shcomp"),
    "mksh": ("lksh", "ksh", "mksh", "oksh", "posh", "sh"),
    "gawk": ("gawk", "awk"),
    "mawk": ("mawk", "awk"),
    "hush": ("busybox",),
    "toysh": ("toybox",),
    "go": ("",),
    "go-modules": ("",),
    "rust": ("",),
}
"""How the names start of the programs that may carry a mark, where that is not the name of the mark itself."""


def elf_programs(folder: Path) -> Iterator[Path]:
    """Yield the ELF files of a folder, without the links."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


@pytest.mark.real
def test_no_program_of_this_system_is_taken_for_another() -> None:
    programs = list(elf_programs(Path("/usr/bin")))
    if not programs:
        pytest.skip("needs a Linux system with programs in /usr/bin")
    wrong = {
        path.name: mark
        for path in programs
        for mark in scan_file(path)
        if not path.name.startswith(KNOWN_AS.get(mark, (mark,)))
    }
    assert wrong == {}
