"""The command line reference (docs/cli.md) and the exit codes in the README, from the program itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from gate.cli.commands import IMAGE_GATE
from gate.cli.exits import MEANINGS

ROOT = Path(__file__).parent.parent
WIDTH = 100

_INTRODUCTION = """\
# Command line

What `--help` prints. Every option of `check` can also be set by a variable: `IMAGE_GATE_` and the option's name in upper
case, such as `IMAGE_GATE_TRIVY_CACHE`. The command line wins over variables, variables over defaults; none of them can
change what a policy requires.

"""


def cli_reference() -> str:
    """Return docs/cli.md."""
    settings = {**IMAGE_GATE.context_settings, "terminal_width": WIDTH}
    context = click.Context(IMAGE_GATE, info_name="image-gate", **settings)
    return _INTRODUCTION + "\n".join(_sections(IMAGE_GATE, context))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command and of each of its commands."""
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _sections(inner, click.Context(inner, context, info_name=name, terminal_width=WIDTH))


def readme() -> str:
    """Return the README with its table of exit codes renewed."""
    rows = [f"| {code:d} | {name} | {meaning} |" for code, (name, meaning) in MEANINGS.items()]
    table = "\n".join(["| code | status | meaning |", "| --- | --- | --- |", *rows])
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- exit codes: generated -->\n", "\n<!-- end -->"
    renewed, count = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}{table}{end}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError("README.md needs its table of exit codes between the two comments, once")
    return renewed
