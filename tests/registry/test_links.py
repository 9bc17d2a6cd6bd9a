from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import Unavailable
from gate.registry.address import Url
from gate.registry.links import next_page

HERE = Url.parse("https://registry.example.com/v2/shop/api/tags/list?n=2", "x")
PATH = "/v2/shop/api/tags/list"


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("", None),
        ("  ", None),
        (f'<{PATH}?n=2&last=b>; rel="next"', f"{PATH}?n=2&last=b"),
        (f"<{PATH}?last=b>; rel=next", f"{PATH}?last=b"),
        (f'<{PATH}?last=b>;REL="prev next"', f"{PATH}?last=b"),
        (f'<https://registry.example.com{PATH}?last=b>; rel="next"', f"{PATH}?last=b"),
        (f'<https://registry.example.com:443{PATH}?last=b>; rel="next"', f"{PATH}?last=b"),
        (f'<http://registry.example.com{PATH}?last=b>; rel="next"', f"{PATH}?last=b"),
        (f'<http://registry.example.com:5000{PATH}?last=b>; rel="next"', f"{PATH}?last=b"),
        ('<?last=b>; rel="next"', f"{PATH}?last=b"),
        (f'<{PATH}?a>; rel="prev", <{PATH}?b>; title="x, y"; rel="next"', f"{PATH}?b"),
        (f'<{PATH}?a>; rel="prev"', None),
        (f"<{PATH}?a>", None),
        (f'<{PATH}?a>; rel="nextish"', None),
    ],
)  # fmt: skip
def test_the_next_page(value: str, target: str | None) -> None:
    found = next_page(value, HERE)
    assert (found.target if found else None) == target
    if found:
        assert found.origin == HERE.origin


@pytest.mark.parametrize(
    "value",
    [
        f'<https://evil.example.org{PATH}?b>; rel="next"',
        f'<https://user@registry.example.com{PATH}>; rel="next"',
        f'<//evil.example.org{PATH}>; rel="next"',
        '<file:///etc/passwd>; rel="next"',
        '</v2/other/api/tags/list>; rel="next"',
        '</v2/shop/api/../../other/tags/list>; rel="next"',
        "next",
        '<>; rel="next"',
        f'<{PATH}; rel="next"',
        f'<{PATH}>; rel="next',
        f'<{PATH} x>; rel="next"',
        "<" + "a" * 20_000 + '>; rel="next"',
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(value: str) -> None:
    with pytest.raises(Unavailable):
        next_page(value, HERE)


@given(st.text(max_size=200) | st.text('<>;,="relnxt /?', max_size=200))
def test_any_header_leads_nowhere_else(value: str) -> None:
    try:
        found = next_page(value, HERE)
    except Unavailable:
        return
    if found is not None:
        assert found.origin == HERE.origin
        assert found.target.partition("?")[0] == PATH


@pytest.mark.parametrize(
    "value",
    [
        "<a>" * 5_000,
        "<a>;" * 4_000,
        "<a>; a=" + '"' * 9_000,
        "<" * 16_000,
        " " * 16_000 + "x",
        ", " * 8_000 + "x",
    ],
)
def test_no_header_takes_long(value: str) -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable):
        next_page(value, HERE)
    assert time.monotonic() - start < 1
