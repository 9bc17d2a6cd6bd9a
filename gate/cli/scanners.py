"""`image-gate scanners`: which scanners are known by their bytes, what a program is, and installing one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, SECONDS, cache_folder, option
from gate.cli.output import write_stdout
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.scanners import Approval
    from gate.scanners.program import Program, Requirement

POLICY = option("policy", metavar="PATH|PROFILE", help="Policy that approves and refuses further programs.")
CONFIG = option(
    "config",
    type=click.Path(dir_okay=False),
    help="Configuration file, instead of the one in the user's configuration folder.",
)


@click.group(
    "scanners", epilog=EXIT_CODES, no_args_is_help=False, short_help="Know, check and install scanners."
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Say which scanners are known by their bytes, what a program is, and install one whose digest is known."""


@COMMAND.command("list", short_help="Say which releases are known, and what is installed.")
@POLICY
def list_(policy: str | None) -> Exit:
    """Say which releases the shipped table knows, which are never started, and which programs are installed here."""
    write_stdout("".join(f"{line}\n" for line in _listing(approval_by(policy))))
    return Exit.PASS


@COMMAND.command(short_help="Say what a program is: approved, unknown or refused.")
@click.argument("program", metavar="PATH|NAME")
@POLICY
def verify(program: str, policy: str | None) -> Exit:
    """Say what a program is by its bytes: approved (exit 0), refused (1) or unknown (3). It is not started.

    NAME is trivy or grype and looked up on PATH, as `check` does it.
    """
    from gate.scanners.approval import Standing, judge
    from gate.scanners.program import located

    requirement = requirement_of(program)
    found = located(requirement, None if program in requirements() else program)
    judgement = judge(requirement, found, approval_by(policy))
    lines = [f"{judgement.standing.value}: {found.path}", f"  {judgement.text}", f"  {found.digest}"]
    write_stdout("".join(f"{line}\n" for line in lines))
    return {Standing.APPROVED: Exit.PASS, Standing.REFUSED: Exit.FAIL, Standing.UNKNOWN: Exit.NO_VERDICT}[
        judgement.standing
    ]


@COMMAND.command(short_help="Install a scanner whose digest is known.")
@click.argument("name", metavar="NAME[@VERSION]")
@option(
    "from",
    field="origin",
    metavar="FILE|URL",
    help="A file or mirror that has the archive, instead of the release's own address.",
)
@option(
    "to", field="folder", type=FOLDER, help="Folder for the program, instead of bin/ in the cache folder."
)
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole command.")
@POLICY
@CONFIG
def install(name: str, origin: str | None, folder: Path | None, **chosen: Any) -> Exit:
    """Install a scanner: NAME is trivy or grype, and without VERSION the newest that the shipped table knows is taken.

    The archive is hashed before it is opened, and only its one program is unpacked. Releases that are known to be
    compromised, that are older than what image-gate was tried with, or whose digest neither the shipped table nor the
    policy knows are refused. Where the release's signature lies beside the archive (a file *.sigstore.json), it must hold and be of
    the workflow that makes the releases. What was there before is replaced in one step.
    """
    from gate.configuration import load
    from gate.deadline import Deadline
    from gate.registry import RegistrySettings
    from gate.scanners import install as installing
    from gate.scanners.approval import Standing, this_platform

    scanner, _, version = name.partition("@")
    if scanner not in requirements() or ("@" in name and not version):
        raise InvalidInput(f"{name[:100]!r} is no scanner", hint="write trivy, grype, or one with @VERSION")
    configured = load(chosen["config"])
    settings = RegistrySettings(hosts=configured.hosts, proxy=configured.proxy, environment=dict(os.environ))
    order = installing.Order(
        requirements()[scanner],
        version.removeprefix("v"),
        this_platform(),
        origin or "",
        folder or cache_folder(None) / "bin",
    )
    done = installing.install(order, approval_by(chosen["policy"]), settings, Deadline(chosen["timeout"]))
    text = done.judgement.text
    if done.judgement.standing is Standing.UNKNOWN:
        text = "its archive is approved; where only listed programs may run, the policy must list this digest too:"
    write_stdout(
        f"installed {done.program.path}\n  {text}\n  {done.program.digest}\n  {printable(done.signature, 500)}\n"
        f"  use it with --{scanner} {done.program.path}, or put its folder on PATH\n"
    )
    return Exit.PASS


def _listing(approval: Approval) -> Iterator[str]:
    """Yield what is known and what is installed."""
    from gate.scanners.approval import judge, shipped, this_platform
    from gate.scanners.program import located

    table = shipped()
    yield f"known releases (this machine is {this_platform()})"
    for release in table.releases:
        of = "program and archive" if release.program else "archive"
        yield f"  {release.scanner} {release.version}  {release.platform:13}  digest of {of}"
    for name in requirements():
        if table.find(name, this_platform()) is None:
            yield f"  {name}: no digest of a release for {this_platform()} was seen, so none is approved"
    yield "never started"
    for entry in table.refused:
        yield f"  {entry.scanner} {entry.version}  {entry.reported}  {entry.reason}"
    yield from (f"  {text}  by the policy" for text in approval.refused)
    yield "installed"
    for name, requirement in requirements().items():
        own = cache_folder(None) / "bin" / name
        for given in (None, *([str(own)] if own.exists() else [])):
            try:
                program = located(requirement, given)
            except Unavailable as error:
                yield f"  {error.message}"
                continue
            found = judge(requirement, program, approval)
            yield f"  {program.path}  {found.standing.value}: {found.text}"


def requirements() -> Mapping[str, Requirement]:
    """Return what each scanner must be, by name."""
    from gate.scanners.requirements import REQUIREMENTS

    return REQUIREMENTS


def requirement_of(program: str) -> Requirement:
    """Return which scanner a program is meant to be: by its digest or the version in its bytes, else by its name."""
    from gate.scanners.approval import shipped

    known = requirements()
    if program in known:
        return known[program]
    found = {name: _located(requirement, program) for name, requirement in known.items()}
    for release in shipped().releases:
        if found[release.scanner].digest == release.program:
            return known[release.scanner]
    named = next((name for name in known if name in os.path.basename(program)), None)
    name = next((name for name, one in found.items() if one.stated), named)
    if name is None:
        raise InvalidInput(
            f"it cannot be told which scanner {program!r} is ({found['trivy'].digest})",
            hint="its file name must hold trivy or grype",
        )
    return known[name]


def _located(requirement: Requirement, path: str) -> Program:
    """Read a program at a path."""
    from gate.scanners.program import located

    if not os.path.exists(path):
        raise InvalidInput(f"there is no program {path!r}", hint="name a path, or trivy or grype")
    return located(requirement, path)


def approval_by(policy: str | None) -> Approval:
    """Return what the policy says of programs."""
    from gate.gathering import approval_of
    from gate.policy.policy import Policy

    return approval_of(Policy.load(policy))
