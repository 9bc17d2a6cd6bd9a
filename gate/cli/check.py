"""`image-gate check`: judge images under a policy, report, and exit with what was found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gate.cli import output, sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import AGE, DAY, FOLDER, SECONDS, cache_place, option
from gate.cli.progress import progress
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.reporters import formats, reporter
from gate.sources import Location
from gate.verdict import Report

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from gate.against import Earlier
    from gate.configuration import Configuration
    from gate.pipeline import RunSettings
    from gate.policy.policy import Policy
    from gate.scanners import ScannerSettings
    from gate.vex import Document


class Request(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    references: tuple[str, ...]
    sources: sources.SourceOptions
    images: str | None
    policy: str | None
    policy_digest: str | None
    platform: str
    name: str | None
    as_of: date | None
    format: str
    output: tuple[str, ...]
    dockerfile: str | None
    trivy: str | None
    grype: str | None
    trivy_cache: Path | None
    grype_db: Path | None
    feeds: Path | None
    scanner_timeout: float
    offline: bool
    timeout: float
    cache_dir: Path | None
    no_cache: bool
    against: str | None
    bundle: tuple[str, ...]
    vex: tuple[str, ...]
    reuse_verdict: float | None
    quiet: bool
    verbose: bool


@click.command("check", epilog=EXIT_CODES, short_help="Judge images: pass, fail or unknown.")
@click.argument("references", nargs=-1, metavar="[REF...]")
@option(
    "images",
    metavar="FILE|-",
    help="Judge the images that a file lists as well: references line by line, a compose file, or Kubernetes manifests.",
)
@sources.source_options
@option("policy", metavar="PATH|PROFILE", help="Policy file, or a profile: baseline, strict, audit.")
@option("policy-digest", metavar="sha256:HEX", help="Refuse any other policy than the one with this digest.")
@option(
    "platform",
    metavar="all|OS/ARCH[/VARIANT]",
    default="all",
    help="Judge every platform of an index, or this one alone.",
)
@option(
    "as",
    field="name",
    metavar="NAME",
    help="The image name that a file will have, for rules about names; its registry is asked where rules want signatures.",
)
@option(
    "as-of",
    type=DAY,
    metavar="DATE",
    help="Judge as of another day in UTC, to see what ends or begins until then. Never a pass: exit 1 or 3.",
)
@option("format", type=click.Choice(formats()), default="text", help="What goes to standard output.")
@option(
    "output",
    metavar="FORMAT=PATH",
    multiple=True,
    help="Write a report to a file as well. Can be repeated; in the variable, separated by spaces.",
)
@option(
    "dockerfile",
    metavar="PATH",
    help="Where code hosts show problems: the lines that matter of the Dockerfile of the image.",
)
@option("trivy", metavar="PATH", help="The Trivy program, instead of the one on PATH.")
@option("grype", metavar="PATH", help="The Grype program, instead of the one on PATH.")
@option("trivy-cache", type=FOLDER, help="Trivy's databases: the folder that holds db/ and java-db/.")
@option("grype-db", type=FOLDER, help="Grype's database: the folder that holds 6/.")
@option("feeds", type=FOLDER, help="Lists of what is exploited: the folder that holds kev/ and epss/.")
@option(
    "scanner-timeout",
    type=SECONDS,
    default=f"{LIMITS.scanner_seconds / 60:g}m",
    help="Limit for one scanner on one image.",
)
@option("offline", is_flag=True, help="Do not renew databases from the network.")
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole run.")
@option("cache-dir", type=FOLDER, help="Working files and databases, instead of the user's cache folder.")
@option(
    "no-cache",
    is_flag=True,
    help="Work in a temporary folder and keep nothing, nor databases unless their folders are named.",
)
@option(
    "against",
    metavar="REF|REPORT.json",
    help="Say what is fixed, new, or changed since an earlier JSON report, or against another image, which is judged for that "
    "alone. What ends in .json is a report, and so is a path to a file that begins with {; all else is a REF.",
)
@option(
    "vex",
    metavar="FILE",
    multiple=True,
    help="A further VEX document, where the policy lets runs bring some. Can be repeated; in the variable, separated by spaces.",
)
@option(
    "bundle",
    metavar="FILE",
    multiple=True,
    help="Signatures and attestations in a file (.json, .jsonl), beside those in registries. Can be repeated.",
)
@option(
    "reuse-verdict",
    type=AGE,
    metavar="AGE",
    help="Take what scanners said from a signed verdict that is not older (90m, 24h), where the policy says whose count; scan "
    "where there is none.",
)
@option("quiet", short="q", is_flag=True, help="One line per image, and no progress.")
@option("verbose", short="v", is_flag=True, help="All findings, remarks, what passed, what ran.")
def COMMAND(**chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Judge container images under a policy: pass, fail or unknown, with reasons.

    \b
    REF is one of
      NAME[:TAG][@DIGEST]         an image name, for the container engine or else its registry
      docker://NAME               the same in its registry alone
      docker-daemon:NAME|ID       an image of the container engine
      oci:DIR[:TAG|@DIGEST]       an OCI layout
      oci-archive:FILE[:TAG]      an OCI layout in a tar file
      docker-archive:FILE[:NAME]  what `docker save` writes
      ./PATH, or FILE.tar         a layout or archive of any kind

    What can be a name is one: a file of that name never takes its place, and where there is one the reference is refused.
    Each image is judged once, however often it is named.

    Without --policy the nearest .image-gate.yaml up to the repository's root is used, else the profile baseline. Every
    option can be set by a variable, such as IMAGE_GATE_TRIVY_CACHE; the command line wins.
    """  # noqa: D301 -- click wants the backspace
    request = Request(sources=sources.SourceOptions.taken_from(chosen), **chosen)
    outputs = [output.Output.parse(text) for text in request.output]
    options = output.render_options(
        verbose=request.verbose, quiet=request.quiet, dockerfile=request.dockerfile
    )
    against = (
        None if request.against is None else _against(request.against)
    )  # before an output takes its place
    output.prepare(outputs)
    report = _judged(request, against)
    output.write_files(report, outputs, options)
    output.write_stdout(reporter(request.format).render(report, options))
    return output.EXITS[report.status]


