"""The registry client: what the rest of the program asks of registries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from msgspec import Struct

from gate.deadline import Deadline
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry import RegistrySettings


class Manifest(Struct, frozen=True):
    """A manifest or index as a registry served it: its descriptor, computed from the bytes alone, and the bytes.

    `served_by` is the `host[:port]` that answered, the registry's own or a mirror's; `modified` its `Last-Modified`.
    """

    descriptor: Descriptor
    content: bytes
    served_by: str
    modified: datetime | None = None


class RegistryClient:
    """Reads from the registries of one run; safe to use from several threads."""

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self._settings = settings
        self._deadline = deadline

    def manifest(self, name: Reference) -> Manifest:
        """Fetch the manifest or index that a name states, by its digest where it has one, else by its tag."""
        raise NotImplementedError

    def tag_digest(self, name: Reference) -> Digest:
        """Return what a tag names now; a digest in `name` is not looked at."""
        raise NotImplementedError

    def blob(self, name: Reference, descriptor: Descriptor, start: int = 0) -> BinaryIO:
        """Open a blob of the name's repository from byte `start` on; a transfer that breaks goes on where it broke."""
        raise NotImplementedError

    def referrers(self, name: Reference, digest: Digest, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """List what refers to a manifest, by the referrers API or the fallback tag."""
        raise NotImplementedError

    def tags(self, name: Reference) -> Iterator[str]:
        """Yield the tags of a repository, page by page."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""
