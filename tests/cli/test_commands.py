"""The commands, that they are found, and that starting one costs what it needs."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from docs.cli_reference import ROOT, cli_reference, readme
from gate.cli.commands import IMAGE_GATE, MODULES
from gate.cli.exits import Exit, run
from tests.cli.conftest import clean_environment


def test_every_command_is_there_and_says_what_it_does() -> None:
    context = click.Context(IMAGE_GATE)
    assert IMAGE_GATE.list_commands(context) == list(MODULES)
    for name in MODULES:
        command = IMAGE_GATE.get_command(context, name)
        assert command
        assert command.name == name
        assert command.help
        assert command.get_short_help_str(80).endswith(".")
    assert IMAGE_GATE.get_command(context, "nope") is None


def test_a_slip_is_understood(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["chek"]) is Exit.WRONG_REQUEST
    assert "There is no command 'chek'. Did you mean 'check'?" in capfd.readouterr().err
    assert run(["zzz"]) is Exit.WRONG_REQUEST
    assert "Commands: check, report, verdict, inspect" in capfd.readouterr().err


def loaded_by(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom gate.cli.exits import run\nrun(sys.argv[1:])\n"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    environment = {name: value for name, value in clean_environment().items() if not name.startswith("COV")}
    command = [sys.executable, "-c", code, *arguments]
    return set(
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr.split()
    )


def test_the_version_needs_nothing_but_click() -> None:
    loaded = loaded_by("--version")
    assert {name for name in loaded if name.startswith("gate")} == {
        "gate", "gate.cli", "gate.cli.commands", "gate.cli.exits", "gate.errors", "gate.printable",
    }  # fmt: skip
    assert {"msgspec", "rich", "dataclasses", "json", "tempfile", "subprocess"}.isdisjoint(loaded)


def test_a_refused_check_with_json_imports_nothing_that_draws() -> None:
    loaded = loaded_by("check", "oci:nowhere", "--format", "json", "--policy", "strict")
    assert {"rich", "univers", "requests", "sqlite3"}.isdisjoint(loaded)


def test_the_references_are_fresh() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == cli_reference(), "run `make generate`"
    assert (ROOT / "README.md").read_text(encoding="utf-8") == readme(), "run `make generate`"
