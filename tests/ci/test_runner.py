"""What is said to GitHub's runner: one value cannot become two, and nothing is heard meanwhile."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.ci import runner
from gate.errors import Unavailable


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file for outputs."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return tmp_path / "output"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="ascii", exclude_characters="\r")))
def test_a_value_stays_one_whatever_it_holds(output: Path, value: str) -> None:
    output.unlink(missing_ok=True)
    runner.set_outputs({"verdict": value, "exit-code": "1"})
    found = re.findall(r"^([a-z-]+)<<(\w+)\n(.*?)\n\2$", output.read_text(), re.MULTILINE | re.DOTALL)
    assert [(name, text) for name, _, text in found] == [("verdict", value), ("exit-code", "1")]


def test_the_word_is_another_each_time(output: Path) -> None:
    runner.set_outputs({"a": "1"})
    runner.set_outputs({"a": "1"})
    assert len(set(re.findall(r"<<(\w{32})", output.read_text()))) == 2


def test_a_file_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(Unavailable, match="GITHUB_OUTPUT cannot be written"):
        runner.set_outputs({"a": "1"})


def test_the_runner_listens_again_also_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with runner.inert():
            sys.stdout.write("::error::from an image\n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    first, said, last = capsys.readouterr().out.splitlines()
    word = first.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", word)
    assert (said, last) == ("::error::from an image", f"::{word}::")


def test_a_notice_is_one_line_and_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    runner.notice("ours", "100%\n::error::forged")
    assert capsys.readouterr().out == "::notice title=ours::100%25\\n\\x3a:error::forged\n"
