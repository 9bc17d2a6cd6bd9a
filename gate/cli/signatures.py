"""`image-gate signatures`: what is found as signatures of an image, and what each would satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.output import write_stdout
from gate.cli.survey import Survey, survey, survey_options
from gate.evidence import Attestation, Signature
from gate.facts import signature_facts
from gate.policy.suggestion import suggested
from gate.printable import printable
from gate.reporters.json import json_text
from gate.rules._signers import named

_LONGEST = 500
"""Characters of one line: anyone can attach what they like."""


@click.command("signatures", epilog=EXIT_CODES, short_help="Show the signatures of an image.")
@click.argument("reference", metavar="REF")
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", help="How it is written."
)
@survey_options
def COMMAND(reference: str, form: str, **chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Show all signatures and attestations of the image that REF names, and what each would satisfy.

    What is verified is told by who signed it, with the entry that a policy lists such a signer by; what is not, by why.
    Identities are verified under the public Sigstore instance unless --trusted-root names another, keys where --key does.

    REF is as for `check`. Exits 0 if every place that may hold signatures answered, and 3 if one did not.
    """
    found = survey(reference, chosen)
    write_stdout(json_text(_document(found)) if form == "json" else "\n".join(_lines(found)) + "\n")
    return Exit.NO_VERDICT if found.missing else Exit.PASS


def _document(found: Survey) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "schema": 1,
        "digests": list(found.digests),
        "verified": [
            {**signature_facts(one), "satisfies": _satisfies(found, one)}
            for one in (*found.signatures, *found.attestations)
        ],
        "refused": [
            {"manifest": one.manifest, "place": one.place, "reason": one.reason} for one in found.refused
        ],
        "problems": [str(error) for error in found.missing],
    }


def _satisfies(found: Survey, one: Signature) -> dict[str, Any]:
    """Return the rules that a single one satisfies."""
    if isinstance(one, Attestation):
        return suggested([], [one], found.keys)
    return suggested([one], [], found.keys)


def _lines(found: Survey) -> Iterator[str]:
    """Yield everything for people, each line safe to show."""
    verified = (*found.signatures, *found.attestations)
    counts = f"{len(found.signatures)} signatures, {len(found.attestations)} attestations, {len(found.refused)} refused"
    yield f"{counts}, of {', '.join(found.digests)}"
    for one in verified:
        yield ""
        yield from (printable(line, _LONGEST) for line in _told(found, one))
    for refused in found.refused:
        yield ""
        yield printable(f"refused: {refused.reason}", _LONGEST)
        yield printable(f"  in {refused.place} ({refused.manifest})", _LONGEST)
    for error in found.missing:
        yield ""
        yield printable(f"no answer: {error}", _LONGEST)


def _told(found: Survey, one: Signature) -> Iterator[str]:
    """Yield the lines on a verified one."""
    signer = one.signer
    kind = f"attestation {one.predicate_type}" if isinstance(one, Attestation) else "signature"
    yield f"{kind} of {'the index ' if one.of_index else ''}{one.about}"
    yield f"  by {named(signer)}"
    yield f"  in {one.place} ({one.manifest})"
    time = "nobody attests when" if signer.signed_at is None else f"{signer.signed_at:%Y-%m-%d %H:%M:%S} UTC"
    entry = "in no log" if signer.log_index is None else f"log {signer.log}, index {signer.log_index}"
    yield f"  {time}, {entry}" + (f", vouched for by {signer.root}" if signer.root else "")
    if one.claims:
        yield "  claims " + ", ".join(f"{name}={value}" for name, value in sorted(one.claims.items()))
    for rule, entry_ in _satisfies(found, one).items():
        yield f"  satisfies {rule}: {_flow(entry_)}"


def _flow(value: object) -> str:
    """Write plain values as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return "'" + str(value).replace("'", "''") + "'"
