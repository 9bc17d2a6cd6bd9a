from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.signatures import Refused
from gate.signatures.proto_json import Fields, decoded, parse
from tests.kit.transparency_log import b64


def fields(**value: Any) -> Fields:
    return Fields(value, ("a", "b"), "the thing")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "a": 2}', "the thing has the key 'a' twice in one object"),
        (b'{"A": 1}', "readers that ignore case see 'a'"),
        (b"[]", "the thing is a list, not an object"),
        (b"{", "the thing is not valid JSON"),
        (b'{"a": "' + b"x" * 100 + b'"}', "at most 50 are read"),
        (b"[" * 100, "the thing"),
    ],
)
def test_documents_with_two_readings_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(data, ("a",), "the thing", limit=50 if b"xxx" in data else 1000)
    assert reason in refused.value.message


@pytest.mark.parametrize(
    "text", ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "Q-==", "QQ==QQ==", "QUJ_", "\u0661\u0661=="]
)
def test_base64_with_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="base64"):
        decoded(text, "it")


@given(st.binary())
def test_base64_is_read_back(data: bytes) -> None:
    assert decoded(b64(data), "it") == data


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), ("0", 0), ("12", 12), (2**63 - 1, 2**63 - 1), (None, 0)]
)
def test_numbers(value: Any, number: int) -> None:
    assert fields(a=value).number("a") == number


@pytest.mark.parametrize(
    "value", [-1, "-1", "01", "+1", "1.0", 1.0, True, "", "١", "1e3", 2**63, "9" * 19, []]
)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match="the thing, a is not a whole number"):
        fields(a=value).number("a")


@pytest.mark.parametrize(
    "value", ["2026-01-15T12:00:00Z", "2026-01-15T13:00:00+01:00", "2026-01-15T12:00:00.000000000Z"]
)
def test_times(value: str) -> None:
    assert fields(a=value).time("a") == datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert fields().time("a") is None


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-15",
        "2026-01-15T12:00:00",
        "2026-13-15T12:00:00Z",
        "2026-01-15 12:00:00Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="the thing, a is not a time"):
        fields(a=value).time("a")


def test_wrong_kinds_are_refused() -> None:
    with pytest.raises(Refused, match="the thing, a is not a string"):
        fields(a=1).text("a")
    with pytest.raises(Refused, match="the thing has no a"):
        fields().object("a", ())
    with pytest.raises(Refused, match="the thing, a is a string, not an object"):
        fields(a="x").object("a", ())
    with pytest.raises(Refused, match="the thing, a is an object, not a list"):
        fields(a={}).items("a", 1)
    with pytest.raises(Refused, match="the thing, a has 2 items; at most 1 are read"):
        fields(a=[1, 2]).items("a", 1)
    with pytest.raises(Refused, match=r"the thing, a\[1\] is a number, not an object"):
        fields(a=[{}, 2]).objects("a", (), 2)


def test_absence_reads_as_zero() -> None:
    empty = fields(a=None)
    assert (empty.text("a"), empty.bytes("b"), empty.items("a", 1), "a" in empty) == ("", b"", [], False)