def judged(reference: str) -> Report:
    """Judge one image as `check REF` does, with every option as its variable sets it, and write no report."""
    context = (
        click.get_current_context()
    )  # of the command that asks, whose settings hold for this one as well
    chosen = COMMAND.make_context("check", ["--", reference], parent=context).params
    return _judged(Request(sources=sources.SourceOptions.taken_from(chosen), **chosen))


def _judged(request: Request, against: Earlier | Location | None = None) -> Report:
    """Judge what was asked for."""
    with cache_place(request.cache_dir, keep=not request.no_cache) as cache:
        run = prepared(request, cache, against)
        with progress(quiet=request.quiet, verbose=request.verbose) as tell:
            return run.judge(tell)


def _scanners(request: Request, configured: Configuration, folder: Path) -> ScannerSettings:
    """Return what options and configuration say about scanners."""
    from gate.scanners import ScannerSettings

    return ScannerSettings(
        work_dir=folder,
        trivy_cache=request.trivy_cache or folder / "trivy",
        grype_database=request.grype_db or folder / "grype",
        trivy=request.trivy,
        grype=request.grype,
        timeout=request.scanner_timeout,
        offline=request.offline,
        trivy_sources=configured.trivy_sources,
        trivy_java_sources=configured.trivy_java_sources,
        grype_sources=configured.grype_sources,
        feeds=request.feeds or folder / "feeds",
        feed_sources=configured.feed_sources,
    )


class Prepared(msgspec.Struct, frozen=True):
    """A run that can begin: what is judged, under which policy, and how."""

    locations: tuple[Location, ...]
    policy: Policy
    settings: RunSettings

    def judge(self, tell: Callable[[str], object]) -> Report:
        """Run it, and tell of its progress."""
        from gate import pipeline

        return pipeline.check(
            self.locations, self.policy, msgspec.structs.replace(self.settings, progress=tell)
        )


def prepared(
    request: Request, cache: Callable[[], Path], against: Earlier | Location | None = None
) -> Prepared:
    """Load the policy and prepare the check; what is wrong with the request is found before any work."""
    from gate import pipeline
    from gate.policy.load import verify_digest
    from gate.policy.policy import Policy

    policy = Policy.load(request.policy)
    if request.policy_digest is not None:
        verify_digest(policy, request.policy_digest)
    configured = sources.configuration(request.sources)
    locations = _locations(request)
    opened = [*locations, *([against] if isinstance(against, Location) else [])]
    settings = pipeline.RunSettings(
        scanners=_scanners(request, configured, cache()) if policy.asks_scanners else None,
        platform=request.platform,
        name=request.name or "",
        timeout=request.timeout,
        sources=sources.settings(request.sources, opened, configured),
        cache_dir=cache,
        kept=not request.no_cache,
        against=against,
        as_of=request.as_of,
        bundles=request.bundle,
        vex=_documents(request.vex),
        reuse_verdict=None if request.reuse_verdict is None else timedelta(seconds=request.reuse_verdict),
    )
    return Prepared(locations, policy, settings)


def _against(text: str) -> Earlier | Location:
    """Return the report that is named, or where the image is; a layout or an archive never begins as JSON does."""
    from gate.sources.locate import locate

    location = None if text.endswith(".json") else locate(text)
    if location is not None and not (location.source == "archive" and _begins_as_json(location.path)):
        return location
    from gate.against import Earlier
    from gate.reporters._reading import read_report

    return Earlier(text, read_report(text))


def _begins_as_json(path: str) -> bool:
    """Whether the first thing in a file is an object of JSON."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(LIMITS.chunk).lstrip().startswith(b"{")
    except OSError:
        return False


def _documents(paths: tuple[str, ...]) -> tuple[Document, ...]:
    """Read the VEX documents that the run brings."""
    if not paths:
        return ()
    from gate.policy.named import VEX, read_file
    from gate.vex.read import read_vex

    return tuple(read_vex(read_file(path, path, VEX), path, "command line") for path in dict.fromkeys(paths))


def _locations(request: Request) -> tuple[Location, ...]:
    """Return the images that references and the list name, each once; raises `InvalidInput` where there is none."""
    from gate.sources.locate import locate_all

    listed: tuple[Location, ...] = ()
    if request.images is not None:
        if request.sources.username or request.sources.password_stdin:
            raise InvalidInput(
                "--username and --images exclude each other: a list could send the password to any registry",
                hint="use docker login: its credentials go to the registry that they are for",
            )
        listed = _listed(request.images)
    locations = locate_all([*request.references, *listed])
    if not locations:
        raise InvalidInput("no image was named", hint="give at least one reference, or a list with --images")
    return locations


def _listed(path: str) -> tuple[Location, ...]:
    """Return the images that a list names."""
    from gate.sources import listing
    from gate.sources.compose import Variables

    if path != "-":
        return listing.parse(listing.read(path), path, Variables(os.environ, os.path.dirname(path)))
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput("--images - reads no terminal", hint="pipe the list in, or name a file")
    data = sys.stdin.buffer.read(LIMITS.list_file + 1)
    return listing.parse(data, listing.STANDARD_INPUT, Variables(os.environ))
