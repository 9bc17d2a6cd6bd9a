"""`image-gate explain RULE|ID`: what a rule is for and can be told, or what scanners say of one of their findings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import click

from gate.cli.exits import Exit
from gate.cli.options import option
from gate.cli.output import write_stdout
from gate.errors import InvalidInput
from gate.options import option_table, suggestion
from gate.policy.catalogue import Catalogue
from gate.rule import Rule

WIDTH = 100


@click.command("explain", short_help="Tell about one rule, or about one finding of scanners.")
@click.argument("name", metavar="RULE|ID")
@option(
    "report",
    metavar="PATH",
    help="The JSON report that has the finding: what `check --output json=PATH` wrote.",
)
@option("image", metavar="REF", help="Check this image now instead of reading a report.")
def COMMAND(name: str, report: str | None, image: str | None) -> Exit:  # noqa: N802 -- a constant: the command
    """Tell about one rule, or about one finding of scanners.

    Of a RULE: what it requires and why, how to fix what it finds, its options and their defaults.

    With --report or --image of a vulnerability by its ID or an alias (CVE, GHSA, …): what each scanner says of it and on
    whose word, where they differ, why one does not have it, and what the policy made of that. --image checks as `check`
    would, with the options that variables set.
    """
    catalogue = Catalogue()
    if name in catalogue:
        lines = explanation(catalogue[name])
    elif report is not None and image is not None:
        raise InvalidInput("--report and --image contradict each other", hint="choose one")
    elif report is not None:
        from gate.cli import opinions

        lines = opinions.explanation(name, report)
    elif image is not None:
        from gate.cli import opinions
        from gate.cli.check import judged

        lines = opinions.explanation_of(name, judged(image), image)
    else:
        near = suggestion(name, catalogue)
        hint = f"for a finding, name the report that has it, or its image: --report report.json, --image REF; {near}"
        raise InvalidInput(f"there is no rule {name!r}", hint=hint if re.search("[0-9]", name) else near)
    write_stdout("\n".join(lines) + "\n")
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
