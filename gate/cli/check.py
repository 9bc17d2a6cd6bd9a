"""`image-gate check`: judge images under a policy, report, and exit with what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gate.cli import output
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, SECONDS, cache_folder, option
from gate.cli.progress import progress
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.reporters import formats, reporter
from gate.verdict import Report, Status

if TYPE_CHECKING:
    from pathlib import Path

    from gate.scanners import ScannerSettings

EXITS = {Status.PASS: Exit.PASS, Status.FAIL: Exit.FAIL, Status.UNKNOWN: Exit.NO_VERDICT}


class Request(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    references: tuple[str, ...]
    policy: str | None
    policy_digest: str | None
    platform: str
    name: str | None
    format: str
    output: tuple[str, ...]
    trivy: str | None
    grype: str | None
    trivy_cache: Path | None
    grype_db: Path | None
    scanner_timeout: float
    offline: bool
    timeout: float
    cache_dir: Path | None
    quiet: bool
    verbose: bool


@click.command("check", epilog=EXIT_CODES, short_help="Judge images: pass, fail or unknown.")
@click.argument("references", nargs=-1, required=True, metavar="REF...")
@option("policy", metavar="PATH|PROFILE", help="Policy file, or a profile: baseline, strict, audit.")
@option("policy-digest", metavar="sha256:HEX", help="Refuse any other policy than the one with this digest.")
@option(
    "platform",
    metavar="all|OS/ARCH[/VARIANT]",
    default="all",
    help="Judge every platform of an index, or this one alone.",
)
@option(
    "as", field="name", metavar="NAME", help="The image name that a file will have, for rules about names."
)
@option("format", type=click.Choice(formats()), default="text", help="What goes to standard output.")
@option(
    "output",
    metavar="FORMAT=PATH",
    multiple=True,
    help="Write a report to a file as well. Can be repeated; in the variable, separated by spaces.",
)
@option("trivy", metavar="PATH", help="The Trivy program, instead of the one on PATH.")
@option("grype", metavar="PATH", help="The Grype program, instead of the one on PATH.")
@option("trivy-cache", type=FOLDER, help="Trivy's databases: the folder that holds db/ and java-db/.")
@option("grype-db", type=FOLDER, help="Grype's database: the folder that holds 6/.")
@option(
    "scanner-timeout",
    type=SECONDS,
    default=f"{LIMITS.scanner_seconds / 60:g}m",
    help="Limit for one scanner on one image.",
)
@option("offline", is_flag=True, help="Do not renew databases from the network.")
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole run.")
@option("cache-dir", type=FOLDER, help="Working files and databases, instead of the user's cache folder.")
@option("quiet", short="q", is_flag=True, help="One line per image, and no progress.")
@option("verbose", short="v", is_flag=True, help="All findings, remarks, what passed, what ran.")
def COMMAND(**chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Judge container images under a policy: pass, fail or unknown, with reasons.

    \b
    REF is one of
      oci:DIR[:TAG|@DIGEST]       an OCI layout
      oci-archive:FILE[:TAG]      an OCI layout in a tar file
      docker-archive:FILE[:NAME]  what `docker save` writes
      the bare path of any of them

    Without --policy the nearest .image-gate.yaml up to the repository's root is used, else the profile baseline. Every
    option can be set by a variable, such as IMAGE_GATE_TRIVY_CACHE; the command line wins.
    """  # noqa: D301 -- click wants the backspace
    request = Request(**chosen)
    if request.quiet and request.verbose:
        raise InvalidInput("--quiet and --verbose contradict each other", hint="choose one")
    outputs = [output.Output.parse(text) for text in request.output]
    options = output.render_options(verbose=request.verbose, quiet=request.quiet)
    judge = _prepared(request)
    output.prepare(outputs)
    with progress(quiet=request.quiet, verbose=request.verbose) as tell:
        report = judge(tell)
    output.write_files(report, outputs, verbose=request.verbose)
    output.write_stdout(reporter(request.format).render(report, options))
    return EXITS[report.status]


def _scanners(request: Request) -> ScannerSettings:
    """Return what the options say about scanners."""
    from gate.scanners import ScannerSettings

    folder = cache_folder(request.cache_dir)
    return ScannerSettings(
        work_dir=folder,
        trivy_cache=request.trivy_cache or folder / "trivy",
        grype_database=request.grype_db or folder / "grype",
        trivy=request.trivy,
        grype=request.grype,
        timeout=request.scanner_timeout,
        offline=request.offline,
    )


def _prepared(request: Request) -> Callable[[Callable[[str], object]], Report]:
    """Load the policy and return what runs the check; what is wrong with the request is found before any work."""
    from gate import pipeline
    from gate.policy.load import verify_digest
    from gate.policy.policy import Policy

    policy = Policy.load(request.policy)
    if request.policy_digest is not None:
        verify_digest(policy, request.policy_digest)
    scanners = _scanners(request) if policy.asks_scanners else None

    def judge(tell: Callable[[str], object]) -> Report:
        settings = pipeline.RunSettings(
            scanners,
            request.platform,
            request.name or "",
            request.timeout,
            tell,
            lambda: cache_folder(request.cache_dir),
        )
        return pipeline.check(request.references, policy, settings)

    return judge
