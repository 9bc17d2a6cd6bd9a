from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.strict_json import named_fields, objects, parse, size, text, text_map, texts

NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_python_writes_is_read_back(value: Any, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert parse(data, "it") == value


@given(st.binary() | st.binary(max_size=30).map(lambda data: b'{"a":' + data + b"}"))
def test_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        value = parse(data, "it")
    except MalformedImage:
        return
    assert value == json.loads(data)


@given(st.text(st.sampled_from('[]{}",:\\tu0d8fe1-. \n'), max_size=60))
def test_near_misses_are_read_as_python_reads_them_or_malformed(document: str) -> None:
    try:
        value = parse(document.encode(), "it")
    except MalformedImage:
        return
    assert json.dumps(value) == json.dumps(json.loads(document))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(b'{"a": 1, "a": 2}', "has the key 'a' twice", id="J1-twice"),
        pytest.param(b'{"a": 1, "a": 1}', "has the key 'a' twice", id="J1-twice-the-same"),
        pytest.param(b'{"b": [{"a": 1, "\\u0061": 2}]}', "has the key 'a' twice", id="J1-escaped-and-deep"),
        pytest.param(b"[" * 65 + b"]" * 65, "nests deeper than 64 levels", id="J14-deep"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, "nests deeper than 64 levels", id="J14-deep-objects"),
        pytest.param(b"[" * 200_000, "nests deeper than 64 levels", id="J14-unclosed"),
        pytest.param(b"9" * 5_000, "a number of 5000 digits", id="J14-long-integer"),
        pytest.param(b"1" * 33, "a number of 33 digits", id="J14-33-digits"),
        pytest.param(b"1e400", "1e400, which no reader can represent", id="J14-large-float"),
        pytest.param(b"-1e400", "-1e400, which no reader can represent", id="J14-large-negative-float"),
        pytest.param(b"1." + b"0" * 31, "which no reader can represent", id="J14-long-float"),
        pytest.param(b"NaN", "NaN, which is not JSON", id="J14-nan"),
        pytest.param(b"-Infinity", "-Infinity, which is not JSON", id="J14-infinity"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "not valid JSON", id="J14-byte-order-mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), "not valid UTF-8 (byte 0)", id="J14-utf-16"),
        pytest.param(b'"\xff"', "not valid UTF-8 (byte 1)", id="J14-invalid-utf-8"),
        pytest.param(b'"\xed\xa0\x80"', "not valid UTF-8", id="J14-surrogate-in-utf-8"),
        pytest.param(b'"\\ud800"', "escaped lone surrogate", id="J14-lone-surrogate"),
        pytest.param(b'{"\\udc00\\ud800": 1}', "escaped lone surrogate", id="J14-swapped-surrogates-in-a-key"),
        pytest.param(b'"\x00"', "not valid JSON", id="J14-control-character"),
        pytest.param(b"{} {}", "not valid JSON", id="J14-two-documents"),
        pytest.param(b"{}\x00", "not valid JSON", id="J14-trailing-nul"),
        pytest.param(b"[1,]", "not valid JSON", id="J14-trailing-comma"),
        pytest.param(b"// x\n{}", "not valid JSON", id="J14-comment"),
        pytest.param(b"{'a': 1}", "not valid JSON", id="J14-single-quotes"),
        pytest.param(b"01", "not valid JSON", id="J14-leading-zero"),
        pytest.param(b"+1", "not valid JSON", id="J14-plus"),
        pytest.param(b"0x10", "not valid JSON", id="J14-hexadecimal"),
        pytest.param("\u0661".encode(), "not valid JSON", id="J14-arabic-digit"),
        pytest.param("\xa0{}".encode(), "not valid JSON", id="J14-unicode-space"),
        pytest.param(b'"\\x41"', "not valid JSON", id="J14-unknown-escape"),
        pytest.param(b'"a\\', "not valid JSON", id="J14-cut-in-an-escape"),
        pytest.param(b'"a', "not valid JSON", id="J14-cut-in-a-string"),
        pytest.param(b"", "not valid JSON", id="J14-empty"),
    ],
)  # fmt: skip
def test_what_readers_disagree_on_is_malformed(document: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as error:
        parse(document, "the thing")
    assert "the thing" in error.value.message
    assert message in error.value.message


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        (b'["[[[[", "\\"{{{{", "\\\\"]', ["[[[[", '"{{{{', "\\"]),
        (b"[" + b"[],{}," * 1_000 + b"1]", [[], {}] * 1_000 + [1]),
        (b"1" * 32, int("1" * 32)),
        (b"-0", 0),
        (b"0.1", 0.1),
        (b"1e-400", 0.0),
        (b'"\\ud83d\\ude00 \\\\ud800"', "\U0001f600 \\ud800"),
        (b'"\\u0000"', "\0"),
        (b' \t\r\n{"a": null}\n', {"a": None}),
        (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    ],
)
def test_the_common_ground_is_read(document: bytes, value: Any) -> None:
    assert parse(document, "it") == value


