"""Where images come from: `locate` tells which source a reference names, `open_source` opens it.

A source yields an `Opened`: its images, verified down to the configuration, which can be read until the context ends.
Layouts and archives are read in place, layers of a registry cross the network when they are read, and what a container
engine exports is kept in a private folder.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct, field

from gate.cache import Cache
from gate.deadline import Deadline
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.registry import RegistrySettings

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.client import RegistryClient

REGISTRY, ENGINE = "docker", "docker-daemon"
"""The sources that are no files; the words are those of the references that name them."""


class Location(Struct, frozen=True):
    """A reference as a source needs it.

    `source` is `oci`, `oci-archive`, `docker-archive`, `archive` for a file whose content decides, `docker` for a
    registry, `docker-daemon` for the container engine, or `name` for a plain name, which is looked for in the engine and
    then in its registry. `path` is of a file, or what the engine is asked for: a name or an id. `choice` is the tag, name
    or digest that chooses among the images of a file. `name` is the image name where the reference is one, with the tag
    `latest` where neither tag nor digest was written, which `implied` then says.
    """

    text: str
    source: str
    path: str
    choice: str = ""
    name: Reference | None = None
    implied: bool = False

    @property
    def written(self) -> Reference | None:
        """The image name as it was written: rules about tags judge what is there, not what engines imply."""
        if self.name is None or not self.implied:
            return self.name
        return Reference(self.name.registry, self.name.repository)


class SourceSettings(Struct, frozen=True):
    """What the caller and the policy say about sources.

    `prefer` is `docker-daemon` or `docker` where a plain name is looked for there alone. `fallback` says whether a plain name
    that the engine does not have may be asked of its registry. `engine` is the engine's address; empty: what the
    environment and the Docker contexts say.
    """

    registry: RegistrySettings = field(default_factory=RegistrySettings)
    prefer: str = ""
    fallback: bool = True
    engine: str = ""


class Access:
    """What reading images may use in one run: the settings, the deadline, the cache, and one registry client.

    `cache` is None in runs that keep nothing. The client is made when it is first needed,
    because what it imports takes longer than reading a small image.
    """

    def __init__(self, settings: SourceSettings, deadline: Deadline, cache: Cache | None = None) -> None:
        self.settings = settings
        self.deadline = deadline
        self.cache = cache
        self._client: RegistryClient | None = None

    @classmethod
    def to_files(cls, deadline: Deadline | None = None, cache: Cache | None = None) -> Access:
        """Return access for reading layouts and archives."""
        return cls(SourceSettings(), deadline or Deadline(LIMITS.run_seconds), cache)

    @property
    def work_dir(self) -> Path | None:
        """The private folder of the run, None for the system's temporary one; raises `InvalidInput` where none can be made."""
        return None if self.cache is None else self.cache.work_dir

    @property
    def registry(self) -> RegistryClient:
        """The registry client of the run."""
        if self._client is None:
            from gate.registry.client import RegistryClient

            self._client = RegistryClient(self.settings.registry, self.deadline)
        return self._client

    @property
    def proxied(self) -> frozenset[str]:
        """The hosts that were asked through a proxy, which resolved their names: only literal addresses were checked."""
        return frozenset() if self._client is None else self._client.proxied

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
