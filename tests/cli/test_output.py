"""Report files appear whole or not at all, and an older one never survives."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from gate.cli import output
from gate.cli.output import Output, prepare, render_options, write_files, write_stdout
from gate.errors import InvalidInput, Unavailable
from gate.reporters import RenderOptions
from tests.cli.conftest import file_size_limit
from tests.kit.reports import passing_report


def json_to(path: Path | str) -> Output:
    return Output.parse(f"json={path}")


@pytest.mark.parametrize("text", ["json", "json=", "=x", "xml=x", "", "JSON=x", "_document=x"])
def test_an_output_is_a_format_and_a_path(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not FORMAT=PATH"):
        Output.parse(text)


def test_a_path_may_hold_an_equals_sign() -> None:
    assert Output.parse("json=a=b").path == "a=b"


def test_what_an_earlier_run_wrote_is_gone_before_the_work_begins(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"status": "pass"}')
    prepare([json_to(tmp_path / "report.json")])
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_work_are_refused_before_anything_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text("x")
    for bad, what in (
        (json_to(tmp_path / "missing" / "x"), "there is no folder"),
        (json_to(tmp_path), "is a folder"),
        (json_to(kept), "two outputs go to"),
    ):
        with pytest.raises(InvalidInput, match=what):
            prepare([json_to(kept), bad])
    (tmp_path / "link.json").symlink_to(kept)
    with pytest.raises(InvalidInput, match="two outputs go to"):
        prepare([json_to(kept), json_to(tmp_path / "link.json")])
    assert kept.read_text() == "x"


def test_a_place_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InvalidInput, match="cannot be written"):
        prepare([json_to(tmp_path / "x")])


def test_a_report_that_cannot_be_removed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(_: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(InvalidInput, match="cannot be replaced: Operation not permitted"):
        prepare([json_to(tmp_path / "x")])


def test_a_file_is_written_whole_with_the_modes_that_others_have(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_files(
            passing_report(), [json_to(tmp_path / "a"), Output.parse(f"text={tmp_path}/b")], RenderOptions()
        )
    finally:
        os.umask(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert (tmp_path / "a").read_text().startswith('{\n  "schema": 1')
    assert (tmp_path / "b").read_text().startswith("image-gate 0.1.0")


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real" / "report.json")
    prepare([json_to(link)])
    write_files(passing_report(), [json_to(link)], RenderOptions())
    assert link.is_symlink()
    assert (tmp_path / "real" / "report.json").read_text() == link.read_text()


def test_devices_and_pipes_are_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    targets = [json_to("/dev/null"), json_to("/dev/null"), json_to(pipe)]
    prepare(targets)
    write_files(passing_report(), targets, RenderOptions())
    assert os.read(reader, 11) == b'{\n  "schema'
    os.close(reader)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_failing_write_leaves_nothing_and_the_others_are_still_written(tmp_path: Path) -> None:
    targets = [json_to("/dev/full"), json_to(tmp_path / "report.json")]
    with pytest.raises(Unavailable, match="the json report could not be written to /dev/full: No space left"):
        write_files(passing_report(), targets, RenderOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_outgrows_the_allowed_size_leaves_nothing(tmp_path: Path) -> None:
    with file_size_limit(100), pytest.raises(Unavailable, match=r"report\.json: File too large"):
        write_files(passing_report(), [json_to(tmp_path / "report.json")], RenderOptions())
    assert list(tmp_path.iterdir()) == []


def test_what_the_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        write_stdout("✓ PASS\n")
    assert (tmp_path / "out").read_text() == "\\u2713 PASS\n"


def test_a_closed_standard_output_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(Unavailable, match="standard output is closed"):
        write_stdout("x")
    assert not render_options(verbose=False, quiet=False).color


def test_a_standard_output_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(Unavailable, match="could not be written to standard output: No space left"):
            write_stdout("x")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


class Terminal:
    """A standard output that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("variables", "terminal", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colours(
    variables: dict[str, str], terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if terminal:
        monkeypatch.setattr(sys, "stdout", Terminal())
    assert render_options(verbose=False, quiet=False).color is expected


@pytest.mark.parametrize(
    ("columns", "terminal", "expected"),
    [
        ("", None, 120),
        ("90", None, 90),
        ("90", 200, 90),
        ("", 200, 200),
        ("", 10, 40),
        ("0", 200, 200),
        ("99999999", None, 120),
        ("0000000041", None, 120),
        ("-5", None, 120),
        ("²", None, 120),
    ],
)
def test_widths(columns: str, terminal: int | None, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    if terminal is not None:
        monkeypatch.setattr(sys, "stdout", Terminal())
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((terminal, 24)))
    assert render_options(verbose=False, quiet=False).width == expected


def test_a_terminal_that_does_not_know_its_width_gets_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("not a terminal after all")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(os, "get_terminal_size", fail)
    assert render_options(verbose=False, quiet=False).width == output.WIDTH
