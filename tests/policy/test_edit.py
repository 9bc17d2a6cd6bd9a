"""Exceptions are added and removed, and not a byte beside them changes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.policy import document
from gate.policy.edit import Entry, with_exception, without_exceptions

NEW: Entry = {"rule": "no-shell", "path": "/bin/sh", "until": date(2026, 12, 31), "reason": "why: # 1"}
ADDED = '{rule: no-shell, path: /bin/sh, until: 2026-12-31, reason: "why: # 1"}'


def block(column: int, newline: str = "\n") -> str:
    lines = ["- rule: no-shell", "  path: /bin/sh", "  until: 2026-12-31", '  reason: "why: # 1"']
    return "".join(f"{' ' * column}{line}{newline}" for line in lines)


def added(text: str, entry: Entry = NEW) -> str:
    return with_exception(text.encode(), "p.yaml", entry).decode()


def removed(text: str, *numbers: int) -> str:
    return without_exceptions(text.encode(), "p.yaml", numbers).decode()


COMMENTED = """\
# head
schema: 1   # odd   spacing
exceptions:      # those
    # about a
    - {rule: a,   id: 1}   # end a

    # about b
    - rule: b
      reason: >-
        folded
        text

      # still b
      id: 'x'

# tail of the list
rules: {}   # r
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("schema: 1\n", f"schema: 1\n\nexceptions:\n{block(2)}"),
        ("schema: 1", f"schema: 1\n\nexceptions:\n{block(2)}"),
        ("  schema: 1\n", f"  schema: 1\n\n  exceptions:\n{block(4)}"),
        ("exceptions: []\nschema: 1\n", f"exceptions:\n{block(2)}schema: 1\n"),
        ("exceptions: [ ]  # none yet\nschema: 1\n", f"exceptions:  # none yet\n{block(2)}schema: 1\n"),
        ("exceptions: []", f"exceptions:\n{block(2)}"),
        ("exceptions: [{a: 1}]\n", f"exceptions: [{{a: 1}}, {ADDED}]\n"),
        ("exceptions: [\n  {a: 1},  # x\n]\n", f"exceptions: [\n  {{a: 1}}, {ADDED},  # x\n]\n"),
        ("exceptions:\n- a: 1\n", f"exceptions:\n- a: 1\n{block(0)}"),
        ("exceptions:\n- a: 1", f"exceptions:\n- a: 1\n{block(0)}"),
        (
            "exceptions:\n  - a: 1\n    # of a\n  # of all\nb: 1\n",
            f"exceptions:\n  - a: 1\n    # of a\n{block(2)}  # of all\nb: 1\n",
        ),
        ("exceptions:\n  - a: 1\n    # of a", f"exceptions:\n  - a: 1\n    # of a\n{block(2)}"),
        (
            "exceptions:\n  -\n    a: 1 # x\n# y\nb: 1\n",
            f"exceptions:\n  -\n    a: 1 # x\n{block(2)}# y\nb: 1\n",
        ),
        (
            "exceptions:\n  - a: |\n      x\n      y\n\n\nb: 1\n",
            f"exceptions:\n  - a: |\n      x\n      y\n{block(2)}\n\nb: 1\n",
        ),
        ("a: 1\r\nexceptions:\r\n  - b: 1\r\n", "a: 1\r\nexceptions:\r\n  - b: 1\r\n" + block(2, "\r\n")),
        (COMMENTED, COMMENTED.replace("      id: 'x'\n", f"      id: 'x'\n{block(4)}")),
    ],
)
def test_an_entry_is_added_where_it_belongs(before: str, after: str) -> None:
    assert added(before) == after


@pytest.mark.parametrize(
    ("before", "numbers", "after"),
    [
        ("exceptions:\n  - a: 1\n  - b: 2\n  - c: 3\n", [1], "exceptions:\n  - a: 1\n  - c: 3\n"),
        ("exceptions:\n  - a: 1\n  - b: 2\nc: 1\n", [0, 1], "exceptions: []\nc: 1\n"),
        ("exceptions: # x\n  -\n    a: 1\n# y\n", [0], "exceptions: [] # x\n# y\n"),
        ("exceptions: [{a: 1}, {b: 2}, {c: 3}]\n", [0], "exceptions: [{b: 2}, {c: 3}]\n"),
        ("exceptions: [{a: 1}, {b: 2}, {c: 3}]\n", [1, 2], "exceptions: [{a: 1}]\n"),
        ("exceptions: [{a: 1}, {b: 2}, {c: 3},]\n", [0, 2], "exceptions: [{b: 2},]\n"),
        ("exceptions: [{a: 1}, {b: 2},]\n", [0, 1], "exceptions: []\n"),
        (COMMENTED, [0], COMMENTED.replace("    - {rule: a,   id: 1}   # end a\n", "")),
    ],
)
def test_entries_are_cut_out(before: str, numbers: list[int], after: str) -> None:
    assert removed(before, *numbers) == after


def test_comments_of_others_survive_the_last_entry() -> None:
    text = removed(COMMENTED, 1)
    assert "folded" not in text
    assert "# still b" not in text
    for comment in (
        "# head",
        "# odd",
        "# those",
        "# about a",
        "# end a",
        "# about b",
        "# tail of the list",
        "# r",
    ):
        assert f"{comment}" in text


def test_nothing_to_remove_changes_nothing() -> None:
    assert removed(COMMENTED) == COMMENTED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{schema: 1}\n", "one flow mapping"),
        ("schema: 1\n...\n", "cannot be edited"),
        ("exceptions: {a: 1}\n", "no list"),
        ("exceptions: x\n", "no list"),
        ("a: &x 1\n", "anchors"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        added(text)


@pytest.mark.parametrize("reason", ["\u2028", "\u202e", "\udc80", "\x85"])
def test_texts_that_a_policy_cannot_hold_are_refused(reason: str) -> None:
    with pytest.raises(InvalidInput):
        added("schema: 1\n", {**NEW, "reason": reason})


words = st.one_of(
    st.sampled_from(
        ["yes", "010", "1e3", "~", "null", "- x", "a: b", "a #b", "2026-12-31", ">=1", "[", "{", "*a", "1:30"]
    ),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20),
)
entries = st.fixed_dictionaries(
    {"rule": words, "reason": words, "images": st.lists(words, min_size=1, max_size=2)}
)


@given(st.lists(entries, min_size=1, max_size=4), st.sampled_from([0, 2, 4]), st.data())
def test_what_is_added_is_read_back_and_can_be_taken_out_again(
    new: list[dict[str, Any]], column: int, data: st.DataObject
) -> None:
    start = f"# head\nschema: 1\nexceptions:\n{' ' * column}- old: 1 # mine\n# tail\n"
    text = start.encode()
    for entry in new:
        text = with_exception(text, "p.yaml", entry)
    assert document.parse(text, "p.yaml").plain()["exceptions"] == [{"old": 1}, *new]
    assert without_exceptions(text, "p.yaml", range(1, len(new) + 1)).decode() == start
    chosen = data.draw(st.sets(st.integers(0, len(new))))
    left = document.parse(without_exceptions(text, "p.yaml", chosen), "p.yaml").plain()["exceptions"]
    assert left == [one for number, one in enumerate([{"old": 1}, *new]) if number not in chosen]
