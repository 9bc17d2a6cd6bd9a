"""`image-gate trust`: look at trusted roots, and fetch the newest; nothing else ever fetches one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.output import write_file, write_stdout
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.printable import printable

if TYPE_CHECKING:
    from gate.signatures import Authority, LogKey, TrustedRoot, Window

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(
    "trust",
    epilog=EXIT_CODES,
    no_args_is_help=False,
    short_help="Look at trusted roots, and fetch the newest.",
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Look at trusted roots, which vouch for identities, and fetch the newest.

    Checks use the files that the policy names, or the root of the public Sigstore instance that came with image-gate.
    """


@COMMAND.command(short_help="Fetch the newest trusted root into a file.")
@click.argument("path", type=FILE, metavar="FILE")
@click.option("--url", default="", help="The TUF repository of another Sigstore instance.")
@click.option("--metadata", type=FILE, help="Its root.json, from which everything else is verified.")
def update(path: Path, url: str, metadata: Path | None) -> Exit:
    """Fetch the newest trusted root of the public Sigstore instance, or of the one at --url, and write it to FILE.

    It is verified over TUF. The file is for `trusted-roots` of the rules about signatures: beside the policy, whose digest
    covers it, so that what it changes is reviewed like any other change. Nothing is written where anything fails.
    """
    from gate.signatures.root_update import PUBLIC_GOOD_URL, fetch_root, shipped_metadata

    if bool(url) != (metadata is not None):
        raise InvalidInput(
            "--url and --metadata belong together",
            hint="the root.json of an instance comes from whoever runs it, not from the repository that it verifies",
        )
    data = fetch_root(url or PUBLIC_GOOD_URL, shipped_metadata() if metadata is None else _read(metadata))
    before = path.read_bytes() if path.exists() else b""
    write_file(path, data.decode())
    changed = "as it was" if before == data else "new" if not before else "changed"
    write_stdout(f"{path} is {changed}, sha256:{hashlib.sha256(data).hexdigest()}\n")
    return Exit.PASS


@COMMAND.command(short_help="Show what a trusted root holds.")
@click.argument("path", type=FILE, metavar="[FILE]", required=False)
def show(path: Path | None) -> Exit:
    """Show the logs and authorities of a trusted root and since when each is trusted: of FILE, else of the public instance."""
    from gate.signatures import trust

    roots = (trust.public_good(),) if path is None else trust.from_bytes(_read(path), str(path))
    lines = [printable(line) for root in roots for line in _lines(root)]
    write_stdout("\n".join(lines) + "\n")
    return Exit.PASS


def _read(path: Path) -> bytes:
    """Read a file that the caller named."""
    try:
        with path.open("rb") as file:
            return file.read(LIMITS.document + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def _lines(root: TrustedRoot) -> Iterator[str]:
    """Yield what a root holds; what it has, it demands of every signature."""
    demands = [
        *(["an entry in a log"] if root.logs else []),
        *(["an entry of the certificate in a log"] if root.certificate_logs else []),
        "an attested time",
    ]
    yield f"{root.name} (sha256:{hashlib.sha256(root.document).hexdigest()})"
    yield f"  demands {', '.join(demands)}"
    for authority in root.authorities:
        yield f"  certificate authority {_authority(authority)}"
    for log in root.logs:
        yield f"  log {_log(log)}"
    for log in root.certificate_logs:
        yield f"  certificate log {_log(log)}"
    for authority in root.timestamp_authorities:
        yield f"  timestamp authority {_authority(authority)}"


def _authority(authority: Authority) -> str:
    """Describe an authority by the certificate that ends its chain."""
    anchor = hashlib.sha256(authority.chain[-1]).hexdigest()
    return f"{authority.name}, {_window(authority.window)}, root certificate sha256:{anchor}"


def _log(log: LogKey) -> str:
    """Describe a log by its key."""
    return f"{log.name}, {_window(log.window)}, key sha256:{hashlib.sha256(log.spki).hexdigest()}"


def _window(window: Window) -> str:
    """Say when something may sign."""
    since = "always" if window.start is None else f"since {window.start:%Y-%m-%d}"
    return since if window.end is None else f"{since}, until {window.end:%Y-%m-%d}"
