"""`image-gate inspect`: what the gate sees in an image, as JSON, without judging it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from gate.cli import sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import SECONDS, option
from gate.cli.output import write_stdout
from gate.collect import Collector, Wanted
from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.evidence import KINDS, LOOKED_UP, SIGNED, Evidence, ScanRuns, Secrets, Subject, Vulnerabilities
from gate.facts import facts_of
from gate.limits import LIMITS
from gate.oci.config_credentials import in_config
from gate.oci.filesystem import Entry, Filesystem
from gate.oci.image import Image, Origin
from gate.oci.manifest import ImageConfig
from gate.packages.inventory import Inventory
from gate.printable import redacted
from gate.reporters.json import json_text
from gate.sources.locate import locate
from gate.sources.open import open_source

INSPECTED = KINDS - {ScanRuns, Vulnerabilities} - LOOKED_UP - SIGNED
"""Everything but what scanners and registries say, which `check` asks them."""


@click.command("inspect", epilog=EXIT_CODES, short_help="Show the evidence in an image, as JSON.")
@click.argument("reference", metavar="REF")
@option("files", is_flag=True, help="Every path of the image, instead of the ones that rules look at first.")
@sources.source_options
@option("timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole run.")
def COMMAND(reference: str, files: bool, timeout: float, **chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Show what the gate sees in every image that REF names, as JSON, without judging it and without scanners.

    REF is as for `check`.

    Exits 0 if all evidence could be established, and 3 if some could not; the JSON says which and why.
    """
    options = sources.SourceOptions.taken_from(chosen)
    location = locate(reference)
    settings = sources.settings(options, [location], sources.configuration(options))
    now = datetime.now(UTC)
    images: list[dict[str, Any]] = []
    problems: dict[str, str] = {}
    try:
        with (
            sources.access(settings, Deadline(timeout)) as access,
            open_source(location, None, access) as opened,
        ):
            collector = Collector(Wanted(INSPECTED, True, (), {}), {}, None, access)
            problems = {label: str(error) for label, error in opened.failed.items()}
            origin = opened.origin or Origin(location.source)
            for image in opened.images:
                subject = Subject(
                    reference=redacted(location.text),
                    source=origin.source,
                    digest=image.digest,
                    config_digest=image.manifest.config.digest,
                    platform=image.platform,
                    names=(),
                    checked_at=now,
                )
                found = collector.collect(image, subject, {Origin: origin})
                images.append(_described(image, found, origin, files=files))
    except Unavailable as error:
        problems[location.text] = str(error)
    write_stdout(
        json_text({"schema": 1, "reference": redacted(reference), "images": images, "problems": problems})
    )
    complete = images and not problems and not any("unavailable" in image["facts"] for image in images)
    return Exit.PASS if complete else Exit.NO_VERDICT


def _described(image: Image, evidence: Evidence, origin: Origin, *, files: bool) -> dict[str, Any]:
    """Return one image and its evidence as plain data."""
    filesystem, inventory, secrets = (evidence.values.get(kind) for kind in (Filesystem, Inventory, Secrets))
    return {
        "digest": str(image.digest),
        "platform": str(image.platform),
        "names": list(image.names),
        "config": _config(image.config),
        "facts": facts_of(evidence, image, origin),
        "files": list(_files(filesystem, files=files)) if isinstance(filesystem, Filesystem) else [],
        "packages": list(inventory.packages) if isinstance(inventory, Inventory) else [],
        "secrets": list(secrets.found) if isinstance(secrets, Secrets) else [],
    }


def _config(config: ImageConfig) -> dict[str, Any]:
    """Return the configuration's fields that rules read, without the credentials that it holds."""
    hidden = {credential.field: f"(hidden: {credential.kind})" for credential in in_config(config)}
    variables = (variable.partition("=")[::2] for variable in config.env)
    return {
        "created": config.created,
        "user": hidden.get("config User", config.user),
        "env": {name: hidden.get(f"Env {name[:100]}", value) for name, value in variables},
        "entrypoint": hidden.get("Entrypoint", config.entrypoint),
        "cmd": hidden.get("Cmd", config.cmd),
        "working_dir": config.working_dir,
        "exposed_ports": config.exposed_ports,
        "volumes": config.volumes,
        "labels": {name: hidden.get(f"Labels {name[:100]}", value) for name, value in config.labels.items()},
        "history": [
            hidden.get(f"history {number}", step.created_by) for number, step in enumerate(config.history)
        ],
    }


def _files(filesystem: Filesystem, *, files: bool) -> Iterator[dict[str, Any]]:
    """Yield the files that rules look at first: recognised programs and those with special rights; or every path."""
    chosen: Iterator[Entry]
    if files:
        chosen = filesystem.entries()
    else:
        found = {entry.path: entry for entry in (*filesystem.marked(), *filesystem.privileged())}
        chosen = (found[path] for path in sorted(found))
    for entry in chosen:
        yield {
            "path": entry.path,
            "type": entry.type.name.lower().replace("_", "-"),
            "mode": f"{entry.mode:04o}",
            "owner": f"{entry.uid}:{entry.gid}",
            "size": entry.size,
            "mtime": entry.mtime,
            "layer_index": entry.layer,
            "link_target": entry.link_target,
            "links": list(entry.links),
            "marks": list(entry.marks),
            "interpreter": entry.interpreter,
            "xattrs": {name: value.hex() for name, value in sorted(entry.xattrs.items())},
        }
