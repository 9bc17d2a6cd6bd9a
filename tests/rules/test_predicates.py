"""Types of attestations, and values in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.options import Mark, Node, decode
from gate.rules._predicates import Condition, Pointer, PredicateType, is_version_of, unequal

DOCUMENT = {
    "a": {"b": [{"c": 1}, "x"], "": "empty", "d/e": 2, "f~g": 3, "none": None, "yes": True},
    "text": "1",
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("/text", "1"),
        ("/a/b/0/c", 1),
        ("/a/b/1", "x"),
        ("/a/", "empty"),
        ("/a/d~1e", 2),
        ("/a/f~0g", 3),
        ("/a/yes", True),
    ],
)
def test_pointers(place: str, value: object) -> None:
    assert unequal(Pointer.parse(place), DOCUMENT, (value,)) == ""


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("/text", 1, "/text is '1', not 1"),
        ("/a/b/0/c", "1", "/a/b/0/c is 1, not '1'"),
        ("/a/b/0/c", True, "/a/b/0/c is 1, not True"),
        ("/a/b/0/c", 1.0, "/a/b/0/c is 1, not 1.0"),
        ("/a/yes", 1, "/a/yes is True, not 1"),
        ("/a/none", "", "/a/none is None, not ''"),
        ("/a/b", "x", "/a/b is a list, not 'x'"),
        ("/a", "x", "/a is an object, not 'x'"),
        ("/a/b/2", "x", "/a/b/2 is not stated, not 'x'"),
        ("/a/b/-1", "x", "/a/b/-1 is not stated, not 'x'"),
        ("/a/b/-", "x", "/a/b/- is not stated, not 'x'"),
        ("/a/b/²", "x", "/a/b/² is not stated, not 'x'"),
        ("/A", "x", "/A is not stated, not 'x'"),
        ("/text/0", "1", "/text/0 is not stated, not '1'"),
    ],
)
def test_what_is_there_instead(place: str, value: object, said: str) -> None:
    assert unequal(Pointer.parse(place), DOCUMENT, (value,)) == said


@pytest.mark.parametrize("value", ["", "a", "a.b", "$.a"])
def test_what_is_no_pointer(value: str) -> None:
    with pytest.raises(InvalidInput):
        Pointer.parse(value)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.text())
def test_any_pointer_into_any_document_is_harmless(document: Any, place: str) -> None:
    unequal(Pointer.parse(f"/{place}"), json.loads(json.dumps(document)), ("x",))


def condition(**given: Any) -> Condition:
    return decode(Node.of(given, Mark("p", 1, 1)), Condition, "it")


def test_conditions() -> None:
    assert condition(field="/text", equals="1").fault(DOCUMENT) == ""
    assert condition(**{"field": "/text", "any-of": ["2", "1"]}).fault(DOCUMENT) == ""
    assert condition(**{"field": "/text", "any-of": ["2", 1]}).fault(DOCUMENT) == "/text is '1', not '2' or 1"
    for wrong in ({"field": "/a"}, {"field": "/a", "equals": 1, "any-of": [1]}, {"field": "a", "equals": 1}):
        with pytest.raises(InvalidInput):
            condition(**wrong)


def test_types() -> None:
    assert PredicateType.parse("spdx") == "https://spdx.dev/Document"
    assert PredicateType.parse("https://example.com/x") == "https://example.com/x"
    with pytest.raises(InvalidInput):
        PredicateType.parse("spdxx")
    assert is_version_of("https://spdx.dev/Document/v2.3", "https://spdx.dev/Document")
    assert not is_version_of("https://spdx.dev/Documents", "https://spdx.dev/Document")
