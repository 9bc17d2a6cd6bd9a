from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry.address import Url
from gate.registry.lists import pages, tags_of
from gate.registry.messages import Answer

FIRST = Url.parse("https://registry.example.com/v2/x/tags/list", "x")


class Page:
    """The headers of a page."""

    def __init__(self, link: str) -> None:
        self.headers = {"link": link}


def asking(links: Callable[[int], str]) -> Any:
    """Answer the n-th page with the n-th link, and its number as body."""
    asked: list[Url] = []

    def ask(url: Url) -> tuple[bytes, Answer]:
        asked.append(url)
        return str(len(asked)).encode(), cast("Answer", Page(links(len(asked))))

    return ask


def test_pages_are_asked_until_there_is_no_link() -> None:
    ask = asking(lambda number: '<?page=2>; rel="next"' if number == 1 else "")
    assert [body for body, _ in pages(FIRST, ask)] == [b"1", b"2"]


def test_a_list_without_end_is_refused() -> None:
    ask = asking(lambda _: '<?again>; rel="next"')
    found = pages(FIRST, ask)
    read = [next(found) for _ in range(LIMITS.pages)]
    assert len(read) == LIMITS.pages
    with pytest.raises(Unavailable, match="pages"):
        next(found)


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ({"name": "x", "tags": ["1", "latest"]}, ["1", "latest"]),
        ({"tags": None}, []),
        ({"tags": []}, []),
        ({}, []),
    ],
)
def test_tags(body: object, tags: list[str]) -> None:
    assert list(tags_of(json.dumps(body).encode())) == tags


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"tags": "1"}', b'{"tags": [1]}', b'{"tags": ["a b"]}', b'{"tags": ["../x"]}', b'{"tags": ["-x"]}',
     b'{"tags": ["' + b"a" * 129 + b'"]}', b'{"tags": ["a\\n::error::x"]}', b'{"tags": [""]}', b'{"tags":["1"],"tags":["2"]}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_list_of_tags(body: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        list(tags_of(body))
    assert not caught.value.blocks  # it says nothing of an image
