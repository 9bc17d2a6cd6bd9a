"""Which credentials a registry gets: only its own, and where they come from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from msgspec import Struct

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry import RegistrySettings
from gate.registry.docker_config import Entry, credentials_of


class Credential(Struct, frozen=True):
    """What a registry is told: user name and password, or an identity token; `source` says where it comes from.

    `of_job` says that nobody gave it for this registry's images in particular: every job is given it.
    """

    username: str
    password: str
    identity_token: str = ""
    source: str = ""
    of_job: bool = False

    def __repr__(self) -> str:
        return f"Credential({self.username!r}, …, source={self.source!r})"


class Found(Struct, frozen=True):
    """The credential for a registry, or None; `problem` says what was in the way of finding one."""

    credential: Credential | None
    problem: str = ""


class _Place(Struct, frozen=True):
    """Where a registry's credentials were found, and those by the start of the repositories that they are for."""

    source: str
    entries: Mapping[str, Entry]

    def of(self, repository: str) -> Credential:
        """Return the one for the most of a repository's name; where all are for others, the first, as Docker does."""
        fitting = [
            start for start in self.entries if f"{repository}/".startswith(f"{start}/" if start else "")
        ]
        best = max(fitting, key=len, default=next(iter(self.entries)))
        return Credential(*self.entries[best], source=self.source)


class Credentials:
    """Finds the credentials of registries, each once per run; the first place that has any wins.

    1. the login that the caller gave, for the registries it was given for;
    2. `DOCKER_AUTH_CONFIG`, as GitLab jobs state it;
    3. `REGISTRY_AUTH_FILE`, the file that Podman's users name;
    4. Docker's configuration file (`DOCKER_CONFIG`, else `~/.docker`);
    5. Podman's own (`$XDG_RUNTIME_DIR/containers/auth.json`, else below `~/.config`);
    6. the job's own: `CI_REGISTRY` of GitLab, and `GITHUB_TOKEN` for ghcr.io.

    What was said for this run comes before what is kept on the machine, and that before what every job is given. What
    cannot be read is no reason to fail before a registry asks for a login: many images are public.
    """

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self._settings = settings
        self._deadline = deadline
        self._found: dict[str, tuple[_Place | None, Found]] = {}
        self._lock = threading.Lock()

    def of(self, registry: str, repository: str = "", *, mirror: bool = False) -> Found:
        """Return what a registry (`host[:port]`) may be told for a repository; a mirror never gets the caller's login."""
        login = self._settings.login
        if login is not None and not mirror and registry in login.registries:  # 1
            return Found(Credential(login.username, login.password, source="the login that was given"))
        with self._lock:
            if registry not in self._found:
                self._found[registry] = self._look(registry)
            place, found = self._found[registry]
        return found if place is None else Found(place.of(repository))

    def _look(self, registry: str) -> tuple[_Place | None, Found]:
        """Look through what the environment names; what is found otherwise stands beside the place."""
        environment = self._settings.environment
        problems = []
        for source, read in _PLACES:  # 2 to 5
            try:
                text = read(environment)
                entries = credentials_of(text, registry, environment, self._deadline) if text else {}
            except Unavailable as error:
                problems.append(f"{source}: {error}")
                continue
            if entries:
                return _Place(source, entries), Found(None)
        return None, Found(_of_job(registry, environment), "; ".join(problems))  # 6


def _from_variable(environment: Mapping[str, str]) -> str:
    """Return the configuration that stands in a variable."""
    return environment.get("DOCKER_AUTH_CONFIG", "")


def _from_named(environment: Mapping[str, str]) -> str:
    """Return the file that a variable names; raises `Unavailable` where it is not there, because somebody expects it to be."""
    path = environment.get("REGISTRY_AUTH_FILE", "")
    text = _read(path) if path else ""
    if path and not text:
        raise Unavailable("there is nothing in it")
    return text


def _from_docker(environment: Mapping[str, str]) -> str:
    """Return Docker's configuration file, or nothing where there is none."""
    folder = environment.get("DOCKER_CONFIG", "")
    return (
        _read(os.path.join(folder, "config.json"))
        if folder
        else _below_home(environment, ".docker/config.json")
    )


def _from_podman(environment: Mapping[str, str]) -> str:
    """Return Podman's file, or nothing where there is none."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    text = _read(os.path.join(runtime, "containers/auth.json")) if os.path.isabs(runtime) else ""
    return text or _below_home(environment, ".config/containers/auth.json")


_PLACES: tuple[tuple[str, Callable[[Mapping[str, str]], str]], ...] = (
    ("DOCKER_AUTH_CONFIG", _from_variable),
    ("REGISTRY_AUTH_FILE", _from_named),
    ("Docker's configuration", _from_docker),
    ("Podman's configuration", _from_podman),
)


def _below_home(environment: Mapping[str, str], path: str) -> str:
    """Return a file in the home folder, or nothing where there is none."""
    home = environment.get("HOME", "")
    return _read(os.path.join(home, path)) if os.path.isabs(home) else ""


def _read(path: str) -> str:
    """Return a file, or nothing where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(LIMITS.document + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise Unavailable(f"it cannot be read: {getattr(error, 'strerror', '') or error}") from None


def _of_job(registry: str, environment: Mapping[str, str]) -> Credential | None:
    """Return what the job was given for this registry."""
    found = environment.get
    if registry == found("CI_REGISTRY"):
        if found("CI_REGISTRY_USER") and found("CI_REGISTRY_PASSWORD"):
            return Credential(
                found("CI_REGISTRY_USER", ""),
                found("CI_REGISTRY_PASSWORD", ""),
                source="CI_REGISTRY_PASSWORD",
                of_job=True,
            )
        if found("CI_JOB_TOKEN"):
            return Credential(
                "gitlab-ci-token", found("CI_JOB_TOKEN", ""), source="CI_JOB_TOKEN", of_job=True
            )
    if registry == "ghcr.io" and found("GITHUB_TOKEN") and found("GITHUB_ACTOR"):
        return Credential(
            found("GITHUB_ACTOR", ""), found("GITHUB_TOKEN", ""), source="GITHUB_TOKEN", of_job=True
        )
    return None
