"""Progress: where it goes, and when it moves."""

from __future__ import annotations

import io
import sys

import pytest

from gate.cli import progress as module
from gate.cli.progress import progress


class Stream(io.StringIO):
    """A standard error that may be a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def told(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, quiet: bool = False, verbose: bool = False
) -> str:
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(quiet=quiet, verbose=verbose) as tell:
        tell("reading \x1b[2J layer\n::error::x")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def terminal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "image-gate: reading \\x1b[2J layer\\n\\x3a:error::x\n"
    assert told(monkeypatch, terminal=False) == expected
    assert told(monkeypatch, terminal=True, verbose=True) == expected
    monkeypatch.setenv("TERM", "dumb")
    assert told(monkeypatch, terminal=True) == expected
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", "true")
    assert told(monkeypatch, terminal=True) == expected


def test_quiet_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, terminal=True, quiet=True) == ""
    monkeypatch.setattr(sys, "stderr", None)
    with progress(quiet=False, verbose=False) as tell:
        tell("nobody listens")


def test_a_terminal_gets_one_line_that_is_removed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, terminal=True)
    assert "\x1b[2J" not in text
    assert "\n::error" not in text
    assert text.endswith(("\x1b[?25h", "\x1b[2K"))


def test_a_broken_log_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(False)
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    module._line("x")
