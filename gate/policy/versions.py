"""Ranges of package versions, such as `>=1.2 <1.4`, in the order of the package's own ecosystem.

Unclear is "outside": a version that its ecosystem's order does not know, or an ecosystem without one, lies in no range.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from gate.errors import InvalidInput

if TYPE_CHECKING:
    from packageurl import PackageURL

LONGEST_VERSION = 128
"""Characters of a version: real ones stay below 60, and the library's patterns are slow on long ones."""
_BOUND = re.compile(r"(>=|<=|>|<|=)\s*([^\s,<>=]+)")
_BETWEEN = re.compile(r"\s*(?:,\s*)?")


class VersionRange(str):
    """The text of a range that is known to parse: bounds, all of which hold, separated by spaces or commas."""

    __slots__ = ()
    SYNTAX = 'bounds that all hold, such as ">=1.2 <1.4" (>=, >, <=, <, =)'

    @classmethod
    def parse(cls, value: str) -> VersionRange:
        """Parse a range; raises `InvalidInput`."""
        if not _bounds(value):
            raise InvalidInput(f"{value[:100]!r} is no range of versions", hint=f"allowed: {cls.SYNTAX}")
        return cls(value)

    def holds(self, purl: PackageURL) -> bool:
        """Whether the package's version is clearly within every bound."""
        version = version_of(purl)
        return bool(version) and all(
            _compare(purl.type, version, relation, bound) for relation, bound in _bounds(self)
        )


def version_of(purl: PackageURL) -> str:
    """Return the version with its epoch, which package URLs of distributions may state apart; empty where there is none."""
    version = purl.version or ""
    epoch = str(purl.qualifiers.get("epoch", ""))
    return f"{epoch}:{version}" if version and epoch not in ("", "0") and ":" not in version else version


def _bounds(text: str) -> tuple[tuple[str, str], ...]:
    """Split a range into relations and versions; empty if any part of it is neither."""
    found, at = [], 0
    stripped = text.strip()
    while at < len(stripped):
        match = _BOUND.match(stripped, at)
        if match is None or len(match[2]) > LONGEST_VERSION:
            return ()
        found.append((match[1], match[2]))
        separator = _BETWEEN.match(stripped, match.end())
        at = separator.end() if separator else match.end()
    return () if stripped.endswith(",") else tuple(found)


@lru_cache(maxsize=4096)
def _compare(ecosystem: str, version: str, relation: str, bound: str) -> bool:
    """Whether `version` stands in `relation` to `bound` in the order of an ecosystem."""
    from gate.packages.version_order import ECOSYSTEMS, order_of  # here, because few exceptions name versions

    if ecosystem not in ECOSYSTEMS or len(version) > LONGEST_VERSION:
        return False
    parse = order_of(ecosystem, (version, bound))
    if parse is None:
        return False
    try:
        have, want = parse(version), parse(bound)
        less, equal, more = bool(have < want), bool(have == want), bool(have > want)
    except Exception:  # noqa: BLE001 -- whatever the library makes of a hostile version, it is not clearly in the range
        return False
    if [less, equal, more].count(True) != 1:
        return False
    return {"<": less, "<=": less or equal, "=": equal, ">=": more or equal, ">": more}[relation]
