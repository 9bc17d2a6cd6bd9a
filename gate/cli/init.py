"""`image-gate init`: the first files of a repository, after a look at it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, option
from gate.cli.output import write_stdout
from gate.cli.policy import write_new
from gate.errors import InvalidInput, Unavailable
from gate.oci.reference import Reference
from gate.policy.schema import PROFILES
from gate.printable import shown

if TYPE_CHECKING:
    from gate.starting.files import FirstFile
    from gate.starting.repository import Repository


_NEXT = (
    "next: `image-gate doctor` says what a check needs on this machine, `image-gate check IMAGE` checks one\n"
)


@click.command("init", epilog=EXIT_CODES, short_help="Write policy and pipeline for a repository.")
@click.argument("folder", metavar="[DIRECTORY]", type=FOLDER, default=".")
@option("profile", type=click.Choice(PROFILES), default="baseline", help="The profile to extend.")
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    help="The CI system to write for, instead of the one found.",
)
@click.option("--image", metavar="NAME", help="The name of the image, instead of the one found.")
@click.option("--dry-run", is_flag=True, help="Print what would be written.")
def COMMAND(folder: Path, profile: str, ci: str | None, image: str | None, dry_run: bool) -> Exit:  # noqa: N802 -- a constant: the command
    """Look at a repository (Dockerfile, CI system, registry) and write its policy and its pipeline.

    Nothing that exists is changed. For CI systems other than GitHub and GitLab there are samples in docs/ci-others.md.
    """
    from gate.starting.files import first_files
    from gate.starting.repository import look

    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder")
    found = look(folder)
    if ci:
        found = msgspec.structs.replace(found, ci=ci)
    if image:
        found = msgspec.structs.replace(found, image=Reference.parse(image).name)
    files = first_files(folder, found, profile)
    write_stdout(_seen(found) + "".join(_written(folder, file, dry_run) for file in files) + _NEXT)
    return Exit.PASS


def _seen(found: Repository) -> str:
    """Return what was seen."""
    told = {
        "Dockerfile": ", ".join(filter(None, [found.dockerfile, found.further])),
        "built on": ", ".join(found.bases),
        "CI system": found.ci,
        "image": found.image,
    }
    return "".join(f"{name:11}{shown(text) or '(not found)'}\n" for name, text in told.items())


def _written(folder: Path, file: FirstFile, dry_run: bool) -> str:
    """Write one file unless it is there, and return what is said of it."""
    path = folder / file.path
    if path.exists() or path.is_symlink():
        return f"kept {file.path}, which exists\n"
    if dry_run:
        heading = f"would write {file.path}\n" + textwrap.indent(file.text, "    ")
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{path.parent} cannot be made: {error.strerror}") from None
        write_new(path, file.text)
        heading = f"wrote {file.path}\n"
    return heading + "".join(f"  → {one}\n" for one in file.to_do)
