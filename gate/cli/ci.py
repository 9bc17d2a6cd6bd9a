"""`image-gate ci`: the same check inside a CI system, with the outcome where that system looks for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import FOLDER, option

F = TypeVar("F", bound=Callable[..., Any])


@click.group("ci", epilog=EXIT_CODES, no_args_is_help=False, short_help="Check inside a CI system.")
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Run a check inside a CI system, with its outcome where that system looks for it.

    What is checked, and how, is said by the variables of check, such as IMAGE_GATE_POLICY.
    """


class Request(msgspec.Struct, frozen=True):
    """What both commands are asked for, one field per option."""

    image: str
    report_dir: Path | None
    policy: str | None
    policy_digest: str | None
    policy_from: str
    hand_over: bool

    @property
    def folder(self) -> Path:
        """The folder for reports, which is made where it is missing."""
        place = Path.cwd() if self.report_dir is None else self.report_dir.absolute()
        place.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def from_base(self) -> bool:
        """Whether the policy of the branch counts that a change goes to; one that is pinned needs no such care."""
        return self.policy_from == "base" and self.policy_digest is None


def shared_options(command: F) -> F:
    """Declare the options of both commands."""
    for declare in (
        option("image", metavar="REF...", default="", help="References, separated by spaces or lines.", show_default=False),
        option("report-dir", type=FOLDER, help="Where reports go, instead of the working directory."),
        option("policy", metavar="PATH|PROFILE", help="Policy file, or a profile: baseline, strict, audit."),
        option("policy-digest", metavar="sha256:HEX", help="Refuse any other policy than the one with this digest."),
        option(
            "policy-from",
            type=click.Choice(["base", "checkout"]),
            default="base",
            help="Whose policy counts, unless it is pinned by digest: that of the branch that a change goes to, or the checkout's.",
        ),
        option(
            "hand-over",
            is_flag=True,
            help="End with 0 where the verdict is handed over to a later step or job, which closes the gate.",
        ),
    ):  # fmt: skip
        command = declare(command)
    return command


@COMMAND.command(epilog=EXIT_CODES, short_help="Check in a step of GitHub Actions.")
@shared_options
@option("summary", type=click.BOOL, default=True, help="Write the job's summary.")
@option("annotations", type=click.BOOL, default=True, help="Show annotations.")
@option(
    "comment",
    type=click.BOOL,
    default=False,
    help="Comment on the pull request, over the comment of an earlier run.",
)
def github(summary: bool, annotations: bool, comment: bool, **chosen: Any) -> Exit:
    """Check in a step of GitHub Actions: outputs, the job's summary, annotations, and a comment if one is wanted.

    What an image wrote cannot speak to the runner. Outputs: verdict, exit-code, reason, warnings, failed-rules, digest and
    the paths of the reports. They are written whatever comes of the check, so --hand-over always ends with 0.
    """
    from gate.ci.github import Step, run

    request = Request(**chosen)
    step = Step(
        references=tuple(request.image.split()),
        folder=request.folder,
        policy=request.policy,
        from_base=request.from_base,
        summary=summary,
        annotations=annotations,
        comment=comment,
    )
    outcome = run(step, os.environ)
    return Exit.PASS if request.hand_over else Exit(outcome.code)


@COMMAND.command(epilog=EXIT_CODES, short_help="Check in a job of GitLab CI.")
@shared_options
def gitlab(**chosen: Any) -> Exit:
    """Check in a job of GitLab CI: the reports that GitLab reads, and variables for later jobs.

    Without --image, CS_IMAGE is judged, else the image of this commit in the project's registry. GitLab reads no reports of
    a job that failed: with --hand-over the job ends with 0 for pass and for fail, and a later job closes the gate with
    `image-gate verdict image-gate.json`. Without a verdict it fails, so that no finding seems to be gone.
    """
    from gate.ci.gitlab import Job, images, run

    request = Request(**chosen)
    job = Job(images(request.image, os.environ), request.folder, request.policy, request.from_base)
    outcome = run(job, os.environ)
    return Exit.PASS if request.hand_over and outcome.code == Exit.FAIL else Exit(outcome.code)
