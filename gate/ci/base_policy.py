"""The policy that a change is judged by: not the one that the change brings, but the one of the branch it goes to.

Whoever may open a pull request could else make the gate let it through. The branch is fetched to a folder of its own, with
nothing of the checkout's git settings.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.policy.load import DEFAULT_PROFILE, find, load, repository_root
from gate.policy.schema import PROFILES


class Choice(msgspec.Struct, frozen=True):
    """The policy to use, as `--policy` takes it, None for what the checkout has; and what to tell people about that."""

    policy: str | None
    notice: str = ""


class Origin(msgspec.Struct, frozen=True):
    """The branch that a change goes to: a commit or branch, the repository it is in, and a user and token that may read it."""

    commit: str
    address: str
    user: str = ""
    token: str = ""


def choose(asked: str | None, origin: Origin | None, variables: Mapping[str, str], folder: str) -> Choice:
    """Choose the policy of a run in the working directory; `origin` is None where what is checked out is that branch.

    A profile and a file outside of the checkout stay as they are. The branch is fetched to `folder`, which must be empty.
    Raises `Unavailable` where it cannot be fetched, `InvalidInput` where it has no such file.
    """
    here = os.path.realpath(os.getcwd())
    root = repository_root(here)
    if root is None or origin is None or asked in PROFILES:
        return Choice(asked)
    path = None if asked is None else _inside(root, asked)
    if asked is not None and path is None:
        return Choice(asked)
    fetch(origin, variables, folder)
    if path is None:
        base = os.path.join(folder, os.path.relpath(here, root))
        chosen = (find(base) if os.path.isdir(base) else None) or DEFAULT_PROFILE
    else:
        chosen = os.path.join(folder, path)
        if not os.path.isfile(chosen):
            raise InvalidInput(
                f"the branch that this change goes to has no policy {path}",
                hint="merge the policy first; or, for the change that brings it, use policy-from: checkout",
            )
    return Choice(chosen, _notice(asked, chosen))


def _inside(root: str, asked: str) -> str | None:
    """Return the path of a file within the checkout, None for one outside.

    A link in the checkout that leads out of it is inside, because a change can make one. The file's folder is looked at with
    and without its links, because the checkout itself may be named by one.
    """
    path = os.path.abspath(asked)
    for place in (path, os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))):
        if os.path.commonpath((root, place)) == root:
            return os.path.relpath(place, root)
    return None


def fetch(origin: Origin, variables: Mapping[str, str], folder: str) -> None:
    """Fetch one commit of the repository and check it out in an empty folder; raises `Unavailable`."""
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}|refs/heads/[^\s\x00-\x1f]+", origin.commit):
        raise Unavailable(f"{origin.commit[:100]!r} names no commit or branch")
    if not re.match(r"https?://|file://", origin.address):
        raise Unavailable(f"{origin.address[:100]!r} is no address of a repository")
    settings = _environment(origin, variables)
    for arguments in (
        ["init", "--quiet", "--template="],
        ["fetch", "--quiet", "--no-tags", "--depth=1", origin.address, origin.commit],
        ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
    ):
        _git(arguments, settings, folder)


def _environment(origin: Origin, variables: Mapping[str, str]) -> dict[str, str]:
    """Return git's variables: the token as a header for this repository alone, never on a command line; no questions, no LFS."""
    found = {**variables, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    if bundle := variables.get("CI_SERVER_TLS_CA_FILE"):  # what GitLab's runner lets its own git believe
        found.setdefault("GIT_SSL_CAINFO", bundle)
    if origin.token:
        number = int(variables.get("GIT_CONFIG_COUNT") or 0)
        basic = base64.b64encode(f"{origin.user}:{origin.token}".encode()).decode()
        found |= {
            "GIT_CONFIG_COUNT": str(number + 1),
            f"GIT_CONFIG_KEY_{number}": f"http.{origin.address}.extraheader",
            f"GIT_CONFIG_VALUE_{number}": f"AUTHORIZATION: basic {basic}",
        }
    return found


def _git(arguments: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
    """Run git in a folder outside of the checkout; raises `Unavailable` with its last words."""
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
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
            hint="the job must be allowed to read the repository; or pin the policy with policy-digest",
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
