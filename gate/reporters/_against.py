"""What changed since an earlier report, or against another image, in few words. Everything returned is safe to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gate.printable import shown
from gate.reporters._words import items, word

SHOWN = 10
"""Findings of a kind that are listed without --verbose."""
_KINDS = (
    ("new", "+ ", "new"),
    ("fixed", "- ", "fixed"),
    ("accepted", "~ ", "accepted since"),
    ("not_told", "? ", "not told: its rule did not run, or could not be decided"),
)


def since(run: Mapping[str, object], *, verbose: bool) -> tuple[str, list[tuple[str, str]]]:
    """Return title and lines, each with what it starts with; no lines where nothing was compared."""
    facts = run.get("against")
    if not isinstance(facts, Mapping):
        return "", []
    title = f"SINCE {word(facts, 'report')} OF {word(facts, 'started')}"
    if facts.get("image"):
        title = f"AGAINST {word(facts, 'report')}"
    lines = [*_changes(facts, "")]
    for image in _items(facts, "images"):
        lines += _image(image, verbose=verbose)
    kinds = (
        ("only_before", "not in this run"),
        ("only_now", "not in what it is compared with"),
        ("not_judged", "could not be judged for comparison"),
    )
    for name, what in kinds:
        lines += [("! ", f"{what}: {shown(str(item))}") for item in items(facts, name)]
    return title, lines or [("", "nothing changed")]


def _image(image: Mapping[str, Any], *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Yield the lines of one image; none where nothing changed."""
    lines = list(_changes(image, "  "))
    for name, mark, what in _KINDS:
        found = _items(image, name)
        limit = len(found) if verbose else SHOWN
        lines += [(f"  {mark}", f"{what}: {_finding(item)}") for item in found[:limit]]
        if len(found) > limit:
            lines.append(("    ", f"and {len(found) - limit} more (--verbose lists all)"))
    fell = image.get("fell")
    for rule in fell if isinstance(fell, list) else []:
        lines.append(
            ("  ! ", f"{shown(str(rule))} found much before and nothing now: see that it still looks")
        )
    status = image.get("status")
    was, is_ = (word(status, name) for name in ("before", "now")) if isinstance(status, Mapping) else ("", "")
    if lines or was != is_:
        counts = ", ".join(
            f"{len(_items(image, name))} {name.replace('_', ' ')}"
            for name, _, _ in _KINDS
            if _items(image, name)
        )
        head = f"{word(image, 'reference')} ({word(image, 'platform')}): was {was}, is {is_}"
        yield "", f"{head}; {counts}" if counts else head
    yield from lines


def _changes(facts: Mapping[str, Any], indent: str) -> Iterator[tuple[str, str]]:
    """Yield what changed beside the findings."""
    for item in _items(facts, "changed"):
        before, now = (word(item, name) or "none" for name in ("before", "now"))
        yield f"{indent}~ ", f"{word(item, 'what')}: {before} → {now}"


def _finding(item: Mapping[str, Any]) -> str:
    """Return one finding in a line."""
    where = " ".join(part for part in (word(item, "package"), word(item, "path")) if part)
    what = word(item, "id") or word(item, "message")
    return f"{word(item, 'rule')} {what} ({word(item, 'severity')}) {where}".rstrip()


def _items(facts: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of mappings, empty where there is none."""
    return [item for item in items(facts, name) if isinstance(item, Mapping)]
