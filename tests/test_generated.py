"""What is generated is fresh: the committed files are what `make generate` would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import GENERATED, ROOT, main


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_fresh(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == GENERATED[name](), (
        f"{name} is stale; run `make generate`"
    )


def test_generating_writes_what_is_missing_or_stale_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("docs.generate.ROOT", tmp_path)
    monkeypatch.setattr("docs.generate.GENERATED", {"a/b.txt": lambda: "new ü", "c.txt": lambda: "same"})
    (tmp_path / "c.txt").write_text("same")
    main()
    assert capsys.readouterr().out == "wrote a/b.txt\n"
    assert (tmp_path / "a/b.txt").read_text(encoding="utf-8") == "new ü"
    (tmp_path / "c.txt").write_text("stale")
    main()
    assert capsys.readouterr().out == "wrote c.txt\n"
