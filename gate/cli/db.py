"""`image-gate db`: renew the scanners' databases apart from any check, look at them, and carry them elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit, complain
from gate.cli.options import FOLDER, SECONDS, cache_folder, option
from gate.cli.output import write_stdout
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.printable import byte_size

if TYPE_CHECKING:
    from gate.scanners import ScannerSettings
    from gate.scanners.databases import Kind, Status

F = TypeVar("F", bound=Callable[..., Any])

_NAMES = ("trivy", "trivy-java", "grype", "kev", "epss")
_USUAL = ("trivy", "grype")
NAMES = click.argument("names", nargs=-1, type=click.Choice(_NAMES), metavar=f"[{'|'.join(_NAMES)}]...")


def place_options(command: F) -> F:
    """Declare where databases are, with the time limit."""
    for declare in (
        option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole command."),
        option("cache-dir", type=FOLDER, help="The cache folder, instead of the user's."),
        option("feeds", type=FOLDER, help="Lists of what is exploited: the folder that holds kev/ and epss/."),
        option("grype-db", type=FOLDER, help="Grype's database: the folder that holds 6/."),
        option("trivy-cache", type=FOLDER, help="Trivy's databases: the folder that holds db/ and java-db/."),
    ):  # fmt: skip
        command = declare(command)
    return command


@click.group("db", epilog=EXIT_CODES, no_args_is_help=False, short_help="Renew, show and carry databases.")
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Renew the scanners' databases apart from any check, look at them, and carry them to machines without a network.

    kev and epss are feeds: CISA's list of vulnerabilities that are known to be exploited, and FIRST's scores of how likely
    that is. They are fetched where a rule of the policy asks for them.

    Several commands and checks may run at once: a database is renewed by one of them, and the others wait for it.
    """


@COMMAND.command(short_help="Renew what is due.")
@NAMES
@option("now", is_flag=True, help="Also renew what is not due.")
@option("max-age", type=SECONDS, help="End with 3 if a database is older afterwards: 90m, 24h.")
@option("trivy", metavar="PATH", help="The Trivy program, instead of the one on PATH.")
@option("grype", metavar="PATH", help="The Grype program, instead of the one on PATH.")
@option("policy", metavar="PATH|PROFILE", help="Policy that approves and refuses programs.")
@option("config", type=click.Path(dir_okay=False), help="Configuration file that names mirrors.")
@place_options
def update(names: tuple[str, ...], now: bool, max_age: float | None, **chosen: Any) -> Exit:
    """Renew what is due: the databases named, else Trivy's and Grype's, what else is here, and feeds that the policy asks for.

    The sources of the configuration are tried in their order, whatever is wrong with one. What a source gives takes its
    place only after it was looked into. Where none gives anything the last good database stays, with a warning, and
    the command ends with 0, unless --max-age says how old that may be; without any database it ends with 3.
    """
    from gate.deadline import Deadline
    from gate.scanners import databases
    from gate.scanners.process import Bounds
    from gate.scanners.renewal import Wish

    deadline = Deadline(chosen["timeout"])
    settings, asked = settings_of(chosen)
    wish = Wish(now, None if max_age is None else timedelta(seconds=max_age))
    failed = False
    for kind in kinds_of(names, settings, asked):
        try:
            for warning in databases.update(kind, settings, wish, deadline.at):
                complain(f"the last good database {kind.name} stays: {warning}")
            found = databases.status(kind, settings, Bounds(deadline.at, settings.cancelled))
            write_stdout("".join(f"{line}\n" for line in _lines(found)))
        except Unavailable as error:
            complain(f"{kind.name}: {error.message}", error.hint)
            failed = True
    return Exit.NO_VERDICT if failed else Exit.PASS


@COMMAND.command(short_help="Say what is here, and how old it is.")
@option("format", type=click.Choice(["text", "json"]), default="text", help="What goes to standard output.")
@place_options
def status(format: str, **chosen: Any) -> Exit:  # noqa: A002 -- the option's name
    """Say of each database what it is: when it was built, its size, digest and providers, or why it cannot be used.

    Ends with 3 if Trivy's or Grype's cannot be used.
    """
    import time

    from gate.scanners import databases
    from gate.scanners.process import Bounds

    settings, _ = settings_of(chosen)
    bounds = Bounds(time.monotonic() + chosen["timeout"], settings.cancelled)
    found = [databases.status(kind, settings, bounds) for kind in databases.KINDS.values()]
    if format == "json":
        write_stdout(
            json.dumps({"schema": 1, "databases": [_document(one) for one in found]}, indent=2) + "\n"
        )
    else:
        write_stdout("".join(f"{line}\n" for one in found for line in _lines(one)))
    good = all(one.database is not None for one in found if one.name in _USUAL)
    return Exit.PASS if good else Exit.NO_VERDICT


