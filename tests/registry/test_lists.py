from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.registry.address import Url
from gate.registry.lists import pages, referrers_of, tags_of
from gate.registry.transport import Answer
from samples.images.builder import INDEX, Blob

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


def referrers(*types: str) -> bytes:
    """Return a list of referrers of these types."""
    entries = [
        Blob("application/vnd.oci.image.manifest.v1+json", kind.encode()).descriptor(artifactType=kind)
        for kind in types
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def test_referrers_are_filtered_here_too() -> None:
    body = referrers("a/b", "c/d", "a/b")
    assert [entry.artifact_type for entry in referrers_of(body, "")] == ["a/b", "c/d", "a/b"]
    assert [entry.artifact_type for entry in referrers_of(body, "c/d")] == ["c/d"]
    assert list(referrers_of(body, "x/y")) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"schemaVersion":2,"layers":[]}', b'{"schemaVersion":2,"manifests":[{}]}']
)
def test_what_is_no_list_of_referrers(body: bytes) -> None:
    with pytest.raises(MalformedImage):
        list(referrers_of(body, ""))
