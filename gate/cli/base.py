"""`image-gate base`: record base images, so that images built on them are recognised, also when their tags have moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from gate.cli import sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import SECONDS, option
from gate.cli.output import write_file, write_stdout
from gate.deadline import Deadline
from gate.errors import ImageGateError, InvalidInput, Unavailable
from gate.evidence import Base
from gate.limits import LIMITS
from gate.lookups import base_of
from gate.oci.descriptor import Digest
from gate.oci.image import Image, Opened
from gate.oci.reference import Reference
from gate.policy.bases import bases_text, read_bases
from gate.rules._built_on import named
from gate.sources import Access, Location
from gate.sources.locate import locate_all
from gate.sources.open import open_source


@click.group("base", epilog=EXIT_CODES, no_args_is_help=False, short_help="Record base images.")
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Record base images, so that images built on them are recognised, also when their tags have moved."""


@COMMAND.command(epilog=EXIT_CODES, short_help="Write a file of bases for base-image and base-outdated.")
@click.argument("references", nargs=-1, required=True, metavar="REF...")
@click.option(
    "--as", "name", metavar="NAME", help="What the one REF is called, if it is a file without a name."
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file, instead of standard output."
)
@click.option(
    "--add", is_flag=True, help="Keep the bases that the file lists already: images may be built on them."
)
@sources.source_options
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole run.")
def record(
    references: tuple[str, ...],
    name: str | None,
    output: Path | None,
    add: bool,
    timeout: float,
    **chosen: Any,
) -> Exit:
    """Record what the bases that REF name are now: digests, and the diff IDs of their layers.

    Manifests and configurations are read, of every platform, and no layers. The file is for the options `file` of the
    rules base-image and base-outdated; a job that runs this with --add whenever a base is published keeps it complete.
    """
    if name is not None and len(references) > 1:
        raise InvalidInput("--as names one reference, and there are several", hint="record them one by one")
    if add and output is None:
        raise InvalidInput("--add needs the file that it adds to", hint="name it with --output")
    known = _known(output) if add and output is not None else ()
    options = sources.SourceOptions.taken_from(chosen)
    locations = locate_all(references)
    stated = None if name is None else named(Reference.parse(name))
    settings = sources.settings(options, locations, sources.configuration(options))
    with sources.access(settings, Deadline(timeout)) as access:
        found = _recorded(locations, stated, access)
    text = bases_text([*known, *found], datetime.now(UTC).date())
    if output is None:
        write_stdout(text)
    else:
        write_file(output, text)
        names = dict.fromkeys(str(base.name) for base in found)
        write_stdout(f"{output} records {', '.join(names)}\n")
    return Exit.PASS


def _known(path: Path) -> tuple[Base, ...]:
    """Read what a file lists already; one that is not there lists nothing."""
    try:
        with path.open("rb") as file:
            return read_bases(file.read(LIMITS.document + 1), str(path))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def _recorded(locations: Sequence[Location], stated: Reference | None, access: Access) -> list[Base]:
    """Open every reference and return its images as bases; raises where one platform of one cannot be opened."""
    found: list[Base] = []
    for location in locations:
        with open_source(location, None, access) as opened:
            for label, error in opened.failed.items():
                raise Unavailable(
                    f"{label} of {location.text} cannot be recorded: {error.message}", hint=error.hint
                )
            for image in opened.images:
                found += _bases(location, opened, image, stated)
    if not found:
        raise Unavailable(f"there is no image at {', '.join(location.text for location in locations)}")
    return found


def _bases(location: Location, opened: Opened, image: Image, stated: Reference | None) -> Iterator[Base]:
    """Yield an image as a base, under each of its names."""
    names = [stated] if stated is not None else list(_names(opened, image))
    if not names:
        raise InvalidInput(
            f"{location.text} carries no image name", hint="say with --as NAME what the base is called"
        )
    if not image.config.diff_ids:
        raise InvalidInput(f"{location.text} has no layers, so nothing would tell it from any other image")
    for name in names:
        digest = name.digest or _pulled(opened, name) or opened.digest
        yield base_of(replace(name, digest=None), digest, image)


def _names(opened: Opened, image: Image) -> Iterable[Reference]:
    """Return the name that was asked for, or else the names that a file carries."""
    if opened.origin is not None and opened.origin.name is not None:
        return (named(opened.origin.name),)
    found = []
    for text in image.names:
        if "/" in text or ":" in text:  # a bare tag, as layouts carry, is no name
            try:
                found.append(named(Reference.parse(text)))
            except ImageGateError:
                continue
    return dict.fromkeys(found)


def _pulled(opened: Opened, name: Reference) -> Digest | None:
    """Return the digest under which an engine pulled an image of this name: an engine's own ids are no registry's."""
    engine = opened.origin.engine if opened.origin is not None else None
    digests = () if engine is None else engine.repo_digests
    return next((one.digest for one in digests if one.name == name.name), None)
