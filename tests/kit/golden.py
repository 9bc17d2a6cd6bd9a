"""Golden files: what users read, kept as files that a reviewer can read too."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent.parent


def assert_golden(name: str, text: str) -> None:
    """Compare with the file `tests/<name>`; with UPDATE_GOLDEN=1 it is written, and the test fails all the same."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        raise AssertionError(f"wrote {path}; review it, then run without UPDATE_GOLDEN")
    assert text == path.read_text(encoding="utf-8"), f"{name} differs; UPDATE_GOLDEN=1 writes it anew"
