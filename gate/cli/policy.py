"""`image-gate policy`: start, check and look at policies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import option
from gate.cli.output import write_stdout
from gate.cli.survey import survey, survey_options
from gate.errors import InvalidInput, Unavailable
from gate.policy.catalogue import Catalogue
from gate.policy.load import FILE_NAMES
from gate.policy.policy import Policy
from gate.policy.schema import PROFILES, policy_schema

FROM = click.argument("path_or_profile", metavar="[PATH|PROFILE]", required=False)


@click.group(
    "policy", epilog=EXIT_CODES, no_args_is_help=False, short_help="Start, check and look at policies."
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Start, check and look at policies. Without PATH or PROFILE it is the one that `check` would use here."""


@COMMAND.command(short_help="Write a first policy file.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default=FILE_NAMES[0])
@option("profile", type=click.Choice(PROFILES), default="baseline", help="The profile to extend.")
def init(path: Path, profile: str) -> Exit:
    """Write a first policy file, with the usual changes as comments; PATH is .image-gate.yaml unless stated."""
    from gate.policy.render import template

    write_new(path, template(profile))
    write_stdout(f"{path} extends {profile}; `image-gate policy show` prints what that comes to\n")
    return Exit.PASS


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist. Raises `InvalidInput` if it does, `Unavailable` if it could not be written whole."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise InvalidInput(f"{path} exists", hint="edit it, or name another file") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from None
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Unavailable(f"{path} could not be written: {error.strerror}") from None


@COMMAND.command(short_help="Print the whole policy, defaults included.")
@FROM
def show(path_or_profile: str | None) -> Exit:
    """Print the whole policy as YAML, with everything that it extends and every default."""
    from gate.policy.render import render_policy

    write_stdout(render_policy(Policy.load(path_or_profile)))
    return Exit.PASS


@COMMAND.command(short_help="Check a policy and print its digest.")
@FROM
def validate(path_or_profile: str | None) -> Exit:
    """Check a policy and print its digest, for --policy-digest. Exits 2 with the place of the first mistake."""
    policy = Policy.load(path_or_profile)
    if policy.trust_files:
        from gate.vouching import check_trust  # here, because its libraries are slow to import

        check_trust(policy)
    write_stdout(f"{policy.origin}: valid, {len(policy.settings)} rules\n{policy.digest}\n")
    return Exit.PASS


@COMMAND.command(short_help="Print the JSON schema of policy files.")
def schema() -> Exit:
    """Print the JSON schema of policy files, for editors."""
    write_stdout(json.dumps(policy_schema(Catalogue()), indent=2) + "\n")
    return Exit.PASS


@COMMAND.command(epilog=EXIT_CODES, short_help="Write the rules that an image's signatures satisfy.")
@click.argument("reference", metavar="REF")
@survey_options
def suggest(reference: str, **chosen: Any) -> Exit:
    """Write a policy of the rules that the signatures of the image that REF names satisfy now.

    It is a start: whoever could push to the registry could have signed, so read who is listed before it is used. Keys and
    roots are written as --key and --trusted-root name them; in a policy their paths start from its folder. What is written
    is a policy file, and goes to standard output. Exits 3 where nothing was verified, or a place gave no answer.
    """
    from gate.policy.render import suggestion
    from gate.policy.suggestion import suggested

    roots = chosen["trusted_root"]
    found = survey(reference, chosen)
    for error in found.missing:
        raise error
    rules = suggested(found.signatures, found.attestations, found.keys)
    if not rules:
        raise Unavailable(
            f"{reference} has no signature that holds and that a rule could ask for, so there is nothing to write",
            hint="`image-gate signatures` shows what was found and why it does not count; --key and --trusted-root say whom to believe",
        )
    write_stdout(suggestion(rules, roots))
    return Exit.PASS
