"""The site of the documentation: it builds, and a link or an anchor that leads nowhere breaks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_builds_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|link rel="(?:stylesheet|preconnect)")[^>]*(?:src|href)="(https?:[^"]+)"', text)  # fmt: skip
        assert not fetched, page
    start = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="rules/"' in start
    assert 'href="security/"' in start
    assert (tmp_path / "files" / "gate" / "schemas" / "policy.json").is_file()


@pytest.mark.parametrize("link", ["nowhere.md", "rules.md#no-such-rule", "../gate/no_such_file.py"])
def test_a_dead_link_breaks_it(link: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("docs", "gate", "samples"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "mkdocs.yml"):
        shutil.copy(ROOT / name, copy / name)
    with (copy / "docs" / "vex.md").open("a", encoding="utf-8") as page:
        page.write(f"\nSee [this]({link}).\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    assert "vex.md" in done.stderr