@COMMAND.command(short_help="Write databases to a file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@NAMES
@place_options
def export(file: Path, names: tuple[str, ...], **chosen: Any) -> Exit:
    """Write databases to a tar FILE for `db import`: those named, else Trivy's and Grype's, and the others that are here."""
    from gate.deadline import Deadline
    from gate.scanners import transfer

    settings, _ = settings_of(chosen)
    kinds = kinds_of(names, settings)
    digest = transfer.export(kinds, settings, file, Deadline(chosen["timeout"]))
    write_stdout(f"wrote {file}: {', '.join(kind.name for kind in kinds)}\n  {digest}\n")
    return Exit.PASS


@COMMAND.command("import", short_help="Take databases from a file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@option("digest", metavar="sha256:HEX", help="Refuse any other file than the one with this digest.")
@option("older", is_flag=True, help="Also take what is older than what is here.")
@place_options
def import_(file: Path, digest: str | None, older: bool, **chosen: Any) -> Exit:
    """Take databases from a FILE that `db export` wrote, perhaps compressed since. All of them are looked into first."""
    from gate.deadline import Deadline
    from gate.scanners import transfer

    deadline = Deadline(chosen["timeout"])
    names = transfer.import_(file, settings_of(chosen)[0], deadline, digest=digest or "", older=older)
    write_stdout(f"imported {', '.join(names)}\n")
    return Exit.PASS


def settings_of(chosen: dict[str, Any]) -> tuple[ScannerSettings, tuple[str, ...]]:
    """Return what options, configuration and policy say, and which feeds the policy asks for."""
    from gate.scanners import Approval, ScannerSettings

    folder = cache_folder(chosen["cache_dir"])
    settings = ScannerSettings(
        work_dir=folder,
        trivy_cache=chosen["trivy_cache"] or folder / "trivy",
        grype_database=chosen["grype_db"] or folder / "grype",
        feeds=chosen["feeds"] or folder / "feeds",
        timeout=chosen["timeout"],
    )
    if "policy" not in chosen:
        return settings, ()
    from msgspec.structs import replace

    from gate.configuration import load
    from gate.exploitation import asked_feeds
    from gate.gathering import approval_of
    from gate.policy.policy import Policy

    configured, policy = load(chosen["config"]), Policy.load(chosen["policy"])
    approval: Approval = approval_of(policy)
    variants = (policy, *(policy.scoped([scope]) for scope in policy.scopes))
    asked = tuple(dict.fromkeys(name for one in variants for name in asked_feeds(one)))
    told = replace(
        settings,
        trivy=chosen["trivy"],
        grype=chosen["grype"],
        approval=approval,
        trivy_sources=configured.trivy_sources,
        trivy_java_sources=configured.trivy_java_sources,
        grype_sources=configured.grype_sources,
        feed_sources=configured.feed_sources,
        network=configured.registries(os.environ),
    )
    return told, asked


def kinds_of(names: tuple[str, ...], settings: ScannerSettings, asked: tuple[str, ...] = ()) -> list[Kind]:
    """Return the databases that are meant, each once; without names the usual ones, what is here, and what is `asked` for."""
    from gate.scanners.databases import KINDS

    if names:
        return [KINDS[name] for name in dict.fromkeys(names)]
    return [
        kind
        for kind in KINDS.values()
        if not kind.optional or kind.name in asked or (kind.place(settings) / kind.folder).exists()
    ]


def _lines(found: Status) -> Iterator[str]:
    """Yield what is said of one database."""
    if found.database is None:
        yield f"{found.name}: {found.reason}"
        yield f"  {found.problem}"
        return
    from gate.scanners.databases import age_of

    database = found.database
    hours = age_of(database.built) / 3600
    age = f"{hours / 24:.0f} days" if hours >= 72 else f"{hours:.0f} hours"
    yield f"{found.name}: built {database.built:%Y-%m-%d %H:%M} UTC, {age} ago, {byte_size(found.bytes)}"
    yield f"  {found.path}, schema {database.schema}"
    yield f"  {database.digest}"
    if database.providers:
        yield f"  providers: {', '.join(database.providers)}"


def _document(found: Status) -> dict[str, Any]:
    """Return what is said of one database, as JSON."""
    from gate.scanners.databases import age_of

    said: dict[str, Any] = {"name": found.name, "path": found.path, "usable": found.database is not None}
    if found.database is None:
        return said | {"reason": found.reason, "problem": found.problem}
    database = found.database
    return said | {
        "built": database.built.isoformat(),
        "age_seconds": int(age_of(database.built)),
        "bytes": found.bytes,
        "schema": database.schema,
        "digest": database.digest,
        "providers": list(database.providers),
    }
