"""Look at a repository: its Dockerfile, its CI system, and the name that its image has."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gate.dockerfile.sources import sources
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.oci.reference import Reference

GIT_SECONDS = 10
"""For a question that git answers from one file."""

_NAMED = 5
PLAIN = re.compile(r"(?![-/])[A-Za-z0-9._/-]{1,200}", re.ASCII)
"""What may stand in a pipeline file: no quote, space, `$` or `{`, which would mean something to a shell or a runner."""

SIGNS = {
    "github": (".github/workflows",),
    "gitlab": (".gitlab-ci.yml",),
    "jenkins": ("Jenkinsfile",),
    "azure": ("azure-pipelines.yml", "azure-pipelines.yaml"),
    "circleci": (".circleci/config.yml",),
    "bitbucket": ("bitbucket-pipelines.yml",),
    "tekton": (".tekton",),
}
"""CI system to the files or folders that it is configured by."""

_REMOTE = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/\s]*@)?(?P<host>[A-Za-z0-9.-]+)(?::[0-9]+)?[:/]/*(?P<path>[A-Za-z0-9._/-]+?)(?:\.git)?/?",
    re.ASCII,
)
"""A git remote as URL or in scp's form; credentials in it are not looked at."""

_IMAGE = re.compile(
    r"(?<![\w./-])(?:ghcr\.io|quay\.io|[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com|[a-z0-9-]+-docker\.pkg\.dev"
    r"|[a-z0-9]+\.azurecr\.io)/[a-z0-9][a-z0-9._/-]{0,200}[a-z0-9](?![a-z0-9._/-]*\$)",
    re.ASCII,
)
"""The name of an image in a registry that CI files push to, where no variable goes on with it."""


class Repository(Struct, frozen=True):
    """What a repository shows; what it does not show is empty.

    `dockerfile` is relative to it, what that is built on are the `bases`, and `others` are further Dockerfiles. `branch` is
    the default one.
    """

    dockerfile: str = ""
    bases: tuple[str, ...] = ()
    ci: str = ""
    image: str = ""
    branch: str = ""
    others: tuple[str, ...] = ()

    @property
    def further(self) -> str:
        """The other Dockerfiles in words, the first few by name."""
        left = len(self.others) - _NAMED
        return ", ".join([*self.others[:_NAMED], *([f"{left} more"] if left > 0 else [])])


def look(root: Path) -> Repository:
    """Look at the repository in the folder `root`. What cannot be read or told is left empty."""
    dockerfile, *others = [*dict.fromkeys(_dockerfiles(root))] or [""]
    host, path = _remote(root)
    ci = next((name for name, signs in SIGNS.items() if any((root / sign).exists() for sign in signs)), "")
    if not ci:
        ci = "github" if host == "github.com" else "gitlab" if host.startswith("gitlab.") else ""
    image = _pushed(root) or (f"ghcr.io/{path}".lower() if host == "github.com" else "")
    bases = _bases(root / dockerfile) if dockerfile else ()
    return Repository(dockerfile, bases, ci, _valid(image), _branch(root), tuple(others))


def _dockerfiles(root: Path) -> Iterator[str]:
    """Yield Dockerfiles, those at the top first, as far as their names may stand in a pipeline file."""
    for pattern in ("Dockerfile", "Containerfile", "*.Dockerfile", "*/Dockerfile", "*/Containerfile"):
        for found in sorted(root.glob(pattern)):
            name = found.relative_to(root).as_posix()
            if found.is_file() and PLAIN.fullmatch(name):
                yield name


def _bases(dockerfile: Path) -> tuple[str, ...]:
    """Return the full name that the last stage stands on, where it is one."""
    try:
        found = sources(_read(dockerfile))
        return tuple(
            str(Reference.parse(one.name).with_implied_tag()) for one in found if one.final and one.name
        )
    except InvalidInput:
        return ()


def _remote(root: Path) -> tuple[str, str]:
    """Return host and path of the remote `origin`, as git knows it."""
    written = _REMOTE.fullmatch(_git(root, "config", "--get", "remote.origin.url"))
    return (written["host"].lower(), written["path"]) if written else ("", "")


def _branch(root: Path) -> str:
    """Return the default branch of the remote `origin`, where a clone recorded it."""
    branch = _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    return branch if PLAIN.fullmatch(branch) else ""


def _git(root: Path, *arguments: str) -> str:
    """Return what git answers, in one line; empty where it does not."""
    command = ["git", "-C", str(root), *arguments]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
        return done.stdout.decode("utf-8", "replace").strip()
    return ""


def _pushed(root: Path) -> str:
    """Return the first image of a registry that a CI file names."""
    for sign in (sign for signs in SIGNS.values() for sign in signs):
        place = root / sign
        for file in filter(Path.is_file, sorted(place.glob("*.y*ml")) if place.is_dir() else [place]):
            if found := _IMAGE.search(_read(file).decode("utf-8", "replace")):
                return found[0]
    return ""


def _read(path: Path) -> bytes:
    """Read the start of a file; one that cannot be read says nothing."""
    try:
        with path.open("rb") as file:
            return file.read(LIMITS.document)
    except OSError:
        return b""


def _valid(image: str) -> str:
    """Return the name if it is one."""
    with suppress(InvalidInput):
        return Reference.parse(image).name if image else ""
    return ""
