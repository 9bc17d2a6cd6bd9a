"""A container engine over the HTTP API that Docker and Podman share (docs.docker.com/reference/api/engine).

What an engine says is read strictly: it comes before any digest is known.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Generator
from contextlib import closing
from types import TracebackType
from typing import Self
from urllib.parse import quote

from gate.deadline import Deadline
from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.sources import SourceSettings
from gate.sources.engine_address import Address, addresses
from gate.sources.engine_http import START, EngineHttp, NoEngine, NotInEngine, Refused

_NEWEST_API = (1, 52)
"""The newest version of the API whose answers are known here; newer engines speak it as well."""

_API = re.compile(r"(\d{1,3})\.(\d{1,3})", re.ASCII)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})
_CONTAINERD = "io.containerd.snapshotter."


class Engine:
    """One engine that answers: who it is, what it says of an image, and an image's export."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self._address = address
        self._api = ""
        self._http = EngineHttp(address, deadline)
        try:
            self.name, self.version = self._introduce()
            self.store = self._store()
        except BaseException:
            self.close()
            raise

    def inspect(self, name: str) -> strict_json.Object:
        """Return what the engine says of an image; raises `NotInEngine` where it has none of that name or id."""
        fields = ("Id", "RepoTags", "RepoDigests", "Descriptor")
        try:
            return self._object(
                f"/images/{quote(name, safe='/:')}/json", fields, f"the description of {name!r}"
            )
        except Refused as error:
            if error.status != 404:
                raise
            raise NotInEngine(
                f"{self.name} has no image {name!r}",
                hint="build or pull it, or ask its registry with docker:NAME",
            ) from None

    def export(self, identity: str) -> Generator[bytes, None, None]:
        """Yield the export of one image, as `docker save` writes it.

        Engines may write it to a disk of theirs first: only the run's time bounds how long the first byte takes.
        """
        with closing(
            self._http.get(f"{self._api}/images/{quote(identity, safe=':')}/get", LIMITS.run_seconds)
        ) as response:
            yield from self._http.body(response, LIMITS.engine_silence)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _introduce(self) -> tuple[str, str]:
        """Return the engine's name and version, and settle which version of the API is spoken."""
        try:
            found = self._object("/version", ("Version", "ApiVersion", "Components"), "the engine's version")
            version = strict_json.text(found.get("Version"), "the engine's version")
            spoken = _API.fullmatch(strict_json.text(found.get("ApiVersion"), "its API"))
            parts = strict_json.objects(found.get("Components"), "its components", limit=100)
        except MalformedImage as error:
            raise self._none(error.message) from None
        if spoken is None:
            raise self._none("it states no version of the API")
        major, minor = min(_NEWEST_API, (int(spoken[1]), int(spoken[2])))
        self._api = f"/v{major}.{minor}"
        podman = any(isinstance(part, dict) and part.get("Name") == "Podman Engine" for part in parts)
        return "Podman" if podman else "Docker", version[:100]

    def _none(self, why: str) -> Unavailable:
        """Build the error for something else that listens."""
        return Unavailable(f"what listens at {self._address} is no container engine: {why}", hint=START)

    def _store(self) -> str:
        """Return the word for the engine's image store: with containerd's, an image's id is that of a manifest or index."""
        what = "the engine's storage"
        status = self._object("/info", ("DriverStatus",), what).get("DriverStatus")
        pairs = (strict_json.texts(pair, what) for pair in strict_json.objects(status, what, limit=100))
        found = any(
            pair[:1] == ("driver-type",) and pair[1].startswith(_CONTAINERD)
            for pair in pairs
            if len(pair) == 2
        )
        return "containerd" if found else "classic"

    def _object(self, path: str, fields: tuple[str, ...], what: str) -> strict_json.Object:
        """Ask for an object."""
        limit = LIMITS.engine_answer
        with closing(self._http.get(f"{self._api}{path}", LIMITS.engine_seconds)) as response:
            content = self._http.whole(response, limit)
        return strict_json.named_fields(strict_json.parse(content, what, limit=limit), fields, what)


def find_engine(settings: SourceSettings, deadline: Deadline) -> Engine:
    """Return the engine that the settings name, or the first that listens.

    Raises `NoEngine` where none does, and `Unavailable` where one listens and may not be used.
    """
    refused: list[Unavailable] = []
    for place in addresses(settings):
        reason = _unreachable(place)
        if reason is None:
            return Engine(place, deadline)
        refused.append(reason)
    for reason in refused:
        if not isinstance(reason, NoEngine):
            raise reason
    if len(refused) == 1:
        raise refused[0]
    raise NoEngine("no container engine is running here", hint=START)


def _unreachable(address: Address) -> Unavailable | None:
    """Say why nothing can be asked at a socket; what is no socket shows when it is asked."""
    if not address.socket:
        return None
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(LIMITS.connect_seconds)
            probe.connect(address.socket)
    except OSError as error:
        # Where even the folder is closed to us nobody can tell that there is a socket: Podman's is, on every host.
        hidden = error.errno == errno.EACCES and not address.said_by and not os.path.exists(address.socket)
        if error.errno in _ABSENT or hidden:
            return NoEngine(f"no engine listens at {address}", hint=START)
        if error.errno in (errno.EACCES, errno.EPERM):
            return Unavailable(
                f"the engine at {address} may not be used by this user",
                hint="add the user to the group `docker` or run a rootless engine; docker:NAME asks the registry instead",
            )
        return Unavailable(
            f"the engine at {address} cannot be reached: {error.strerror or error}", hint=START
        )
    return None
