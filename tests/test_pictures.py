"""The pictures of the README come from a real run and need nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import pictures


@pytest.mark.real
def test_both_pictures_are_made(
    trivy_binary: Path, chromium_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(pictures, "find_trivy", lambda: trivy_binary)
    pictures.main()
    svg = (tmp_path / "images" / "terminal.svg").read_text(encoding="utf-8")
    assert "FIX" in svg
    assert "url(" not in svg.replace("url(#", "")
    assert (tmp_path / "images" / "report.png").read_bytes().startswith(b"\x89PNG")
