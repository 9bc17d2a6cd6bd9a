"""A comment on a pull request, written anew by each run instead of added to.

Source: GitHub's REST API, "Issue comments", version 2022-11-28.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.reporters._problems import without_version

if TYPE_CHECKING:
    import requests

PER_PAGE = 50
PAGES = 40
"""Pages that are looked through for our comment: 2,000 comments, more than anyone reads."""


class User(msgspec.Struct, frozen=True):
    """Who wrote a comment; the tokens of jobs are bots."""

    type: str = ""


class Comment(msgspec.Struct, frozen=True):
    """One comment as the API tells it."""

    id: int
    body: str | None = ""
    user: User | None = None


class Discussion(msgspec.Struct, frozen=True):
    """Where comments of a pull request are: the API, `OWNER/NAME`, the number, and a token that may write there."""

    api: str
    repository: str
    number: int
    token: str


def mark(references: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return what a later run finds the comment by: the same for this job and these images, whatever their tags."""
    names = [variables.get("GITHUB_WORKFLOW", ""), variables.get("GITHUB_JOB", "")]
    names += sorted(without_version(reference) for reference in references)
    return f"<!-- image-gate:{hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:16]} -->"


def put(text: str, marked: str, place: Discussion, *, anew: bool) -> None:
    """Write the comment: over the one that is there, or as a new one if `anew`; raises `Unavailable`."""
    body = f"{marked}\n{text}"
    for comment in _comments(place):
        if _is_ours(comment, marked):
            _ask("PATCH", f"{_at(place)}/issues/comments/{comment.id}", place.token, {"body": body})
            return
    if anew:
        _ask("POST", f"{_at(place)}/issues/{place.number}/comments", place.token, {"body": body})


def _is_ours(comment: Comment, marked: str) -> bool:
    """Whether a job wrote it: a person who copies the mark cannot make us write over other comments."""
    return (
        (comment.body or "").startswith(f"{marked}\n")
        and comment.user is not None
        and comment.user.type == "Bot"
    )


def _comments(place: Discussion) -> Iterator[Comment]:
    """Yield the comments, oldest first."""
    for page in range(1, PAGES + 1):
        address = f"{_at(place)}/issues/{place.number}/comments?per_page={PER_PAGE}&page={page}"
        answer = _ask("GET", address, place.token)
        try:
            found = msgspec.json.decode(answer, type=list[Comment])
        except msgspec.MsgspecError as error:
            raise Unavailable(f"the list of comments cannot be read: {error}") from None
        yield from found
        if len(found) < PER_PAGE:
            return


def _at(place: Discussion) -> str:
    """Return the address of the repository in the API."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", place.repository):
        raise Unavailable(f"{place.repository[:100]!r} is no repository")
    return f"{place.api.rstrip('/')}/repos/{place.repository}"


def _ask(method: str, address: str, token: str, body: object = None) -> bytes:
    """Send one request and return its answer; raises `Unavailable` for any answer but a good one."""
    import requests

    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    limits = (LIMITS.connect_seconds, LIMITS.silence_seconds)
    try:
        with requests.request(
            method, address, headers=headers, json=body, timeout=limits, allow_redirects=False, stream=True
        ) as answer:
            return _good(answer)
    except requests.RequestException as error:
        raise Unavailable(f"GitHub could not be asked: {type(error).__name__}") from None


def _good(answer: requests.Response) -> bytes:
    """Return the body of a good answer."""
    if answer.status_code not in (200, 201):
        hint = (
            "the job needs pull-requests: write, which runs for forks never have"
            if answer.status_code == 403
            else ""
        )
        raise Unavailable(f"GitHub answered {answer.status_code}", hint=hint)
    data = answer.raw.read(LIMITS.documents + 1, decode_content=True)
    if len(data) > LIMITS.documents:
        raise Unavailable(f"GitHub's answer has more than {LIMITS.documents:,} bytes")
    return bytes(data)
