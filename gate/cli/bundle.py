"""`image-gate bundle`: everything that a closed network needs, in one file that can be pinned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.db import NAMES, place_options, settings_of
from gate.cli.exits import Exit
from gate.cli.options import SECONDS, cache_folder, option
from gate.cli.output import write_stdout
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.printable import byte_size, printable

if TYPE_CHECKING:
    from gate.bundle import Layer
    from gate.bundle.contents import Content
    from gate.scanners import ScannerSettings

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group(
    "bundle", epilog=EXIT_CODES, no_args_is_help=False, short_help="Carry everything into a closed network."
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Carry databases, feeds, scanners, a policy and trust roots into a closed network, in one file.

    A bundle is an OCI artifact in a layout that is a tar file: skopeo and ORAS can push it to a registry and pull it from there.
    """


@COMMAND.command(short_help="Write a bundle.")
@FILE
@NAMES
@option(
    "policy",
    metavar="PATH|PROFILE",
    help="Policy that approves programs; a file is carried, with the files that it names.",
)
@option(
    "scanner",
    field="scanners",
    metavar="PATH|NAME",
    multiple=True,
    help="Approved scanner to carry. Can be repeated.",
)
@option("trust-root", field="trust_roots", metavar="FILE", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File of a trust root to carry, such as trusted_root.json. Can be repeated.")  # fmt: skip
@place_options
def create(
    file: Path,
    names: tuple[str, ...],
    scanners: tuple[str, ...],
    trust_roots: tuple[Path, ...],
    **chosen: Any,
) -> Exit:
    """Write a bundle to FILE: the databases and feeds named, else all that are here, and what the options name.

    Everything is looked into first: what could not be used here is not carried elsewhere. The same parts make the same
    bundle, byte for byte. What is printed last is the digest by which `bundle use --digest` recognises it.
    """
    from contextlib import ExitStack

    from gate.bundle import contents, writing
    from gate.deadline import Deadline
    from gate.scanners.databases import KINDS
    from gate.scanners.process import Bounds
    from gate.scanners.renewal import shared

    deadline = Deadline(chosen["timeout"])
    settings = _settings(chosen)
    bounds = Bounds(deadline.at, settings.cancelled)
    here = [kind for kind in KINDS.values() if (kind.place(settings) / kind.folder).exists()]
    kinds = [KINDS[name] for name in dict.fromkeys(names)] if names else here
    with ExitStack() as held:
        for place in dict.fromkeys(kind.place(settings) for kind in kinds):
            held.enter_context(shared(place, bounds))
        found = [contents.database(kind, settings) for kind in kinds]
        found += _named(scanners, chosen["policy"], trust_roots, settings)
        if not found:
            raise InvalidInput(
                "there is nothing to carry", hint="fetch databases first: image-gate db update"
            )
        digest, layers = writing.write(found, file, deadline)
    write_stdout("".join(f"{line}\n" for line in (f"wrote {file}", *_lines(layers), f"  {digest}")))
    return Exit.PASS


@COMMAND.command(short_help="Install what a bundle carries.")
@FILE
@option("digest", metavar="sha256:HEX", help="Refuse any other bundle than the one with this digest.")
@option("older", is_flag=True, help="Also take databases that are older than those that are here.")
@option("policy", metavar="PATH|PROFILE", help="Policy that approves programs, beside the shipped table.")
@place_options
def use(file: Path, digest: str | None, older: bool, **chosen: Any) -> Exit:
    """Install what the bundle FILE carries.

    Databases and feeds go to their places, programs to bin/, a policy to policy/ and trust roots to trust-root/ in the cache
    folder. All of it is verified and looked into before anything takes its place. A program must be approved here: by the shipped
    table or the policy that --policy names, never by the one in the bundle. Reports say which databases came from it.
    """
    from gate.bundle import reading, using
    from gate.deadline import Deadline

    deadline = Deadline(chosen["timeout"])
    settings = _settings(chosen)
    told = using.Use(settings, cache_folder(chosen["cache_dir"]), older)
    with reading.opened(file, deadline, digest or "") as bundle:
        places = using.use(bundle, told, deadline)
        lines = [f"installed from {bundle.digest}", *_lines(bundle.layers, places)]
    write_stdout("".join(f"{line}\n" for line in lines))
    return Exit.PASS


@COMMAND.command(short_help="Say what a bundle carries.")
@FILE
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole command.")
def show(file: Path, timeout: float) -> Exit:
    """Verify the bundle FILE and say what it carries: dates, sizes and digests of its parts. Nothing is installed."""
    from gate.bundle import reading
    from gate.deadline import Deadline

    with reading.opened(file, Deadline(timeout)) as bundle:
        for layer in bundle.layers:
            bundle.verify(layer)
        lines = [bundle.digest, *_lines(bundle.layers)]
    write_stdout("".join(f"{line}\n" for line in lines))
    return Exit.PASS


def _settings(chosen: dict[str, Any]) -> ScannerSettings:
    """Return where databases are, and which programs the policy approves."""
    from msgspec.structs import replace

    from gate.cli.scanners import approval_by

    places = {name: value for name, value in chosen.items() if name != "policy"}
    return replace(settings_of(places)[0], approval=approval_by(chosen["policy"]))


def _named(
    scanners: Iterable[str], policy: str | None, trust_roots: tuple[Path, ...], settings: ScannerSettings
) -> Iterator[Content]:
    """Yield what options name to be carried."""
    from gate.bundle import contents
    from gate.cli.scanners import requirement_of, requirements
    from gate.policy.policy import Policy
    from gate.policy.schema import PROFILES

    for program in scanners:
        path = None if program in requirements() else program
        yield contents.scanner(requirement_of(program), path, settings.approval)
    if policy is not None and policy not in PROFILES:
        yield contents.policy(policy, Policy.load(policy))
    if trust_roots:
        yield contents.trust_roots(trust_roots)


def _lines(layers: Iterable[Layer], places: Iterable[Path] = ()) -> Iterator[str]:
    """Yield what is said of each part, and where it is now."""
    where = iter(places)
    for layer in layers:
        part = layer.part
        dated = "" if part.dated is None else f", {part.dated:%Y-%m-%d %H:%M} UTC"
        yield f"  {part.kind} {printable(part.name)}{dated}, {byte_size(layer.descriptor.size)}"
        yield f"    {printable(part.identity, 200) or layer.descriptor.digest}"
        if (place := next(where, None)) is not None:
            yield f"    {place}"
