"""`image-gate report`: make other formats of a JSON report, later and without the image."""

from __future__ import annotations

import click
import msgspec

from gate.cli.exits import Exit
from gate.cli.options import option
from gate.cli.output import Output, prepare, render_options, write_files, write_stdout
from gate.reporters import formats, reporter


class Request(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    report: str
    format: str | None
    output: tuple[str, ...]
    dockerfile: str | None
    quiet: bool
    verbose: bool


@click.command("report", short_help="Make other formats of a JSON report.")
@click.argument("report", metavar="REPORT.json")
@option(
    "format",
    type=click.Choice(formats()),
    help="What goes to standard output: text where no file is written, else nothing.",
)
@option(
    "output",
    metavar="FORMAT=PATH",
    multiple=True,
    help="Write a report to a file. Can be repeated; in the variable, separated by spaces.",
)
@option(
    "dockerfile",
    metavar="PATH",
    help="Where code hosts show problems: the lines that matter of the Dockerfile of the image.",
)
@option("quiet", short="q", is_flag=True, help="One line per image.")
@option("verbose", short="v", is_flag=True, help="All findings, remarks, what passed, what ran.")
def COMMAND(**chosen: object) -> Exit:  # noqa: N802 -- a constant: the command
    """Make other formats of a JSON report, later and without the image.

    They are the same that `check` would have written. Exits 0 where all could be made, whatever the verdict is, which
    `image-gate verdict` repeats.
    """
    from gate.reporters._reading import read_report
    from gate.reporters._restoring import restored

    request = msgspec.convert(chosen, Request)
    outputs = [Output.parse(text) for text in request.output]
    options = render_options(verbose=request.verbose, quiet=request.quiet, dockerfile=request.dockerfile)
    report = restored(read_report(request.report), request.report)
    prepare(outputs)
    write_files(report, outputs, options)
    if request.format or not outputs:
        write_stdout(reporter(request.format or "text").render(report, options))
    return Exit.PASS
