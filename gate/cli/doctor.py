"""`image-gate doctor`: say what a check needs here, what is missing, and how to get it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli import sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, SECONDS, cache_folder, option
from gate.cli.output import write_stdout
from gate.errors import InvalidInput
from gate.oci.reference import Reference
from gate.printable import shown
from gate.sources.locate import locate_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.doctor import Symptom
    from gate.policy.policy import Policy
    from gate.scanners import ScannerSettings


@click.command("doctor", epilog=EXIT_CODES, short_help="Say what a check needs here, and what is missing.")
@click.argument("references", nargs=-1, metavar="[REF]...")
@option("policy", metavar="PATH|PROFILE", help="The policy that a check would use.")
@option("trivy", metavar="PATH", help="The Trivy program, instead of the one on PATH.")
@option("grype", metavar="PATH", help="The Grype program, instead of the one on PATH.")
@option("trivy-cache", type=FOLDER, help="Trivy's databases: the folder that holds db/ and java-db/.")
@option("grype-db", type=FOLDER, help="Grype's database: the folder that holds 6/.")
@option("cache-dir", type=FOLDER, help="The cache folder, instead of the user's.")
@option("format", type=click.Choice(["text", "json"]), default="text", help="What goes to standard output.")
@option("timeout", type=SECONDS, default="1m", help="Limit for the whole command.")
@sources.source_options
def COMMAND(references: tuple[str, ...], **chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Say what a check under this policy needs, whether it is here, and how to get what is missing.

    With REF, its registry is asked for the image, with the login that a check would use; nothing is pulled. No scanner
    is started. Ends with 0 if nothing is in the way of a verdict, else with 3.
    """
    from gate.deadline import Deadline
    from gate.doctor import Examination, State
    from gate.policy.policy import Policy
    from gate.sources import Access

    options = sources.SourceOptions.taken_from(chosen)
    locations = locate_all(references)
    configured = sources.configuration(options)
    settings = sources.settings(options, locations, configured)
    policy = Policy.load(chosen["policy"])
    folder = cache_folder(chosen["cache_dir"])
    with Access(settings, Deadline(chosen["timeout"])) as access:
        names = [_name(location.text, location.name) for location in locations]
        scanners = _scanners(chosen, folder, policy)
        found = list(Examination(policy, scanners, folder, access, names).symptoms())
    write_stdout(_document(found) if chosen["format"] == "json" else rendered(found))
    return Exit.NO_VERDICT if any(one.state is State.MISSING for one in found) else Exit.PASS


def rendered(found: Sequence[Symptom]) -> str:
    """Return one line for each symptom, and what to do below it; what went wrong is counted at the end."""
    from gate.doctor import State

    width = max(len(one.subject) for one in found)
    lines = []
    for one in found:
        lines.append(f"{one.state.value:8} {shown(one.subject):{width}}  {shown(one.text)}")
        if one.hint:
            lines.append(f"{'':8} {'':{width}}  → {shown(one.hint)}")
    missing = sum(one.state is State.MISSING for one in found)
    lines.append(
        f"{missing} missing: a check ends with 3, no verdict"
        if missing
        else "nothing is in the way of a verdict"
    )
    return "".join(f"{line}\n" for line in lines)


def _document(found: Sequence[Symptom]) -> str:
    """Return the same for programs."""
    symptoms = [
        {"subject": one.subject, "state": one.state.value, "text": one.text, "hint": one.hint}
        for one in found
    ]
    return json.dumps({"schema": 1, "symptoms": symptoms}, indent=2) + "\n"


def _scanners(chosen: dict[str, Any], folder: Path, policy: Policy) -> ScannerSettings:
    """Return where the scanners and their databases are."""
    from gate.gathering import approval_of
    from gate.scanners import ScannerSettings

    return ScannerSettings(
        work_dir=folder,
        trivy_cache=chosen["trivy_cache"] or folder / "trivy",
        grype_database=chosen["grype_db"] or folder / "grype",
        feeds=folder / "feeds",
        trivy=chosen["trivy"],
        grype=chosen["grype"],
        approval=approval_of(policy),
    )


def _name(text: str, name: Reference | None) -> Reference:
    """Return what a registry is asked for; raises `InvalidInput` for a file."""
    if name is None:
        raise InvalidInput(f"{text[:300]!r} is no name of an image in a registry", hint="check it directly")
    return name
