"""`image-gate explain RULE`: why a rule is there, how to fix what it finds, and what it can be told."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from gate.cli.exits import Exit
from gate.cli.output import write_stdout
from gate.errors import InvalidInput
from gate.options import option_table, suggestion
from gate.policy.catalogue import Catalogue
from gate.rule import Rule

WIDTH = 100


@click.command("explain", short_help="Tell about one rule: why, how to fix, options.")
@click.argument("rule")
def COMMAND(rule: str) -> Exit:  # noqa: N802 -- a constant: the command
    """Tell about one rule: what it requires and why, how to fix what it finds, its options and their defaults."""
    catalogue = Catalogue()
    if rule not in catalogue:
        raise InvalidInput(f"there is no rule {rule!r}", hint=suggestion(rule, catalogue))
    write_stdout("\n".join(explanation(catalogue[rule])) + "\n")
    return Exit.PASS


def explanation(rule: Rule) -> Iterator[str]:
    """Yield the lines of a rule's explanation."""
    evidence = ", ".join(kind.__name__ for kind in rule.evidence) or "nothing but the policy"
    yield f"{rule.id} ({rule.severity}): {rule.title}"
    for title, text in (("Why", rule.rationale), ("How to fix", rule.remediation), ("Judged from", evidence)):
        yield ""
        yield title
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield ""
    yield "Options"
    yield "  action, on-unknown, severity: as every rule has them"
    for name, allowed, default, description in option_table(rule.options):
        values = f"{name}: {allowed}; " + (f"default {default}" if default else "must be stated")
        yield from textwrap.wrap(values, WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield from textwrap.wrap(description, WIDTH, initial_indent="      ", subsequent_indent="      ")
