"""`image-gate ci`: the same check inside a CI system, with the outcome where that system looks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, option


@click.group("ci", epilog=EXIT_CODES, no_args_is_help=False, short_help="Check inside a CI system.")
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Run a check inside a CI system, with its outcome where that system looks for it.

    What is checked, and how, is said by the variables of check, such as IMAGE_GATE_POLICY.
    """


class Request(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    image: str
    report_dir: Path | None
    policy: str | None
    policy_digest: str | None
    policy_from: str
    summary: bool
    annotations: bool
    comment: bool
    hand_over: bool


@COMMAND.command(epilog=EXIT_CODES, short_help="Check in a step of GitHub Actions.")
@option(
    "image",
    metavar="REF...",
    default="",
    help="References, separated by spaces or lines.",
    show_default=False,
)
@option("report-dir", type=FOLDER, help="Where reports go, instead of the working directory.")
@option("policy", metavar="PATH|PROFILE", help="Policy file, or a profile: baseline, strict, audit.")
@option("policy-digest", metavar="sha256:HEX", help="Refuse any other policy than the one with this digest.")
@option(
    "policy-from",
    type=click.Choice(["base", "checkout"]),
    default="base",
    help="Whose policy counts, unless it is pinned by digest: that of the branch that a change goes to, or the checkout's.",
)
@option("summary", type=click.BOOL, default=True, help="Write the job's summary.")
@option("annotations", type=click.BOOL, default=True, help="Show annotations.")
@option(
    "comment",
    type=click.BOOL,
    default=False,
    help="Comment on the pull request, over the comment of an earlier run.",
)
@option(
    "hand-over",
    is_flag=True,
    help="End with 0 once outputs are written, whatever the verdict: a later step closes the gate by them.",
)
def github(**chosen: Any) -> Exit:
    """Check in a step of GitHub Actions: outputs, the job's summary, annotations, and a comment if one is wanted.

    What an image wrote cannot speak to the runner. Outputs: verdict, exit-code, reason, warnings, failed-rules, digest and
    the paths of the reports.
    """
    from gate.ci.github import Step, run

    request = Request(**chosen)
    step = Step(
        references=tuple(request.image.split()),
        folder=made(request.report_dir),
        policy=request.policy,
        from_base=request.policy_from == "base" and request.policy_digest is None,
        summary=request.summary,
        annotations=request.annotations,
        comment=request.comment,
    )
    outcome = run(step, os.environ)
    return Exit.PASS if request.hand_over else Exit(outcome.code)


def made(folder: Path | None) -> Path:
    """Return the folder for reports, which is made where it is missing."""
    place = Path.cwd() if folder is None else folder.absolute()
    place.mkdir(parents=True, exist_ok=True)
    return place
