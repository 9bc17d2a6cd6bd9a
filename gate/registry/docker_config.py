"""Configurations of logins as Docker and Podman write them: what one says of a registry, by itself or by a credential helper.

The `docker` package reads the entries. Its own calls of helpers are not used: they have no time limit, and they warn and
fail with what the helper printed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS

Entry = tuple[str, str, str]
"""User name, password, identity token."""

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_DOCKER_HUB = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"
"""The user name by which helpers mark an identity token."""
_NOTHING = b"credentials not found"


def credentials_of(
    text: str, registry: str, environment: Mapping[str, str], deadline: Deadline
) -> dict[str, Entry]:
    """Return what a configuration says of a registry, by the start of the repositories that it is for, empty for all.

    A helper named for the registry, or the store for all, is asked first, as Docker does; then the entries count. Raises
    `Unavailable` for a configuration that cannot be used.
    """
    settings = _parsed(text)
    helpers, store = settings.get("credHelpers") or {}, settings.get("credsStore") or ""
    server = _DOCKER_HUB if registry == "docker.io" else registry
    helper = helpers.get(server) or helpers.get(registry) or store if isinstance(helpers, dict) else store
    found, problem = None, None
    if helper:
        try:
            found = _ask(helper, server, environment, deadline)
        except Unavailable as error:
            problem = error
    entries = _entries(settings.get("auths") or {}, registry, whole=found is None)
    if found is not None:
        entries[""] = found
    if not entries and problem is not None:
        raise problem
    return entries


def _parsed(text: str) -> dict[str, Any]:
    """Parse the configuration."""
    try:
        settings = json.loads(text) if len(text) <= LIMITS.document else None
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise Unavailable("it is not JSON of the form that Docker writes")
    return settings


def _entries(entries: object, registry: str, *, whole: bool) -> dict[str, Entry]:
    """Return the entries of a registry, those for all of it only if `whole`; others are not looked at, so that a broken one spoils nothing."""
    if not isinstance(entries, dict):
        raise Unavailable("its auths are not an object")
    own = [key for key in entries if registry in key and (whole or _namespace(key))]
    if not own:
        return {}  # as for most public images: importing what reads entries takes longer than reading many of those
    import docker.auth

    own = [key for key in own if docker.auth.resolve_index_name(key) == registry]
    found: dict[str, Entry] = {}
    for key in sorted(own, key=lambda key: key != registry):
        namespace = _namespace(key)
        entry = None if namespace in found else _entry(key, entries[key])
        if entry is not None:
            found[namespace] = entry
    return found


def _namespace(key: str) -> str:
    """Return the start of repositories that a key is for (containers-auth.json(5)); Docker's addresses of APIs are no such."""
    if "://" in key:
        return ""
    rest = key.partition("/")[2].strip("/")
    return "" if rest in ("v1", "v2") else rest


def _entry(key: str, entry: Any) -> Entry | None:
    """Read one entry; None where it is empty, as beside a helper."""
    import docker.auth
    import docker.errors

    if isinstance(entry, dict) and entry.get("username") and entry.get("password"):
        return str(entry["username"]), str(entry["password"]), ""
    try:
        read = docker.auth.AuthConfig.parse_auth({key: entry}, raise_on_error=True)[key]
    except (docker.errors.DockerException, ValueError, AttributeError, TypeError):
        raise Unavailable(
            "its entry for the registry cannot be read", hint="log in again with docker login"
        ) from None
    if read.get("IdentityToken") or read.get("username"):
        return read.get("username") or "", read.get("password") or "", read.get("IdentityToken") or ""
    return None


def _ask(helper: object, server: str, environment: Mapping[str, str], deadline: Deadline) -> Entry | None:
    """Ask a credential helper (docker/docker-credential-helpers); what it prints may be secret and is never quoted."""
    if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
        raise Unavailable("it names a credential helper that cannot be one")
    name = f"docker-credential-{helper}"
    program = shutil.which(name, path=environment.get("PATH", ""))
    if program is None:
        raise Unavailable(
            f"its credential helper {name} is not on the PATH", hint="install it, or remove the entry"
        )
    deadline.check()
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), env=dict(environment), capture_output=True, check=False,
            timeout=min(LIMITS.helper_seconds, deadline.left),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable(f"its credential helper {name} does not answer") from None
    except OSError as error:
        raise Unavailable(f"its credential helper {name} cannot be started: {error.strerror}") from None
    if done.returncode:
        if _NOTHING in done.stdout.lower():
            return None
        raise Unavailable(f"its credential helper {name} ended with {done.returncode}")
    try:
        answer = json.loads(done.stdout[: LIMITS.answer])
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Unavailable(f"its credential helper {name} answered with no credentials") from None
    if not isinstance(username, str) or not isinstance(secret, str) or not secret:
        return None
    return ("", "", secret) if username == _TOKEN_USER else (username, secret, "")
