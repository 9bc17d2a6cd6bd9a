"""`image-gate rules`: every rule there is, on one line each."""

from __future__ import annotations

import click

from gate.cli.exits import Exit
from gate.cli.output import write_stdout
from gate.policy.catalogue import Catalogue


@click.command("rules", short_help="List the rules.")
def COMMAND() -> Exit:  # noqa: N802 -- a constant: the command
    """List the rules there are, with their default severities. Which of them run is the policy's to say."""
    rules = list(Catalogue().values())
    width = max(len(rule.id) for rule in rules)
    write_stdout("".join(f"{rule.id:{width}}  {rule.severity!s:10}  {rule.title}\n" for rule in rules))
    return Exit.PASS
