"""What others wrote, as texts that are safe to show on one line and not too long, whatever form it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from gate.printable import shown

LONGEST = 2_000
"""Characters of one text: whole sentences, while an image's own texts cannot fill a report."""


@lru_cache(maxsize=4_096)  # the names of packages, scanners and sources come again with every finding
def told(text: str, limit: int = LONGEST) -> str:
    """Return a text that is safe to show, cut only then: so it is cut where it would be if it were read back from JSON."""
    text = shown(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def mapping(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a nested mapping, empty where there is none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def items(facts: Mapping[str, object], name: str) -> Sequence[object]:
    """Return a list, empty where there is none."""
    found = facts.get(name)
    return found if isinstance(found, list | tuple) else ()


def word(facts: Mapping[str, object], name: str) -> str:
    """Return a fact as text, empty where there is none."""
    found = facts.get(name)
    return "" if found is None else told(str(found), 500)


def words(facts: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return a list of facts as texts, without empty ones."""
    return tuple(told(str(item), 200) for item in items(facts, name) if item)
