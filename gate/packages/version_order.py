"""The order of versions, each in that of its ecosystem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

ECOSYSTEMS = frozenset(
    [
        "alpm",
        "apk",
        "cargo",
        "composer",
        "conan",
        "deb",
        "gem",
        "golang",
        "hex",
        "maven",
        "npm",
        "nuget",
        "pypi",
        "rpm",
    ]
)
"""Types of package URLs whose versions have one order; `generic` and the like say nothing of theirs."""
_NUMBERS = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){0,2}", re.ASCII)


def order_of(kind: str, versions: Iterable[str]) -> Callable[[str], Any] | None:
    """Return what makes comparable values of these versions of a type of package URL; None where it has no order.

    What is returned raises whatever `univers` does for a version that it does not understand. That takes 0.2 s to
    import, so it is not asked about versions such as 1.20.10 and 1.21.3: as many numbers each, which every ecosystem
    compares one by one, up to three (semantic versions have no fourth).
    """
    lengths = {text.count(".") if _NUMBERS.fullmatch(text) else -1 for text in versions}
    if kind in ECOSYSTEMS and len(lengths) == 1 and -1 not in lengths:
        return _numbers
    from univers.version_range import RANGE_CLASS_BY_SCHEMES

    order: Callable[[str], Any] | None = getattr(RANGE_CLASS_BY_SCHEMES.get(kind), "version_class", None)
    return order


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version that consists of nothing else."""
    return tuple(map(int, version.split(".")))
