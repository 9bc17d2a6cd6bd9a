"""Bases, and images that are or are not built on them, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from gate.evidence import Base, BaseClaim
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference

AMD64 = Platform("linux", "amd64")


def digest(word: str) -> Digest:
    """A digest of its own for every word of hexadecimal digits."""
    return Digest("sha256", f"{word:0>64}")


def layers(words: str) -> tuple[str, ...]:
    """Diff IDs, one for each character."""
    return tuple(str(digest(word)) for word in words)


def base(
    name: str = "docker.io/library/debian:12", words: str = "ab", version: str = "1", **more: Any
) -> Base:
    """A base whose layers are `layers(words)`; its digests tell the version."""
    facts: dict[str, Any] = {"platform": AMD64, "recorded": date(2026, 6, 1), **more}
    return Base(
        Reference.parse(name), digest(f"d{version}"), digest(f"e{version}"), diff_ids=layers(words), **facts
    )


def claim(text: str, version: str = "", place: str = "a label") -> BaseClaim:
    """What an image says of its base."""
    try:
        name: Reference | None = Reference.parse(text)
    except Exception:  # noqa: BLE001 -- no name, whatever it is
        name = None
    return BaseClaim(text, name, digest(f"d{version}") if version else None, place)


def names(bases: Sequence[Base]) -> list[str]:
    """The names of bases."""
    return [str(one.name) for one in bases]
