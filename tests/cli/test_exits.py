"""Whatever happens ends with a documented exit code and one clear sentence, and never by accident with 0 or 1."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

from gate import pipeline
from gate.cli import check, exits, output
from gate.cli.exits import Exit, run
from gate.errors import InvalidInput, MalformedImage, Unavailable
from gate.policy.policy import Policy
from gate.verdict import Report
from tests.cli.conftest import Program, clean_environment
from tests.kit.reports import failing_report, passing_report

CHECK = ["check", "docker://image", "--policy", "strict", "--quiet"]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def call(*_: object, **__: object) -> NoReturn:
        raise error

    return call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exits, "_let_go_of_stdout", lambda: None)


ERRORS: list[tuple[BaseException, Exit, str]] = [
    (InvalidInput("no such image", hint="name one"), Exit.WRONG_REQUEST, "image-gate: no such image\n  → name one\n"),
    (click.UsageError("bad option"), Exit.WRONG_REQUEST, "image-gate: bad option\n  → image-gate check --help lists"),
    (Unavailable("nobody answers"), Exit.NO_VERDICT, "image-gate: nobody answers\n"),
    (MalformedImage("layer 1 is cut off"), Exit.NO_VERDICT, "image-gate: layer 1 is cut off\n"),
    (RuntimeError("oops"), Exit.NO_VERDICT, "image-gate: a fault in image-gate, so there is no verdict: RuntimeError: oops"),
    (RecursionError("too deep"), Exit.NO_VERDICT, "RecursionError: too deep"),
    (MemoryError(), Exit.NO_VERDICT, "image-gate: there is not enough memory\n"),
    (KeyboardInterrupt(), Exit.NO_VERDICT, "image-gate: stopped before a verdict (interrupted)\n"),
    (exits.Interrupted("SIGTERM"), Exit.NO_VERDICT, "image-gate: stopped before a verdict (SIGTERM)\n"),
    (click.Abort(), Exit.NO_VERDICT, "image-gate: stopped before a verdict (interrupted)\n"),
    (BrokenPipeError(), Exit.NO_VERDICT, "stopped reading"),
    (OSError(errno.ENOSPC, "No space left on device", "/x"), Exit.NO_VERDICT, "/x: No space left on device"),
    (SystemExit(0), Exit.NO_VERDICT, "SystemExit: 0"),
    (SystemExit(1), Exit.NO_VERDICT, "SystemExit: 1"),
    (GeneratorExit(), Exit.NO_VERDICT, "GeneratorExit"),
    (AssertionError("\x1b[2J\n::error::x"), Exit.NO_VERDICT, r"\x1b[2J\n\x3a:error::x"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "code", "sentence"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_kind_of_error(
    error: BaseException,
    code: Exit,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pipeline, "check", raising(error))
    assert run(CHECK) is code
    out, err = capfd.readouterr()
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err


STAGES = [
    (Policy, "load"),
    (pipeline, "check"),
    (pipeline, "RunSettings"),
    (output, "prepare"),
    (output, "write_files"),
    (output, "write_stdout"),
    (output, "render_options"),
    (check, "progress"),
    (check, "reporter"),
    (check, "cache_place"),
    (check, "Request"),
]


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemExit(0), OSError("x"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize(("where", "name"), STAGES, ids=lambda value: getattr(value, "__name__", value))
def test_every_stage_that_breaks_keeps_the_gate_closed(
    where: object, name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "check", lambda *_: passing_report())
    assert run(CHECK) is Exit.PASS
    monkeypatch.setattr(where, name, raising(error))
    assert run(CHECK) is Exit.NO_VERDICT


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize(
    ("report", "code"),
    [(passing_report, Exit.PASS), (failing_report, Exit.FAIL), (lambda: Report(()), Exit.NO_VERDICT)],
)
def test_the_status_alone_decides_the_code(
    report: Callable[[], Report], code: Exit, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "check", lambda *_: report())
    assert run([*CHECK, "--format", format_, "--output", "json=a.json", "--output", "text=b.txt"]) is code


def test_a_command_that_returns_no_code_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for nothing in (None, 0, False, "pass"):
        monkeypatch.setattr(check.COMMAND, "callback", lambda _answer=nothing, **_: _answer)
        assert run(CHECK) is Exit.NO_VERDICT


@pytest.mark.parametrize(
    "arguments",
    [[], ["chek"], ["check"], ["check", "--nope", "x"], ["check", "x", "--format", "xml"], ["check", "x", "--timeout", "0"],
     ["explain", "no-shel"], ["policy", "validate", "nowhere.yaml"], ["check", "oci:nowhere"], ["check", "-q", "-v", "x"]],
)  # fmt: skip
def test_a_wrong_request_is_exit_2_with_a_sentence(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) is Exit.WRONG_REQUEST
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(("image-gate: ", "Usage: ")) or not arguments
    assert "Traceback" not in err


def test_asking_for_help_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) is Exit.PASS
    assert run(["check", "-h"]) is Exit.PASS
    assert run(["--version"]) is Exit.PASS
    assert capfd.readouterr().out.endswith("image-gate 0.1.0\n")


def test_passwords_in_what_was_typed_are_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "user:hunter2@registry.example.com/api", "--policy", "strict"]) is Exit.WRONG_REQUEST
    assert "hunter2" not in capfd.readouterr().err


@pytest.mark.parametrize(("arguments", "variable"), [(["--verbose"], ""), ([], "1")])
def test_verbose_shows_where_a_fault_is_without_secrets(
    arguments: list[str], variable: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGE_GATE_VERBOSE", variable)
    monkeypatch.setattr(pipeline, "check", raising(RuntimeError("https://user:hunter2@host\n::error::x")))
    assert run(["check", "docker://image", "--policy", "strict", *arguments]) is Exit.NO_VERDICT
    err = capfd.readouterr().err
    assert 'File "' in err
    assert "hunter2" not in err
    assert all(line.startswith(("image-gate: ", "  → ", "  | ")) for line in err.splitlines())


def test_no_variable_opens_the_gate_by_asking_for_completion(program: Program) -> None:
    for instruction in ("bash_source", "bash_complete", "zsh_source", "nonsense"):
        done = program(
            "check",
            "oci:nowhere",
            variables={"_IMAGE_GATE_COMPLETE": instruction, "COMP_WORDS": "x", "COMP_CWORD": "0"},
        )
        assert done.returncode == 2
        assert done.stdout == ""


SLOW = """
import signal, sys, tempfile, time
from gate import pipeline
def check(*_):
    with tempfile.TemporaryDirectory():
        print("working", file=sys.stderr, flush=True)
        time.sleep(60)
