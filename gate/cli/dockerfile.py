"""`image-gate dockerfile`: judge the names of the images that a Dockerfile builds from."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import option
from gate.cli.output import write_stdout
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.origins import Doubt, doubts, status_of
from gate.policy.policy import Policy
from gate.printable import count, shown
from gate.rule import Action
from gate.verdict import Status

_EXITS = {Status.PASS: Exit.PASS, Status.FAIL: Exit.FAIL, Status.UNKNOWN: Exit.NO_VERDICT}


@click.command("dockerfile", epilog=EXIT_CODES, short_help="Judge what a Dockerfile builds from, by name.")
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
@option("policy", metavar="PATH|PROFILE", help="The policy, instead of the one found here.")
@click.option(
    "--build-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="What the build is given."
)
@click.option(
    "--target", default="", metavar="STAGE", help="The stage that is built, instead of the last one."
)
def COMMAND(files: tuple[str, ...], policy: str | None, arguments: tuple[str, ...], target: str) -> Exit:  # noqa: N802 -- a constant: the command
    """Judge the names of all images that Dockerfiles take content from, before anything is built.

    The rules allowed-registries, pinned-tag and pinned-digest are asked of each image as `check` would ask them, with
    the scopes for its name, and base-image of what the built stage stands on. What depends on arguments without a value
    is unknown. FILE is ./Dockerfile unless stated. Nothing is fetched: `check` judges the image itself.
    """
    from gate.dockerfile.sources import sources

    told, values = Policy.load(policy), _values(arguments)
    found: list[Doubt] = []
    named_images = 0
    for file in files or ("Dockerfile",):
        try:
            named = sources(_content(file), values, target)
        except InvalidInput as error:
            raise InvalidInput(f"{shown(file)}: {error.message}", hint=error.hint) from None
        said = list(doubts(named, told))
        write_stdout("".join(_line(file, one) for one in said))
        found += said
        named_images += len(named)
    status = status_of(found)
    warnings = sum(one.action is Action.WARN for one in found)
    summary = (
        f"{count(named_images, 'image')} named, {len(found) - warnings} refused, {count(warnings, 'warning')}"
    )
    write_stdout(f"{status.value}: {summary}; {shown(told.origin)}\n")
    return _EXITS[status]


def _line(file: str, doubt: Doubt) -> str:
    """Return what is said of one place, as compilers do."""
    word = "unknown" if doubt.unknown else "refused" if doubt.action is Action.DENY else "warning"
    where = f"{shown(file)}:{doubt.source.line}: {word}: {doubt.rule}"
    written = f"{doubt.source.keyword} {doubt.source.image}"
    hint = f"\n    → {shown(doubt.remediation)}" if doubt.remediation else ""
    return f"{where}: {shown(written, 300)}: {shown(doubt.message)}{hint}\n"


def _content(file: str) -> bytes:
    """Read a Dockerfile, `-` from standard input."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LIMITS.document + 1)
        with Path(file).open("rb") as opened:
            return opened.read(LIMITS.document + 1)
    except OSError as error:
        raise InvalidInput(f"it cannot be read: {error.strerror}") from None


def _values(arguments: tuple[str, ...]) -> dict[str, str]:
    """Read the build arguments."""
    for one in arguments:
        if "=" not in one:
            raise InvalidInput(f"--build-arg {one[:100]!r} has no value", hint="write NAME=VALUE")
    return {name: value for name, _, value in (one.partition("=") for one in arguments)}
