"""The policy that a change is judged by: not the one that the change brings, but the one of the branch it goes to.

Whoever may open a pull request could else make the gate let it through. The branch is fetched to a folder of its own, with
nothing of the checkout's git settings.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

import msgspec

from gate.ci.child import TOKEN
from gate.ci.event import Event
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.policy.load import DEFAULT_PROFILE, find, load, repository_root
from gate.policy.schema import PROFILES


class Choice(msgspec.Struct, frozen=True):
    """The policy to use, as `--policy` takes it, None for what the checkout has; and what to tell people about that."""

    policy: str | None
    notice: str = ""


def choose(asked: str | None, event: Event, variables: Mapping[str, str]) -> Choice:
    """Choose the policy of a run in the working directory.

    A profile, a file outside of the checkout, and a run of the default branch itself stay as they are. Raises
    `Unavailable` where the branch cannot be fetched, `InvalidInput` where it has no such file.
    """
    here = os.getcwd()
    root = repository_root(here)
    commit = base_of(event, variables)
    if root is None or asked in PROFILES or commit is None:
        return Choice(asked)
    path = None if asked is None else os.path.relpath(os.path.realpath(asked), os.path.realpath(root))
    if path is not None and path.startswith(f"..{os.sep}"):
        return Choice(asked)
    folder = fetched(commit, variables)
    base = os.path.join(folder, os.path.relpath(os.path.realpath(here), os.path.realpath(root)))
    if path is None:
        found = find(base) if os.path.isdir(base) else None
        chosen = found or DEFAULT_PROFILE
    else:
        chosen = os.path.join(folder, path)
        if not os.path.isfile(chosen):
            raise InvalidInput(
                f"the branch that this change goes to has no policy {path}",
                hint="merge the policy first; or, for the change that brings it, use policy-from: checkout",
            )
    return Choice(chosen, _notice(asked, chosen))


def base_of(event: Event, variables: Mapping[str, str]) -> str | None:
    """Return the commit or branch whose policy counts, None where that is what is checked out."""
    if event.pull_request is not None and event.pull_request.base.sha:
        return event.pull_request.base.sha
    branch = event.repository.default_branch if event.repository is not None else ""
    if not branch or variables.get("GITHUB_REF") == f"refs/heads/{branch}":
        return None
    return f"refs/heads/{branch}"


def fetched(commit: str, variables: Mapping[str, str]) -> str:
    """Fetch one commit of the repository into a folder of its own and return that; raises `Unavailable`."""
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}|refs/heads/[^\s\x00-\x1f]+", commit):
        raise Unavailable(f"{commit[:100]!r} names no commit or branch")
    server = variables.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    address = f"{server}/{variables.get('GITHUB_REPOSITORY', '')}"
    folder = tempfile.mkdtemp(prefix="base-of-this-change-", dir=variables.get("RUNNER_TEMP"))
    settings = _environment(variables, server)
    _git(["init", "--quiet", "--template=", folder], settings)
    _git(["-C", folder, "fetch", "--quiet", "--no-tags", "--depth=1", address, commit], settings)
    _git(["-C", folder, "checkout", "--quiet", "--detach", "FETCH_HEAD"], settings)
    return folder


def _environment(variables: Mapping[str, str], server: str) -> dict[str, str]:
    """Return git's variables: the token as a header for this server alone, never on a command line; no questions, no LFS."""
    kept = {name: value for name, value in variables.items() if not name.startswith("GIT_DIR")}
    found = {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    if token := variables.get(TOKEN):
        number = int(variables.get("GIT_CONFIG_COUNT") or 0)
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        found |= {
            "GIT_CONFIG_COUNT": str(number + 1),
            f"GIT_CONFIG_KEY_{number}": f"http.{server}/.extraheader",
            f"GIT_CONFIG_VALUE_{number}": f"AUTHORIZATION: basic {basic}",
        }
    return found


def _git(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run git outside of the checkout; raises `Unavailable` with its last words."""
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=tempfile.gettempdir(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMITS.run_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git could not be run: {error}") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Unavailable(
            f"the policy of the branch that this change goes to could not be fetched: {' '.join(last)}",
            hint="the job needs contents: read; or pin the policy with policy-digest",
        )


def _notice(asked: str | None, chosen: str) -> str:
    """Say so where the checkout's policy differs from the one that counts; one that cannot be read differs."""
    counts = load(chosen)
    try:
        own = load(asked).digest
    except InvalidInput:
        own = ""
    if own == counts.digest:
        return ""
    return (
        "This change has another policy than the branch it goes to, which is the one that counts here "
        f"({counts.digest}). Review what it would change."
    )
