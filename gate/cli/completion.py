"""`image-gate completion SHELL`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gate.cli.commands import COMPLETE_VARIABLE, IMAGE_GATE
from gate.cli.exits import Exit
from gate.cli.output import write_stdout


@click.command("completion", short_help="Print completion for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def COMMAND(shell: str) -> Exit:  # noqa: N802 -- a constant: the command
    """Print completion for a shell. For bash: eval "$(image-gate completion bash)"."""
    found = get_completion_class(shell)
    assert found is not None
    write_stdout(found(IMAGE_GATE, {}, "image-gate", COMPLETE_VARIABLE).source() + "\n")
    return Exit.PASS
