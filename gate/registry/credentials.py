"""Which credentials a registry gets: only its own, and where they come from."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from msgspec import Struct

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry import RegistrySettings
from gate.registry.docker_config import credential_of


class Credential(Struct, frozen=True):
    """What a registry is told: user name and password, or an identity token; `source` says where it comes from."""

    username: str
    password: str
    identity_token: str = ""
    source: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.username!r}, …, source={self.source!r})"


class Found(Struct, frozen=True):
    """The credential for a registry, or None; `problem` says what was in the way of finding one."""

    credential: Credential | None
    problem: str = ""


class Credentials:
    """Finds the credentials of registries, each once per run; the first place that has any wins.

    1. the login that the caller gave, for the registries it was given for;
    2. `DOCKER_AUTH_CONFIG`, as GitLab jobs state it;
    3. Docker's configuration file (`DOCKER_CONFIG`, else `~/.docker`), with its credential helpers;
    4. the job's own: `CI_REGISTRY` of GitLab, and `GITHUB_TOKEN` for ghcr.io.

    What was said for this run comes before what is kept on the machine, and that before what every job is given. What
    cannot be read is no reason to fail before a registry asks for a login: many images are public.
    """

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self._settings = settings
        self._deadline = deadline
        self._found: dict[str, Found] = {}
        self._lock = threading.Lock()

    def of(self, registry: str, *, mirror: bool = False) -> Found:
        """Return what a registry (`host[:port]`) may be told; a mirror never gets the caller's login."""
        login = self._settings.login
        if login is not None and not mirror and registry in login.registries:  # 1
            return Found(Credential(login.username, login.password, source="the login that was given"))
        with self._lock:
            if registry not in self._found:
                self._found[registry] = self._look(registry)
            return self._found[registry]

    def _look(self, registry: str) -> Found:
        """Look through what the environment names."""
        environment = self._settings.environment
        problems = []
        for source, read in (("DOCKER_AUTH_CONFIG", _from_variable), ("Docker's configuration", _from_file)):
            try:
                text = read(environment)  # 2, 3
                entry = credential_of(text, registry, environment, self._deadline) if text else None
            except Unavailable as error:
                problems.append(f"{source}: {error}")
                continue
            if entry is not None:
                return Found(Credential(*entry, source=source))
        return Found(_of_job(registry, environment), "; ".join(problems))  # 4


def _from_variable(environment: Mapping[str, str]) -> str:
    """Return the configuration that stands in a variable."""
    return environment.get("DOCKER_AUTH_CONFIG", "")


def _from_file(environment: Mapping[str, str]) -> str:
    """Return Docker's configuration file, or nothing where there is none."""
    folder = environment.get("DOCKER_CONFIG") or os.path.join(environment.get("HOME", ""), ".docker")
    if not os.path.isabs(folder) and "DOCKER_CONFIG" not in environment:
        return ""
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            text = stream.read(LIMITS.document + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise Unavailable(f"it cannot be read: {getattr(error, 'strerror', '') or error}") from None
    return text


def _of_job(registry: str, environment: Mapping[str, str]) -> Credential | None:
    """Return what the job was given for this registry."""
    found = environment.get
    if registry == found("CI_REGISTRY"):
        if found("CI_REGISTRY_USER") and found("CI_REGISTRY_PASSWORD"):
            return Credential(
                found("CI_REGISTRY_USER", ""),
                found("CI_REGISTRY_PASSWORD", ""),
                source="CI_REGISTRY_PASSWORD",
            )
        if found("CI_JOB_TOKEN"):
            return Credential("gitlab-ci-token", found("CI_JOB_TOKEN", ""), source="CI_JOB_TOKEN")
    if registry == "ghcr.io" and found("GITHUB_TOKEN") and found("GITHUB_ACTOR"):
        return Credential(found("GITHUB_ACTOR", ""), found("GITHUB_TOKEN", ""), source="GITHUB_TOKEN")
    return None
