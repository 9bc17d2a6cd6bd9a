"""What happened that a workflow runs for: GitHub writes it to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from gate.ci.base_policy import Origin
from gate.ci.child import TOKEN
from gate.errors import Unavailable
from gate.limits import LIMITS


class Side(msgspec.Struct, frozen=True):
    """One side of a pull request: its commit."""

    sha: str = ""


class PullRequest(msgspec.Struct, frozen=True):
    """A pull request: its number, and what it is to be merged into."""

    number: int
    base: Side = Side()


class Repository(msgspec.Struct, frozen=True):
    """The repository that the workflow runs in."""

    default_branch: str = ""


class Event(msgspec.Struct, frozen=True):
    """What of an event matters here."""

    pull_request: PullRequest | None = None
    repository: Repository | None = None


def read(variables: Mapping[str, str] = os.environ) -> Event:
    """Read the file that `GITHUB_EVENT_PATH` names; raises `Unavailable`."""
    try:
        with open(variables.get("GITHUB_EVENT_PATH", ""), "rb") as file:
            return msgspec.json.decode(file.read(LIMITS.documents), type=Event)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"GITHUB_EVENT_PATH cannot be read: {error}", hint="the runner writes this file for every step"
        ) from None


def origin(event: Event, variables: Mapping[str, str]) -> Origin | None:
    """Return the branch whose policy counts: a pull request's base, else the default branch; None where that is checked out."""
    branch = event.repository.default_branch if event.repository is not None else ""
    if event.pull_request is not None and event.pull_request.base.sha:
        commit = event.pull_request.base.sha
    elif branch and variables.get("GITHUB_REF") != f"refs/heads/{branch}":
        commit = f"refs/heads/{branch}"
    else:
        return None
    server = variables.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    address = f"{server}/{variables.get('GITHUB_REPOSITORY', '')}"
    return Origin(commit, address, "x-access-token", variables.get(TOKEN, ""))
