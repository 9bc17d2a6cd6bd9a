from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import Unavailable
from gate.registry.challenge import parse

DOCKER = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull,push"'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DOCKER, [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                              "scope": "repository:library/x:pull,push"})]),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        ("Basic", [("basic", {})]),
        ('BASIC Realm=x', [("basic", {"realm": "x"})]),
        ('Basic realm="a, b", Bearer realm="y" , service=z', [("basic", {"realm": "a, b"}), ("bearer", {"realm": "y", "service": "z"})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("Negotiate YIIabc==, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (r'Bearer realm="a\"b\\c"', [("bearer", {"realm": r'a"b\c'})]),
        ('Bearer realm = "x"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="",service=""', [("bearer", {"realm": "", "service": ""})]),
        ("Bearer realm=", [("bearer", {})]),  # to the grammar this is an encoded value
        ("", []),
        (" , ,", []),
    ],
)  # fmt: skip
def test_challenges_are_read(value: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(each.scheme, dict(each.parameters)) for each in parse(value)] == expected


@pytest.mark.parametrize(
    "value",
    [
        'realm="x"',
        'Bearer realm="x",realm="y"',
        'Bearer realm="x",Realm="y"',
        'Bearer realm="x',
        'Bearer realm="x" service="y"',
        'Bearer realm="x"y',
        'Bearer realm="x\\"',
        "Bearer {x}",
        "\x00",
        "Bearer réalm=x",
        'Bearer realm="' + "x" * 9_000 + '"',
    ],
)
def test_what_two_readers_would_read_differently_is_refused(value: str) -> None:
    with pytest.raises(Unavailable, match="in a way that cannot be understood"):
        parse(value)


@given(st.text(max_size=300) | st.text('Bearer realm="x\\, =', max_size=300))
def test_any_header_is_read_or_refused(value: str) -> None:
    try:
        found = parse(value)
    except Unavailable:
        return
    for each in found:
        assert each.scheme == each.scheme.lower()
        assert each.scheme.isascii()


TOKENS = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True)


@given(
    st.lists(
        st.tuples(TOKENS, st.dictionaries(TOKENS.map(str.lower), st.text("abc ,=\"\\;/:", max_size=9), max_size=4)),
        max_size=4,
    )
)  # fmt: skip
def test_what_is_written_is_read(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(
        f"{scheme} {', '.join(f'{name}={quoted(value)}' for name, value in parameters.items())}".strip()
        for scheme, parameters in challenges
    )
    found = [(each.scheme, dict(each.parameters)) for each in parse(text)]
    assert found == [(scheme.lower(), parameters) for scheme, parameters in challenges]


@pytest.mark.parametrize(
    "value",
    ['Bearer realm="' + "\\" * 8_000, "a=" * 4_000, "Bearer " + "a" * 8_000, '"' * 8_000, "a " * 4_000],
)
def test_no_header_takes_long(value: str) -> None:
    start = time.monotonic()
    with suppress(Unavailable):
        parse(value)
    assert time.monotonic() - start < 1
