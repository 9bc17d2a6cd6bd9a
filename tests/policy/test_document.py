from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.policy import document
from gate.policy.document import parse


def refused(data: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        parse(data, "p.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -3", {"a": -3}),
        ("a: 0", {"a": 0}),
        ("a: 1.50", {"a": 1.5}),
        ("a: true\nb: False\nc: NULL\nd: ~\ne:", {"a": True, "b": False, "c": None, "d": None, "e": None}),
        ("a: no\nb: off\nc: Yes\nd: on", {"a": "no", "b": "off", "c": "Yes", "d": "on"}),
        ("a: 2026-12-31", {"a": "2026-12-31"}),
        ("a: '010'\nb: \"1\"\nc: |\n  5\nd: >-\n  true", {"a": "010", "b": "1", "c": "5\n", "d": "true"}),
        ("a: [x, [y], {b: c}]\n'q': []\nr: {}", {"a": ["x", ["y"], {"b": "c"}], "q": [], "r": {}}),
        (
            "a: 1.2.3\nb: 12:80:99\nc: '<<'\nd: _\ne: .\nf: -x",
            {"a": "1.2.3", "b": "12:80:99", "c": "<<", "d": "_", "e": ".", "f": "-x"},
        ),
        ("\ufeffa: ü # comment\r\nb: 2\r\n", {"a": "ü", "b": 2}),
        ("--- # one document\na: 1\n...\n", {"a": 1}),
    ],
)
def test_plain_documents_are_read(text: str, value: object) -> None:
    assert parse(text.encode(), "p.yaml").plain() == value


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"# only a comment\n", b"null", b"~\n", b"---\n", b"--- \n...\n", b"\xef\xbb\xbf"]
)
def test_a_document_that_holds_nothing_is_refused(data: bytes) -> None:
    assert refused(data).message == "p.yaml:1:1: the document is empty"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3", "3:1", "the key 'a' stands here a second time, first in line 1"),
        ("x: {a: 1, 'a': 2}", "1:11", "the key 'a' stands here a second time"),
        ("a: &x 1\nb: *x", "1:4", "anchors and aliases"),
        ("a: *x", "1:4", "anchors and aliases"),
        ("&x a: 1", "1:1", "anchors and aliases"),
        ("a: &x [1]", "1:4", "anchors and aliases"),
        ("a: !!python/name:os.system x", "1:4", "the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("a: !!python/object/apply:os.system [id]", "1:4", "the tag "),
        ("a: !!str 1", "1:4", "the tag "),
        ("a: !x {b: 1}", "1:4", "the tag '!x'"),
        ("a: ! 1", "1:4", "the tag "),
        ("<<: {a: 1}", "1:1", "merge keys"),
        ("b:\n  - <<: [{a: 1}]", "2:5", "merge keys"),
        ("? [1, 2]\n: x", "1:3", "a key is a list"),
        ("? {a: 1}\n: x", "1:3", "a key is a mapping"),
        ("1: x", "1:1", "a key is 1"),
        ("true: x", "1:1", "a key is true"),
        (": x", "1:1", "a key is empty"),
        ("a: 1\n--- \nb: 2", "2:1", "a second document"),
        ("a: 1\n---\n", "2:1", "a second document"),
        ("%YAML 1.1\n---\na: no", "2:1", "directives"),
        ("%TAG ! tag:evil,2000:\n---\na: 1", "2:1", "directives"),
        ("a: [1, 2", "1:9", "this is not valid YAML"),
        ("a: b: c", "1:5", "this is not valid YAML"),
        ("a: b\n\tc: d", "2:1", "this is not valid YAML"),
        ("a: \"\\x\"", "1:7", "this is not valid YAML"),
        ('a: "\\U00110000"', "1:1", "this is not valid YAML"),
        ('a: "\\UFFFFFFFF"', "1:1", "this is not valid YAML"),
        ("%YAML 1.77\n---\na: 1", "1:1", "this is not valid YAML"),
        ("%YAML " + "9" * 5_000 + ".1\n---\na: 1", "1:1", "this is not valid YAML"),
        ("a: 'open", "1:9", "this is not valid YAML"),
        ("a: 1\n b: 2", "2:3", "this is not valid YAML"),
        ("a: x\x00", "1:5", "the character U+0000"),
        ("a: 1\nb: \x1b[31m", "2:4", "the character U+001B"),
        ('a: "\\ud800\\udc00"', "1:4", "an escape stands for half a character"),
        ("# note\u2028exceptions: []", "1:7", "the character U+2028"),
        ("a: b\x85c", "1:5", "the character U+0085"),
        ("a: 1\rb: 2", "1:5", "the character U+000D"),
        ("a: 1\nb: x\u202ey", "2:5", "the character U+202E"),
        ("a: \ufffe", "1:4", "the character U+FFFE"),
    ],
)  # fmt: skip
def test_what_readers_disagree_on_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    error = refused(text.encode("utf-8", "surrogatepass"))
    assert error.message.startswith(f"p.yaml:{place}: {words}")


