"""`image-gate cache`: look at the kept layers and remove them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.cli.exits import Exit, run
from tests.cache.test_upkeep import blobs, filled


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(filled(tmp_path / "cache"))


def test_info_says_what_is_kept(folder: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "info", "--cache-dir", folder]) is Exit.PASS
    assert capfd.readouterr().out == (
        f"{folder}\n"
        "  blobs          3 files     3.0 kB\n"
        "  partial        1 files      500 B\n"
        "  indexes        1 files      200 B\n"
        "  scans          0 files        0 B\n"
    )


def test_prune_leaves_what_was_used_last(folder: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "prune", "--cache-dir", folder, "--max-size", "2KiB"]) is Exit.PASS
    assert capfd.readouterr().out == "removed 2 files, 2.0 kB\n"
    assert blobs(Path(folder)) == {2}


def test_clear_leaves_nothing_of_images(
    folder: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_GATE_CACHE_DIR", folder)
    assert run(["cache", "clear"]) is Exit.PASS
    assert capfd.readouterr().out == "removed 5 files, 3.7 kB\n"
    assert run(["cache", "clear"]) is Exit.PASS
    assert capfd.readouterr().out == "removed 0 files, 0 B\n"


@pytest.mark.parametrize("size", ["", "-1", "1.5GiB", "20GB", "many", "1" * 13])
def test_a_size_is_a_size(size: str, folder: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "prune", "--cache-dir", folder, "--max-size", size]) is Exit.WRONG_REQUEST
    assert "is no size" in capfd.readouterr().err
    assert len(blobs(Path(folder))) == 3
