"""`image-gate verdict`: end with the exit code that a JSON report stands for."""

from __future__ import annotations

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.output import EXITS, write_stdout


@click.command("verdict", epilog=EXIT_CODES, short_help="Repeat the exit code of a JSON report.")
@click.argument("report", metavar="REPORT.json")
def COMMAND(report: str) -> Exit:  # noqa: N802 -- a constant: the command
    """Repeat the verdict of a JSON report: one line for each image, and the exit code of the check that wrote it.

    For pipelines that publish reports in one job and close the gate in another. The verdict is worked out again from the
    results in the report; one that contradicts itself ends with 2.
    """
    from gate.reporters import RenderOptions, reporter
    from gate.reporters._reading import read_report
    from gate.reporters._restoring import restored

    found = restored(read_report(report), report)
    write_stdout(reporter("text").render(found, RenderOptions(quiet=True)))
    return EXITS[found.status]
