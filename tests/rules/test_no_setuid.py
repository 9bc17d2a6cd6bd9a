from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import Unavailable
from gate.rule import Finding, Remark
from gate.rules.no_setuid import CAPABILITIES, NoSetuidOptions, check, decode_capabilities
from samples.images.entries import (
    Entry,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
    whiteout,
    whiteout_of,
)
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, messages, remarks

ELF = static_program("hello")
NET_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
SETUID_V3 = struct.pack("<IIIIII", 0x03000001, 1 << 7, 0, 0, 0, 1000)
SYSLOG_V2 = struct.pack("<IIIII", 0x02000000, 0, 1 << 0, 1 << 2, 0)
NET_RAW_V1 = struct.pack("<III", 0x01000001, 1 << 13, 0)


def capable(value: bytes) -> Entry:
    return replace(program(ELF), extended_attributes={"security.capability": value})


def judged(*layers: dict[str, Entry], **options: tuple[str, ...]) -> list[Finding | Remark]:
    return list(check(filesystem(*layers), config(), NoSetuidOptions(**options)))


def test_passes_an_image_without() -> None:
    assert judged({"app": program(ELF), "tmp": directory(0o1777), "var/mail": directory(0o2775)}) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (program(ELF, 0o4755), "su has set-user-ID root"),
        (program(ELF, 0o4711).owned(33, 0), "su has set-user-ID of user 33"),
        (program(ELF, 0o2755).owned(0, 42), "su has set-group-ID of group 42"),
        (program(ELF, 0o6755), "su has set-user-ID root and set-group-ID root"),
        (program(ELF, 0o4001), "su has set-user-ID root"),
    ],
)
def test_finds_mode_bits(entry: Entry, message: str) -> None:
    assert messages(judged({"bin/su": entry})) == [message]


@pytest.mark.parametrize(
    ("value", "rights"),
    [
        (NET_BIND, "file capabilities cap_net_bind_service=ep"),
        (SETUID_V3, "file capabilities cap_setuid=ep"),
        (SYSLOG_V2, "file capabilities cap_syslog,cap_chown=ip"),
        (NET_RAW_V1, "file capabilities cap_net_raw=ep"),
        (struct.pack("<IIIII", 0x02000001, 0, 0, 1 << 20, 0), "file capabilities cap_52=ep"),
        (b"\x01\x00\x00\x02", "a security.capability attribute that cannot be read"),
        (b"", "a security.capability attribute that cannot be read"),
        (NET_BIND + b"\0", "a security.capability attribute that cannot be read"),
    ],
)
def test_finds_file_capabilities(value: bytes, rights: str) -> None:
    assert messages(judged({"usr/bin/ping": capable(value)})) == [f"ping has {rights}"]


def test_several_names_are_one_finding() -> None:
    tree = {
        "bin/su": program(ELF, 0o4755),
        "opt/x": hard_link("bin/su", 0o4755),
        "y": symbolic_link("bin/su"),
    }
    assert messages(judged(tree)) == ["su has set-user-ID root, also as /opt/x"]


def test_a_hard_link_to_a_setuid_file_of_a_lower_layer_is_found() -> None:
    result = judged(
        {"bin/su": program(ELF, 0o4755)},
        {"opt/x": hard_link("bin/su", 0o4755), whiteout_of("bin/su"): whiteout()},
    )
    assert messages(result) == ["x has set-user-ID root"]


@pytest.mark.parametrize(
    "entry",
    [
        file(ELF, 0o4644),
        file(ELF, 0o6600),
        program(b"#!/bin/sh\n", 0o4755),
        program(ELF, 0o2644),
        program(ELF, 0o2701),
    ],
    ids=[
        "setuid without x",
        "both without x",
        "setuid script",
        "setgid data",
        "setgid without x of the group",
    ],
)
def test_bits_that_the_kernel_ignores_are_remarks(entry: Entry) -> None:
    result = judged({"bin/x": entry})
    assert messages(result) == []
    assert len(remarks(result)) == 1


def test_an_empty_capability_set_gives_nothing() -> None:
    assert judged({"bin/x": capable(struct.pack("<IIIII", 0x02000001, 0, 0, 0, 0))}) == []


def test_what_a_later_layer_removes_or_mends_does_not_count() -> None:
    base = {"bin/su": program(ELF, 0o4755), "bin/mount": program(ELF, 0o4755)}
    assert judged(base, {whiteout_of("bin/su"): whiteout(), "bin/mount": program(ELF, 0o755)}) == []


def test_paths_can_be_allowed() -> None:
    tree = {
        "bin/su": program(ELF, 0o4755),
        "bin/mount": program(ELF, 0o4755),
        "sbin/m": hard_link("bin/mount", 0o4755),
    }
    assert messages(judged(tree, allow_paths=("/bin/su", "/sbin/m"))) == []
    assert len(messages(judged(tree, allow_paths=("/usr/bin/su", "bin/mount")))) == 2


def test_capabilities_can_be_allowed() -> None:
    tree = {"app": capable(NET_BIND), "ping": capable(NET_RAW_V1)}
    assert messages(judged(tree, allow_capabilities=("cap_net_bind_service",))) == [
        "ping has file capabilities cap_net_raw=ep"
    ]


def test_an_allowed_capability_does_not_excuse_mode_bits() -> None:
    entry = replace(capable(NET_BIND), mode=0o4755)
    assert messages(judged({"app": entry}, allow_capabilities=("cap_net_bind_service",))) == [
        "app has set-user-ID root"
    ]


def test_windows_images_are_unknown() -> None:
    with pytest.raises(Unavailable, match="Windows"):
        list(check(filesystem({"a": file("x")}), config(os="windows"), NoSetuidOptions()))


@given(
    st.sets(st.integers(0, len(CAPABILITIES) - 1)),
    st.sets(st.integers(0, len(CAPABILITIES) - 1)),
    st.booleans(),
)
def test_capabilities_survive_a_round_trip(
    permitted: set[int], inheritable: set[int], effective: bool
) -> None:
    sets = [sum(1 << number for number in numbers) for numbers in (permitted, inheritable)]
    low, high = [part & 0xFFFFFFFF for part in sets], [part >> 32 for part in sets]
    value = struct.pack("<IIIII", 0x02000000 | effective, *low, *high)
    names = [
        tuple(f"cap_{CAPABILITIES[number]}" for number in sorted(numbers))
        for numbers in (permitted, inheritable)
    ]
    assert decode_capabilities(value) == (*names, effective)


@given(st.binary(max_size=40))
def test_garbage_is_refused_or_decoded(value: bytes) -> None:
    decoded = decode_capabilities(value)
    assert decoded is None or len(value) in (12, 20, 24)