def test_a_document_is_bounded() -> None:
    """J15, promise 6: 4 MiB."""
    assert parse(b"[]".ljust(LIMITS.document), "it") == []
    with pytest.raises(MalformedImage, match="has 4,194,305 bytes; at most 4,194,304 are read"):
        parse(b"[]".ljust(LIMITS.document + 1), "it")
    assert parse(b"[]".ljust(9), "it", limit=9) == []
    with pytest.raises(MalformedImage, match="at most 9 are read"):
        parse(b"[]".ljust(10), "it", limit=9)


@pytest.mark.parametrize(
    "document",
    [
        b"{" + b",".join(b'"%x":1' % number for number in range(300_000)) + b',"0":1}',
        b'"' + b"a" * 4_000_000,
        b'"' + b"\\n" * 2_000_000,
        b'{"' + b"a" * 2_000_000 + b'":1,"' + b"a" * 2_000_000 + b'":2}',
    ],
    ids=["one-of-300,000-keys-twice", "endless-string", "endless-escapes", "a-key-of-2-MB-twice"],
)
def test_large_documents_are_refused_soon_and_in_few_words(document: bytes) -> None:
    started = time.process_time()
    with pytest.raises(MalformedImage) as error:
        parse(document, "it")
    assert time.process_time() - started < 5
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("document", [b'"' + b"a" * 4_000_000 + b'"', b'"' + b"\\n" * 2_000_000 + b'"'])
def test_a_long_string_takes_little_memory(document: bytes) -> None:
    """The search for brackets once kept a place to go back to for every character: 360 MiB for 4 MiB."""
    import tracemalloc

    tracemalloc.start()
    try:
        strict_json._check_depth(document, "it")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("user", "User"),
        ("USER", "User"),
        ("U\u017fer", "User"),
        ("Healthchec\u212a", "Healthcheck"),
    ],
)
def test_keys_that_ignore_case_alike_are_malformed(key: str, seen: str) -> None:
    """J2: to a Go reader U+017F, the long s, is an s, and U+212A, the Kelvin sign, a k."""
    for value in ({key: 1}, {key: 1, seen: 2}, {seen: 2, key: 1}):
        with pytest.raises(MalformedImage, match=f"readers that ignore case see '{seen}'"):
            named_fields(value, ("User", "Healthcheck"), "it")


def test_two_unknown_keys_may_not_be_alike_either() -> None:
    assert named_fields({"a": 1, "b": 2, "User": 3}, ("User",), "it") == {"a": 1, "b": 2, "User": 3}
    with pytest.raises(MalformedImage, match="'A' where readers that ignore case see 'a'"):
        named_fields({"a": 1, "A": 2}, (), "it")
    with pytest.raises(MalformedImage) as error:
        named_fields({"a" * 3_000_000: 1, "A" * 3_000_000: 2}, (), "it")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (text, [("x", "x"), ("", ""), (None, "")], [1, True, [], {}, 1.5]),
        (texts, [(["a", None], ("a", "")), ([], ()), (None, ())], ["a", {}, 1, [1], [["a"]]]),
        (
            text_map,
            [({"a": "b", "A": "c"}, {"a": "b", "A": "c"}), (None, {}), ({"a": None}, {"a": ""})],
            [[], "a", 1, {"a": 1}, {"a": ["b"]}],
        ),
        (size, [(0, 0), (2**63 - 1, 2**63 - 1)], [True, False, -1, 2**63, 1.0, "1", None]),
        (lambda value, what: objects(value, what, limit=2), [([1, 2], [1, 2]), (None, [])], [[1, 2, 3], {}, "a", 1]),
        (lambda value, what: named_fields(value, (), what), [({}, {})], [None, [], "a", 1, True, 1.5]),
    ],
)  # fmt: skip
def test_values_have_the_type_that_is_asked_for(
    read: Callable[[Any, str], Any], good: list[tuple[Any, Any]], bad: list[Any]
) -> None:
    for value, expected in good:
        assert read(value, "it") == expected
    for value in bad:
        with pytest.raises(MalformedImage, match=r"^it "):
            read(value, "it")


@pytest.mark.parametrize(
    ("value", "kind"),
    [({}, "an object"), ([], "a list"), (True, "a boolean"), (1, "a number"), (1.5, "a number")],
)
def test_the_message_names_what_is_there(value: Any, kind: str) -> None:
    with pytest.raises(MalformedImage, match=f"^it is {kind}, not a string"):
        text(value, "it")


def test_the_message_names_null_and_strings() -> None:
    with pytest.raises(MalformedImage, match=r"^it is null, not an object"):
        named_fields(None, (), "it")
    with pytest.raises(MalformedImage, match=r"^it is a string, not a list of strings"):
        texts("a", "it")
    with pytest.raises(MalformedImage, match=r"^it has 3 items; at most 2 are read"):
        objects([1, 2, 3], "it", limit=2)
