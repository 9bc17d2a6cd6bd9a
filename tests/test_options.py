from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from msgspec import field

from gate.errors import InvalidInput
from gate.options import (
    Mark,
    Node,
    Options,
    Text,
    decode,
    describe,
    encode,
    json_schema,
    option_table,
    shown,
    suggestion,
)
from gate.policy.catalogue import Catalogue
from gate.policy.document import parse


class Colour(str):
    """A text that is checked when it is decoded."""

    __slots__ = ()
    SYNTAX = "the name of a colour"

    @classmethod
    def parse(cls, value: str) -> Colour:
        if value not in ("red", "blue"):
            raise InvalidInput(f"{value!r} is no colour", hint="red or blue")
        return cls(value)


class Inner(Options):
    name: Annotated[Text, describe("A name.")] = "x"


class Sample(Options):
    """Every kind of field that options use."""

    days: Annotated[int, describe("Days.", ge=1, le=10)]
    at_least: Annotated[int, describe("A lower bound.", ge=2)] = 2
    at_most: Annotated[float, describe("An upper bound.", le=2.5)] = 1.5
    level: Annotated[Literal["low", "high"], describe("A choice.")] = "low"
    strict_mode: Annotated[bool, describe("A switch.")] = False
    until: Annotated[date, describe("A date.")] = date(2026, 1, 2)
    names: Annotated[tuple[Text, ...], describe("Names.", min_length=1)] = ("a",)
    pattern: Annotated[str, describe("A pattern.", pattern="^a+$")] = "a"
    colour: Annotated[Colour, describe("A colour.")] = field(default_factory=lambda: Colour("red"))
    inner: Annotated[Inner, describe("Another mapping.")] = field(default_factory=Inner)
    maybe: Annotated[int, describe("Perhaps a number.")] | None = None
    counts: dict[str, int] = field(default_factory=dict)


def read(text: str) -> Sample:
    return decode(parse(text.encode(), "f.yaml"), Sample, "it")


def test_values_are_decoded() -> None:
    found = read(
        "days: 3\nlevel: high\nstrict-mode: true\nuntil: 2026-12-31\nnames: [a, b]\ncolour: blue\n"
        "inner: {name: y}\nmaybe: 4\ncounts: {a: 1}\nat-most: 2\n"
    )
    assert (found.days, found.level, found.strict_mode, found.until) == (3, "high", True, date(2026, 12, 31))
    assert (found.names, found.colour, found.inner.name, found.maybe, found.counts) == (
        ("a", "b"),
        "blue",
        "y",
        4,
        {"a": 1},
    )
    assert found.at_most == 2.0


