"""YAML as other tools write it: read as they read it where it matters, and within bounds."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.limits import Limits
from gate.sources.tool_yaml import Reader, Value


def plain(value: Value) -> Any:
    """A value without places."""
    if isinstance(value.value, dict):
        return {key: plain(below) for key, below in value.value.items()}
    if isinstance(value.value, list):
        return [plain(below) for below in value.value]
    return value.value


def documents(text: str) -> list[Any]:
    return [plain(document) for document in Reader("f").documents(text)]


def only(text: str) -> tuple[Reader, Value]:
    """A reader and the one document of a text."""
    reader = Reader("f")
    (document,) = reader.documents(text)
    return reader, document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b", [{"a": "b"}]),
        ("a: 1\nb: yes\nc: 'x'\nd: ~\ne:\n", [{"a": "1", "b": "yes", "c": "x", "d": None, "e": None}]),
        ("---\n---\na: b\n---\n# no\n...\n---\n[c]\n", [{"a": "b"}, ["c"]]),
        ("x: &x {a: b}\ny: *x\nz: [*x, *x]", [{"x": {"a": "b"}, "y": {"a": "b"}, "z": [{"a": "b"}] * 2}]),
        ("x: &x {a: 1, b: 1}\ny: {<<: *x, b: 2}", [{"x": {"a": "1", "b": "1"}, "y": {"a": "1", "b": "2"}}]),
        ("x: &x {a: 1}\ny: {b: 2, <<: *x, a: 3}", [{"x": {"a": "1"}, "y": {"a": "3", "b": "2"}}]),
        ("x: &x {a: 1}\nw: &w {a: 2, c: 3}\ny: {<<: [*x, *w]}", [{"x": {"a": "1"}, "w": {"a": "2", "c": "3"}, "y": {"a": "1", "c": "3"}}]),
        ("x: &x {a: 1}\nw: &w {<<: *x, b: 2}\ny: {<<: *w}", [{"x": {"a": "1"}, "w": {"a": "1", "b": "2"}, "y": {"a": "1", "b": "2"}}]),
        ("x: &x 1\ny: &x 2\nz: *x", [{"x": "1", "y": "2", "z": "2"}]),
        ("'<<': x", [{"<<": "x"}]),
        ("a: !!str 5\nb: !!null x\nc: ! d\ne: !override [f]", [{"a": "5", "b": None, "c": "d", "e": ["f"]}]),
        ("1: a\nno: b\n~: c", [{"1": "a", "no": "b", "null": "c"}]),
        ('a: "\\u0069mage"\nb: |\n  x\n  y\n', [{"a": "image", "b": "x\ny\n"}]),
    ],
)  # fmt: skip
def test_documents(text: str, expected: list[Any]) -> None:
    assert documents(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: *x", 1, "the alias *x has no anchor before it"),
        ("a: &x\n  b: *x", 2, "the alias *x has no anchor before it"),
        ("a: &x 1\n---\nb: *x", 3, "the alias *x has no anchor before it"),
        ("a:\n  <<: b", 2, "<< merges one mapping"),
        ("a: {<<: [{b: c}, [d]]}", 1, "<< merges one mapping"),
        ("a: {<<: {b: c},\n <<: {d: e}}", 2, "<< merges one mapping"),
        ("? [a]\n: b", 1, "a key is not a text"),
        ("a: b: c", 1, "not valid YAML"),
        ("a: [b", 1, "not valid YAML"),
        ("a: \x07", 1, "it holds a control character"),
        ('a: "\\UFFFFFFFF"', 1, "not valid YAML"),
        ("%YAML 9.9\n---\na", 1, "not valid YAML"),
        ("a: !" + "x" * 2_000 + " b", 1, "a tag of more than 1,024 characters"),
        ("[" * 200, 1, "the document nests deeper than 128 levels"),
        ("- " * 200 + "a", 1, "the document nests deeper than 128 levels"),
    ],
)
def test_what_is_refused(text: str, line: int, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        documents(text)
    assert error.value.message.startswith(f"f:{line}: ")
    assert what in error.value.message
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: b", "b"), ("a:", None), ("b: c", None), ("a: !reset null", None), ("a: !reset [x]", None), ("[a]", None),
        ("x: &x {a: b}\n<<: *x", "b"),
    ],
)  # fmt: skip
def test_looking_up(text: str, found: str | None) -> None:
    reader, document = only(text)
    value = reader.get(document, "a")
    assert (value and value.value) == found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: b\na: c", "the key 'a' stands twice"),
        ("x: &x {a: b, a: c}\ny: {<<: *x}", ""),
        ("<<: {a: b, a: c}", "the key 'a' stands twice"),
        ("a: !env b", "the tag '!env' of 'a' is not supported"),
        ("a: !!binary YQ==", "the tag 'tag:yaml.org,2002:binary' of 'a' is not supported"),
    ],
)
def test_what_is_looked_at_has_one_reading(text: str, what: str) -> None:
    reader, document = only(text)
    if not what:
        assert reader.get(document, "a") is None
        return
    with pytest.raises(InvalidInput) as error:
        reader.get(document, "a")
    assert what in error.value.message


def test_an_own_key_beside_a_merged_mapping_with_it_twice_is_clear() -> None:
    reader, document = only("a: d\n<<: {a: b, a: c}")
    found = reader.get(document, "a")
    assert found
    assert found.value == "d"


def test_what_is_not_looked_at_does_not_matter() -> None:
    reader, document = only("labels: {x: 1, x: 2, y: !env z}\na: b")
    assert reader.get(document, "a")


@pytest.mark.parametrize(
    "text",
    ["1", "1.5", "010", "0x1F", "1e3", "yes", "No", "TRUE", "5:30", ".5", ".inf", "-1", "1_000", "1.2.3"],
)
def test_a_number_is_no_text(text: str) -> None:
    reader, document = only(f"a: {text}\nb: '{text}'\nc: !!str {text}")
    with pytest.raises(InvalidInput, match="put it in quotes"):
        reader.text(document.value["a"], "a")
    assert reader.text(document.value["b"], "b") == reader.text(document.value["c"], "c") == text


@pytest.mark.parametrize("text", ["{a: b}", "[a]", "!x a", ""])
def test_what_is_no_text(text: str) -> None:
    reader, document = only(f"a: {text}")
    with pytest.raises(InvalidInput, match="f:1: it is not a text"):
        reader.text(document.value["a"], "it")


def test_collections_are_what_they_must_be() -> None:
    reader, document = only("a: {b: c, b: d}\ne: !x {f: g}\nh: !x [i]\nj: k")
    for key in ("a", "e", "j"):
        with pytest.raises(InvalidInput):
            reader.mapping(document.value[key], "it")
    for key in ("a", "h", "j"):
        with pytest.raises(InvalidInput, match="it is not a list"):
            reader.items(document.value[key], "it")


BOMBS = {
    "merge": "a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(100)) + "}\n"
    + "".join(f"a{n}: &a{n} {{" + f"<<: [{', '.join([f'*a{n - 1}'] * 50)}], x{n}: y" + "}\n" for n in range(1, 500)),
    "many": "a: [" + "b," * 20_000 + "]",
    "lines": "a:\n" + "- b\n" * 20_000,
    "empty": "- " * 100 + "\n" + "-\n" * 20_000,
    "documents": "--- {}\n" * 20_001,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_values_are_counted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.sources.tool_yaml.LIMITS", Limits(list_values=20_000))
    with pytest.raises(InvalidInput, match="comes to more than 20,000 values"):
        documents(text)


def test_few_aliases_of_many_are_counted_where_they_are_looked_at() -> None:
    reader, document = only(
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    )

    def visit(value: Value) -> None:
        for item in reader.items(value, "it") if isinstance(value.value, list) else ():
            visit(item)

    with pytest.raises(InvalidInput, match="comes to more than 500,000 values"):
        visit(document.value["a11"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "a: " + "x" * 1_000_000, 'a: "' + "x\\n" * 300_000 + '"', "a: |\n" + "  x\n" * 200_000, "# " + "x" * 1_000_000 + "\na: 1",
        "a: &" + "x" * 500_000 + " 1", "a: " + " " * 1_000_000 + "1", "%FOO " + "x" * 500_000 + "\n---\na: 1", "- " * 100_000,
        "{" * 100_000, "[" * 100_000, "? " * 100_000, "a: !<" + "x" * 500_000 + "> b", "!" * 1_000_000, "&" * 1_000_000, "*" * 1_000_000,
        "a: " + "!a " * 300_000, "\n" * 1_000_000,
    ],
    ids=lambda text: f"{text[:6]!r}…",
)  # fmt: skip
def test_no_shape_takes_time_without_end(text: str) -> None:
    started = time.monotonic()
    with suppress(InvalidInput):
        documents(text)
    assert time.monotonic() - started < 30


@given(st.text(st.sampled_from("ab:-{}[]&*!<'\"#|>%~? \n"), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        documents(text)
