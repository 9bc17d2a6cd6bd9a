"""Versions in the order of their ecosystem, and that the order of plain numbers is the one that every ecosystem has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from univers.version_range import RANGE_CLASS_BY_SCHEMES

from gate.packages.version_order import ECOSYSTEMS, order_of

NUMBERS = st.integers(0, 10**9 - 1) | st.integers(0, 12)
PAIRS = st.integers(1, 3).flatmap(
    lambda count: st.tuples(*[st.lists(NUMBERS, min_size=count, max_size=count)] * 2)
)


@given(st.sampled_from(sorted(ECOSYSTEMS)), PAIRS)
def test_plain_numbers_have_the_order_that_their_ecosystem_gives_them(
    kind: str, pair: tuple[list[int], list[int]]
) -> None:
    one, other = (".".join(map(str, numbers)) for numbers in pair)
    ours = order_of(kind, (one, other))
    theirs: Any = RANGE_CLASS_BY_SCHEMES[kind].version_class
    assert ours is not None
    assert ours is not theirs
    assert (ours(one) < ours(other)) == (theirs(one) < theirs(other))
    assert (ours(one) == ours(other)) == (theirs(one) == theirs(other))


@pytest.mark.parametrize(
    "versions",
    [
        ("1.0", "1.0.0"),  # the same in some ecosystems, not in others
        ("1.01", "1.1"),
        ("1.0", "1.0-1"),
        ("v1.0", "1.1"),
        ("1.0", "١.0"),
        ("1.0", "1.0\n"),
        ("1.0", ""),
        ("1.0", "1.1234567890"),
        ("0.0.1.0", "0.0.1.1"),  # no order in those of semantic versions
    ],
)
def test_for_anything_else_the_library_is_asked(versions: tuple[str, str]) -> None:
    assert order_of("deb", versions) is RANGE_CLASS_BY_SCHEMES["deb"].version_class


def test_what_has_no_order_has_none() -> None:
    assert order_of("swift", ("1.0", "1.1")) is None
