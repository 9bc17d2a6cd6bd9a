"""A cache folder of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gate.cache import Cache, open_cache


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """The cache at `cache`."""
    with open_cache(tmp_path / "cache") as opened:
        yield opened
