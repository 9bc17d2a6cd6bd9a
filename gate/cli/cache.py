"""`image-gate cache`: look at the kept layers and remove them."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, SIZE, cache_folder, option
from gate.cli.output import write_stdout
from gate.limits import GIB, LIMITS
from gate.printable import byte_size

WHERE = option("cache-dir", type=FOLDER, help="The cache, instead of the one in the user's cache folder.")


@click.group(
    "cache", epilog=EXIT_CODES, no_args_is_help=False, short_help="Look at kept layers, remove them."
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Look at what `check` keeps of images from registries, and remove it. The databases of scanners are not touched."""


@COMMAND.command(short_help="Say what is kept, and where.")
@WHERE
def info(cache_dir: Path | None) -> Exit:
    """Say what is kept, and where."""
    from gate.cache.upkeep import measure

    folder = cache_folder(cache_dir)
    lines = [f"{folder}\n"]
    for name, part in measure(folder).items():
        lines.append(f"  {name:8}  {part.files:6} files  {byte_size(part.bytes):>9}\n")
    write_stdout("".join(lines))
    return Exit.PASS


@COMMAND.command(short_help="Remove what was not used for longest.")
@option(
    "max-size",
    type=SIZE,
    default=f"{LIMITS.cache_bytes // GIB}GiB",
    help="Leave at most this: bytes, or with KiB, MiB, GiB.",
)
@WHERE
def prune(max_size: int, cache_dir: Path | None) -> Exit:
    """Remove what was not used for longest, until at most --max-size is left. Every run does it for 20 GiB."""
    from gate.cache import upkeep

    removed = upkeep.prune(cache_folder(cache_dir), max_size)
    write_stdout(f"removed {removed.files} files, {byte_size(removed.bytes)}\n")
    return Exit.PASS


@COMMAND.command(short_help="Remove all kept layers.")
@WHERE
def clear(cache_dir: Path | None) -> Exit:
    """Remove all kept layers and what is known of them. Runs that are under way are not disturbed."""
    from gate.cache import upkeep

    removed = upkeep.clear(cache_folder(cache_dir))
    write_stdout(f"removed {removed.files} files, {byte_size(removed.bytes)}\n")
    return Exit.PASS
