"""Where the container engine listens, found as Docker's own command line finds it.

Order: the setting, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of Docker's config.json, and then the sockets where
Docker and Podman listen by default (docs.docker.com/engine/manage-resources/contexts, podman-system-service(1)).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from gate.errors import InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.sources import SourceSettings

SYSTEM_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
"""Where engines that run as root listen. Those of a user are below `XDG_RUNTIME_DIR`; Docker's stand before Podman's."""

_USER_SOCKETS = ("docker.sock", "podman/podman.sock")
_CONTEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]+")
_HOST = re.compile(
    r"(?P<scheme>tcp|https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_DEFAULT_CONTEXT = "default"
_SYNTAX = "write unix:///run/docker.sock or tcp://HOST:PORT"
_INSTEAD = {
    "ssh": "forward its socket (`ssh -L /tmp/engine.sock:/var/run/docker.sock HOST`) and name that: unix:///tmp/engine.sock",
    "npipe": "run image-gate where the engine's socket is, for example inside WSL",
    "fd": "name the socket itself, such as unix:///var/run/docker.sock",
}


class Tls(Struct, frozen=True):
    """How an engine is met over TLS: files of certificates and a key, empty where there are none.

    `authority` is what the engine's certificate is checked against; empty: the authorities that Python trusts.
    """

    authority: str
    certificate: str
    key: str


class Address(Struct, frozen=True):
    """One place where an engine may listen.

    `socket` is the path of a Unix socket, or empty; then it is `host`, as `HOST:PORT`. `said_by` says who named it,
    empty for a default place.
    """

    socket: str = ""
    host: str = ""
    tls: Tls | None = None
    said_by: str = ""

    def __str__(self) -> str:
        return f"unix://{self.socket}" if self.socket else f"tcp://{self.host}"


def addresses(settings: SourceSettings) -> tuple[Address, ...]:
    """Return the places to look at, best first: one where someone named it, else the defaults. Raises `InvalidInput`."""
    environment = settings.registry.environment
    folder = _docker_folder(environment)
    if settings.engine:
        return (_parsed(settings.engine, "the settings", _tls_of_environment(environment, folder)),)
    if host := environment.get("DOCKER_HOST"):
        return (_parsed(host, "DOCKER_HOST", _tls_of_environment(environment, folder)),)
    if context := environment.get("DOCKER_CONTEXT"):
        said_by = f"the Docker context {context[:100]!r} (DOCKER_CONTEXT)"
    else:
        context = _current_context(folder)
        said_by = f"the current Docker context {context[:100]!r}"
    if context and context != _DEFAULT_CONTEXT:
        return (_of_context(context, folder, said_by),)
    user = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    sockets = [SYSTEM_SOCKETS[0], *(f"{user}/{name}" for name in _USER_SOCKETS), *SYSTEM_SOCKETS[1:]]
    return tuple(Address(socket=path) for path in sockets)


def _docker_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of Docker's settings, if the environment tells where it is."""
    if named := environment.get("DOCKER_CONFIG"):
        return Path(named)
    home = environment.get("HOME")
    return Path(home) / ".docker" if home else None


def _tls_of_environment(environment: Mapping[str, str], folder: Path | None) -> Tls | None:
    """Return what `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say.

    `DOCKER_TLS` alone asks for the same: an engine whose certificate is not verified could be anyone.
    """
    if not (environment.get("DOCKER_TLS_VERIFY") or environment.get("DOCKER_TLS")):
        return None
    named = environment.get("DOCKER_CERT_PATH")
    where = Path(named) if named else folder
    return Tls("", "", "") if where is None else _tls_in(where)


def _tls_in(folder: Path) -> Tls:
    """Return the files for TLS in a folder, by the names that Docker gives them."""
    found = [
        str(folder / name) if (folder / name).is_file() else "" for name in ("ca.pem", "cert.pem", "key.pem")
    ]
    authority, certificate, key = found
    if bool(certificate) != bool(key):
        raise InvalidInput(
            f"{folder} has only one of cert.pem and key.pem",
            hint="an engine is met with both, or with neither",
        )
    return Tls(authority, certificate, key)


def _current_context(folder: Path | None) -> str:
    """Return the current context that config.json names, or nothing."""
    path = None if folder is None else folder / "config.json"
    if path is None or not path.exists():
        return ""
    with _reading(path) as body:
        fields = strict_json.named_fields(body, ("currentContext",), str(path))
        return strict_json.text(fields.get("currentContext"), f"{path}, currentContext")


def _of_context(context: str, folder: Path | None, said_by: str) -> Address:
    """Read where a context's engine listens (contexts/meta/ID/meta.json, the id being the digest of its name)."""
    if folder is None or not _CONTEXT.fullmatch(context):
        raise InvalidInput(f"{said_by} cannot be found", hint="name the engine with DOCKER_HOST")
    identity = hashlib.sha256(context.encode()).hexdigest()
    path = folder / "contexts" / "meta" / identity / "meta.json"
    if not path.exists():
        raise InvalidInput(f"{said_by} is not in {folder}", hint="`docker context ls` lists those that are")
    what = str(path)
    with _reading(path) as body:
        endpoints = strict_json.named_fields(body, ("Name", "Endpoints"), what).get("Endpoints")
        engine = strict_json.named_fields(endpoints, ("docker",), what).get("docker")
        host = strict_json.text(strict_json.named_fields(engine, ("Host",), what).get("Host"), what)
    keys = folder / "contexts" / "tls" / identity / "docker"
    return _parsed(host, said_by, _tls_in(keys) if keys.is_dir() else None)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Read one of Docker's small JSON files; raises `InvalidInput` for whatever is wrong with it."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LIMITS.document + 1)
        yield strict_json.parse(content, str(path))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    except MalformedImage as error:
        raise InvalidInput(
            error.message,
            hint="these are Docker's settings; repair them, or name the engine with DOCKER_HOST",
        ) from None


def _parsed(text: str, said_by: str, tls: Tls | None) -> Address:
    """Parse an address as Docker writes it; raises `InvalidInput`."""
    scheme, separator, rest = text.partition("://")
    if text.startswith("/") or (scheme == "unix" and rest.startswith("/")):
        return Address(socket=rest if separator and scheme == "unix" else text, said_by=said_by)
    if hint := _INSTEAD.get(scheme if separator else ""):
        raise InvalidInput(f"engines cannot be reached over {scheme}:// here ({said_by})", hint=hint)
    match = _HOST.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{said_by} gives no address of an engine", hint=_SYNTAX)
    secure = match["scheme"] == "https" or tls is not None
    host = f"{match['host']}:{match['port'] or (2376 if secure else 2375)}"
    return Address(host=host, tls=(tls or Tls("", "", "")) if secure else None, said_by=said_by)
