"""Lists that come in pages, and the one of tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.registry.address import Url
from gate.registry.links import next_page
from gate.registry.messages import Answer

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)

Ask = Callable[[Url], tuple[bytes, Answer]]
"""Asks for one page, with new tries; returns its body and the answer it came with."""


def pages(first: Url, ask: Ask) -> Iterator[tuple[bytes, Answer]]:
    """Yield the pages of a list; raises `Unavailable` where there are more than any list has."""
    url: Url | None = first
    for _ in range(LIMITS.pages):
        if url is None:
            return
        data, answer = ask(url)
        yield data, answer
        # The page may have come from elsewhere by a redirect; the next one is asked where the list was.
        url = next_page(answer.headers.get("link", ""), url)
    if url is not None:
        raise Unavailable(f"the registry's list has more than {LIMITS.pages:,} pages")


def tags_of(data: bytes) -> Iterator[str]:
    """Yield the tags of one page."""
    what = "the list of tags"
    try:
        body: Any = strict_json.parse(data, what)
        found = strict_json.texts(body.get("tags") if isinstance(body, dict) else {}, what)
    except MalformedImage as error:
        raise Unavailable(f"the registry answers with no list of tags: {error.message}") from None
    for tag in found:
        if not _TAG.fullmatch(tag):
            raise Unavailable(f"the registry lists {tag[:200]!r}, which is not a tag")
        yield tag
