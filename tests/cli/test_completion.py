"""Shell completion."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate.cli.exits import Exit, run
from tests.cli.conftest import clean_environment


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_every_shell(
    shell: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda *_: None)
    assert run(["completion", shell]) is Exit.PASS
    out = capfd.readouterr().out
    assert "_IMAGE_GATE_COMPLETE" in out
    assert "image-gate" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("image-gate ch", "plain,check"),
        ("image-gate check --pol", "plain,--policy"),
        ("image-gate check --format j", "plain,json"),
    ],
)
def test_what_a_shell_asks_is_answered(words: str, expected: str) -> None:
    count = str(len(words.split()) - 1)
    environment = clean_environment(_IMAGE_GATE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
    done = subprocess.run(
        [sys.executable, "-m", "gate"], env=environment, capture_output=True, text=True, check=True
    )
    assert expected in done.stdout.splitlines()