@pytest.mark.parametrize(
    "number",
    ["010", "0o10", "0x1F", "0b11", "+3", "1_000", "1e3", "1.0e+3", ".5", "5.", "-.inf", ".NaN", "1:30", "190:20:30.15", "00", "-01", "9" * 19],
)  # fmt: skip
def test_numbers_that_versions_of_yaml_read_differently_are_refused(number: str) -> None:
    assert f"{number[:40]} is read as different values" in refused(f"days: {number}".encode()).message
    assert parse(f"days: '{number}'".encode(), "p").plain() == {"days": number}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: \xff", "1:4"),
        (b"\xef\xbb\xbfa: \xff", "1:4"),
        (b"a: 1\n\xc3(", "2:1"),
        (b"\xed\xa0\x80", "1:1"),
        ("a: 1".encode("utf-16"), "1:1"),
    ],
)
def test_what_is_not_utf_8_is_refused(data: bytes, place: str) -> None:
    assert re.match(rf"p\.yaml:{place}: the byte 0x[0-9A-F]{{2}} is not UTF-8", refused(data).message)


@pytest.mark.parametrize("data", [b"[" * 5_000, b"{a: " * 4_000, b"- " * 5_000, b"? " * 5_000])
def test_depth_is_bounded(data: bytes) -> None:
    assert "nests deeper than 32 levels" in refused(data).message


def test_thirty_two_levels_are_read() -> None:
    assert parse(b"[" * 32 + b"]" * 32, "p").value


def test_size_is_bounded() -> None:
    line = b"# 3456789\n"
    rest = document.DOCUMENT_LIMIT % len(line)
    fitting = b"a: 1".ljust(rest - 1) + b"\n" + line * (document.DOCUMENT_LIMIT // len(line))
    assert len(fitting) == document.DOCUMENT_LIMIT
    assert parse(fitting, "p").plain() == {"a": 1}
    assert "more than 1,048,576 bytes" in refused(fitting + b"\n").message
    assert "more than 1,048,576 bytes" in refused(b"\xef\xbb\xbf" + fitting).message


def test_lines_are_bounded() -> None:
    assert parse(b"a: " + b"x" * (document.LINE_LIMIT - 3), "p").value
    assert refused(b"a: 1\nb: " + b"x" * (document.LINE_LIMIT - 2)).message.startswith(
        "p.yaml:2:1: the line has more"
    )


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "NODE_LIMIT", 10)
    assert parse(b"[1, 2, 3, 4, 5, 6, 7, 8, 9]", "p").value
    assert "more than 10 values" in refused(b"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]").message


@pytest.mark.parametrize(
    "data",
    [b"- !" + b"a" * 16_000 + b" x\n", b"k: " + b"1_" * 8_000 + b"x\n", b"a: 1" + b":1" * 8_000 + b"x\n", b"%" * 16_000 + b"\n"],
)  # fmt: skip
def test_no_line_takes_long(data: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(InvalidInput):
        parse(data, "p")
    assert time.process_time() - start < 2


def test_nodes_know_their_places() -> None:
    root = parse(b"rules:\n  max-age:\n    days: 90\n  x:\n", "p")
    node = root.find(["rules", "max-age", "days"])
    assert (str(node.mark), str(node.key)) == ("p:3:11", "p:3:5")
    assert str(root.find(["rules", "x"]).mark) == "p:4:3"
    assert (str(root.mark), root.key) == ("p:1:1", None)


TEXTS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")))
SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES.filter(lambda value: value is not None))
def test_json_is_read_as_json_means_it(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).replace('"<<"', '"<"')
    value = json.loads(text)
    assert parse(text.encode(), "p").plain() == value


@given(st.binary(max_size=200) | st.text(alphabet="ab:-?[]{}&*!|>'\"%@#\\U\n \t,~10.<").map(str.encode))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    try:
        found = parse(data, "p.yaml").plain()
    except InvalidInput as error:
        message = error.message
    else:
        message = "p.yaml:1:1: " if found is not None else ""
    assert re.match(r"p\.yaml:[1-9][0-9]*:[1-9][0-9]*: ", message)