pipeline.check = check
from gate.cli import main
sys.argv = ["image-gate", "check", "docker://x", "--policy", "strict", "--quiet"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_without_a_verdict_and_cleans_up(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = clean_environment(TMPDIR=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "working\n"
        process.send_signal(number)
        process.send_signal(number)
        assert process.stderr.read() == f"image-gate: stopped before a verdict ({number.name})\n"
        assert process.wait(20) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    code = "import signal; from gate.cli.exits import run; run(['--version']); print(signal.getsignal(signal.SIGHUP).name)"
    command = ["/bin/sh", "-c", 'trap "" HUP; exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "image-gate 0.1.0\nSIG_IGN\n"


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["rules"], ["explain", "no-shell"], ["policy", "show"]]
)
def test_output_that_cannot_be_written_is_no_success(arguments: list[str], program: Program) -> None:
    with open("/dev/full", "w") as full:
        done = program(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.count("\n") <= 2
    assert "No space left" in done.stderr


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_verdict_that_nobody_reads_is_no_pass(format_: str, place: Path, program: Program) -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = ["check", "oci:good", "--policy", "policy.yaml", "--format", format_]
    done = program(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 3
    assert "stopped reading" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [1, 2])
def test_closed_streams(closed: int, place: Path, program: Program) -> None:
    done = program("check", "oci:good", "--policy", "policy.yaml", preexec_fn=lambda: os.close(closed))
    assert done.returncode == (3 if closed == 1 else 0)
    assert "Traceback" not in done.stderr


def test_errors_never_go_to_standard_output(program: Program) -> None:
    done = program("check", "oci:nowhere", "--format", "json", preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (2, "")


def test_a_broken_installation_is_no_verdict() -> None:
    code = "import sys; sys.modules['click'] = None; sys.argv = ['image-gate', 'check', 'x']\nfrom gate.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "image-gate could not run: ModuleNotFoundError\n"


def test_a_module_of_the_working_directory_is_not_imported(tmp_path: Path, program: Program) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit(0)")
    done = program("check", "oci:nowhere")
    assert done.returncode == 2