def test_options_are_frozen_and_by_name() -> None:
    found = read("days: 3")
    with pytest.raises(AttributeError):
        found.days = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Sample(3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("level: low", "1:1", "it lacks the key 'days'", "keys: days, at-least"),
        ("days: '3'", "1:7", "it.days is the text '3'", "allowed: a whole number from 1 to 10"),
        ("days: 0", "1:7", "it.days is 0", "allowed: a whole number from 1 to 10"),
        ("days: 11", "1:7", "it.days is 11", "from 1 to 10"),
        ("days: 1.0", "1:7", "it.days is 1.0", "a whole number"),
        ("days: true", "1:7", "it.days is true", "a whole number"),
        ("days:", "1:1", "it.days is empty", "a whole number"),
        ("days: [1]", "1:7", "it.days is a list", "a whole number"),
        ("days: 1\nat-least: 1", "2:11", "it.at-least is 1", "a whole number, at least 2"),
        ("days: 1\nat-most: 3", "2:10", "it.at-most is 3", "a number, at most 2.5"),
        ("days: 1\nlevel: hgh", "2:8", "it.level is the text 'hgh'", "allowed: high, low"),
        ("days: 1\nlevel: no", "2:8", "it.level is the text 'no'", "allowed: high, low"),
        ("days: 1\nstrict-mode: no", "2:14", "it.strict-mode is the text 'no'", "true or false; write false"),
        ("days: 1\nstrict-mode: Yes", "2:14", "it.strict-mode is the text 'Yes'", "write true"),
        ("days: 1\nstrict-mode: 1", "2:14", "it.strict-mode is 1", "true or false"),
        ("days: 1\nuntil: 2026-02-30", "2:8", "it.until is the text '2026-02-30'", "a date such as"),
        (
            "days: 1\nnames: []",
            "2:8",
            "it.names is an empty list",
            "a list, not empty, of: a text, not empty",
        ),
        ("days: 1\nnames:\n  - a\n  - 2", "4:5", "it.names[1] is 2", "a text, not empty"),
        ("days: 1\nnames: ['']", "2:9", "it.names[0] is an empty text", "a text, not empty"),
        ("days: 1\npattern: b", "2:10", "it.pattern is the text 'b'", "a text like ^a+$"),
        ("days: 1\ncolour: green", "2:9", "it.colour: 'green' is no colour (red or blue)", ""),
        ("days: 1\ncolour: 3", "2:9", "it.colour: 3 where a text belongs", ""),
        ("days: 1\ninner: {nme: y}", "2:9", "it.inner has no key 'nme'", "did you mean 'name'?"),
        ("days: 1\ninner: {name: 1}", "2:15", "it.inner.name is 1", "a text"),
        ("days: 1\ninner: x", "2:8", "it.inner is the text 'x'", "a mapping with the keys name"),
        ("days: 1\nmaybe: x", "2:8", "it.maybe is the text 'x'", "a whole number or nothing"),
        ("days: 1\ncounts: {a: x}", "2:9", "it.counts is a mapping", "a mapping from text to a whole number"),
        ("days: 1\ndais: 2", "2:1", "it has no key 'dais'", "did you mean 'days'?"),
        ("[1]", "1:1", "it is a list", "a mapping with the keys days"),
    ],
)
def test_errors_say_where_what_and_what_is_allowed(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert caught.value.message.startswith(f"f.yaml:{place}: {message}")
    assert hint in caught.value.hint


def test_text_that_looks_like_a_path_of_msgspec_does_not_confuse() -> None:
    with pytest.raises(InvalidInput, match=r"^f.yaml:2:8"):
        read("days: 1\nlevel: 'x - at `$.days'")


def test_finding_goes_as_far_as_there_is_something() -> None:
    node = parse(b"a: {b: [1, 2]}", "f")
    assert node.find(["a", "b", 1]).value == 2
    assert node.find(["a", "b", 7]).plain() == [1, 2]
    assert node.find(["a", "x", "y"]) is node.value["a"]
    assert node.find(["a", "b", "c"]).plain() == [1, 2]


def test_plain_values_can_be_wrapped() -> None:
    value: dict[str, Any] = {"a": [1, {"b": None}], "c": "x"}
    node = Node.of(value, Mark("f", 1, 1))
    assert node.plain() == value
    assert str(node.find(["a", 1, "b"]).mark) == "f:1:1"


def test_a_node_that_is_no_mapping_says_so() -> None:
    with pytest.raises(InvalidInput, match=r"f:1:1: rules is a list"):
        parse(b"[1]", "f").mapping("rules")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "empty"),
        (False, "false"),
        ({}, "a mapping"),
        ([], "an empty list"),
        ("", "an empty text"),
        ("a" * 99, f"the text '{'a' * 60}'"),
        ("\x1b[31m\u202e", "the text '\\x1b[31m\\u202e'"),
    ],
)
def test_values_are_shown_safely(value: object, words: str) -> None:
    assert shown(value) == words


def test_suggestions_name_the_nearest_and_all() -> None:
    assert (
        suggestion("NO-SHEL", ["no-shell", "max-age"])
        == "did you mean 'no-shell'? allowed: max-age, no-shell"
    )
    assert suggestion("zzz", ["b", "a"]) == "allowed: a, b"


def test_encoding_gives_back_what_yaml_says() -> None:
    found = encode(read("days: 3\ncolour: blue"))
    assert found["days"] == 3
    assert found["strict-mode"] is False
    assert found["colour"] == "blue"
    assert type(found["colour"]) is str
    assert found["until"] == "2026-01-02"


def test_the_option_table_has_a_row_per_field() -> None:
    table = {name: row for name, *row in option_table(Sample)}
    assert table["days"] == ["a whole number from 1 to 10", "", "Days."]
    assert table["strict-mode"] == ["true or false", "false", "A switch."]
    assert table["names"] == ["a list, not empty, of: a text, not empty", '["a"]', "Names."]
    assert table["colour"] == ["the name of a colour", '"red"', "A colour."]
    assert table["inner"][1] == '{"name":"x"}'
    assert table["maybe"] == ["a whole number or nothing", "null", "Perhaps a number."]
    assert table["counts"] == ["a mapping from text to a whole number", "{}", ""]


def test_the_schema_names_bounds_and_forbids_other_keys() -> None:
    (reference,), definitions = json_schema(Sample)
    schema = definitions[reference["$ref"].removeprefix("#/$defs/")]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["days"] == {
        "type": "integer",
        "description": "Days.",
        "minimum": 1,
        "maximum": 10,
    }
    assert schema["properties"]["colour"]["type"] == "string"


@pytest.mark.parametrize("name", Catalogue())
def test_every_rules_options_are_described_and_have_plain_defaults(name: str) -> None:
    kind = Catalogue()[name].options
    for option, allowed, default, description in option_table(kind):
        assert description.endswith("."), f"{name}.{option} needs a sentence that describes it"
        assert allowed != "a value", f"{name}.{option} accepts anything"
        if default:
            assert "object at 0x" not in default
    required = any(not default for _, _, default, _ in option_table(kind))
    if name == "base-image":  # any one of three options suffices
        with pytest.raises(InvalidInput, match="no base can be recognised"):
            decode(Node({}, Mark("f", 1, 1)), kind, name)
    elif not required:
        assert decode(Node({}, Mark("f", 1, 1)), kind, name) == kind()
