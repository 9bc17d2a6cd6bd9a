"""The registry client: what the rest of the program asks of registries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import BinaryIO, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import Unavailable, joined
from gate.limits import LIMITS
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry import NotFound, RegistrySettings
from gate.registry.answers import type_of
from gate.registry.authentication import Authentication
from gate.registry.blob import BlobStream
from gate.registry.credentials import Credentials
from gate.registry.documents import described
from gate.registry.exchange import Exchange, Question
from gate.registry.fetch import Fetcher
from gate.registry.hosts import Endpoint, Hosts
from gate.registry.lists import tags_of
from gate.registry.messages import Answer
from gate.registry.referrers import referrers
from gate.registry.retries import Transient
from gate.registry.transport import Transport

T = TypeVar("T")

_WHOLE = frozenset({HTTPStatus.OK})
_PART = _WHOLE | {HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


class Manifest(Struct, frozen=True):
    """A manifest or index as a registry served it: its descriptor, computed from the bytes alone, and the bytes.

    `served_by` is the `host[:port]` that answered, the registry's own or a mirror's; `modified` its `Last-Modified`.
    """

    descriptor: Descriptor
    content: bytes
    served_by: str
    modified: datetime | None = None


class RegistryClient:
    """Reads from the registries of one run; safe to use from several threads.

    Every call asks the mirrors of a registry first and then itself, whatever the failure of those before. What may go
    better the next time is tried again, within `LIMITS.retries` and the deadline.
    """

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self._deadline = deadline
        self._transport = Transport(settings, deadline)
        self._hosts = Hosts(self._transport)
        authentication = Authentication(self._transport, Credentials(settings, deadline))
        self._exchange = Exchange(self._transport, authentication)
        self._fetcher = Fetcher(self._exchange, deadline)

    def manifest(self, name: Reference) -> Manifest:
        """Fetch the manifest or index that a name states, by its digest where it has one, else by its tag."""
        wanted = str(name.digest or name.tag or "latest")
        what = f"the manifest of {name}"

        def fetch(endpoint: Endpoint) -> Manifest:
            question = self._fetcher.question(endpoint, name, f"manifests/{wanted}", what)
            content, answer = self._fetcher.document(question)
            descriptor = described(content, type_of(answer), name.digest, what)
            modified = _modified(answer.headers.get("last-modified", ""))
            return Manifest(descriptor, content, endpoint.url.authority, modified)

        return self._anywhere(name, fetch)

    def tag_digest(self, name: Reference) -> Digest:
        """Return what a tag names now; a digest in `name` is not looked at.

        The manifest is fetched and hashed, because what a registry says of it in a header binds nobody.
        """
        return self.manifest(replace(name, digest=None)).descriptor.digest

    def blob(self, name: Reference, descriptor: Descriptor, start: int = 0) -> BinaryIO:
        """Open a blob of the name's repository from byte `start` on; a transfer that breaks goes on where it broke.

        Nothing is asked before the first read, and nothing is verified: the reader hashes. Every read may raise
        `Unavailable`. `urls` of descriptors are never followed.
        """
        first = 0

        def opened(position: int) -> Answer:
            nonlocal first
            answer, first = self._blob_at(name, descriptor, position, first)
            return answer

        return cast("BinaryIO", BlobStream(opened, descriptor.size, start, self._deadline))

    def referrers(self, name: Reference, digest: Digest, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """List what refers to a manifest, by the referrers API or the fallback tag.

        Entries of a fallback tag are written by the tools that push, some of which state another `artifact_type` than
        the manifest does; without one, all are listed. That there are none, only the registry itself can say: mirrors often
        carry images without what refers to them.
        """

        def ask(endpoint: Endpoint) -> tuple[Descriptor, ...]:
            found = tuple(referrers(self._fetcher, endpoint, name, digest, artifact_type))
            if not found and endpoint.mirror:
                raise NotFound(f"the mirror {endpoint.key!r} lists nothing that refers to {digest.short}")
            return found

        return self._anywhere(name, ask)

    def tags(self, name: Reference) -> Iterator[str]:
        """Yield the tags of a repository; pages are asked for as they are needed, all from one endpoint."""
        for number, tag in enumerate(self._anywhere(name, lambda endpoint: self._tags(endpoint, name))):
            if number >= LIMITS.tags:
                raise Unavailable(f"{name.name} has more than {LIMITS.tags:,} tags")
            yield tag

    @property
    def proxied(self) -> frozenset[str]:
        """The hosts asked through a proxy so far: it resolved their names, so that only literal addresses were checked."""
        return frozenset(self._transport.proxied)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _anywhere(self, name: Reference, ask: Callable[[Endpoint], T]) -> T:
        """Ask the endpoints of a name's registry in their order until one gives an answer."""
        failed: list[Unavailable] = []
        for key in self._hosts.keys(name.registry):
            try:
                return ask(self._hosts.endpoint(key))
            except Unavailable as error:
                self._deadline.check()
                failed.append(error)
        raise _failure_of(failed)

    def _blob_at(
        self, name: Reference, descriptor: Descriptor, position: int, first: int
    ) -> tuple[Answer, int]:
        """Open a blob at the first endpoint that gives it, counted from `first`; returns where to go on if it breaks.

        That is the next endpoint: what broke off there may do so again. Raises `Transient` where trying all again may help.
        """
        keys = self._hosts.keys(name.registry)
        failed: list[Unavailable] = []
        for number in (*range(first, len(keys)), *range(first)):
            try:
                question = _blob_question(self._hosts.endpoint(keys[number]), name, descriptor, position)
                answer = self._exchange.ask(question)
                if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    answer.discard()  # it does not know ranges of this form, so from the start
                    answer = self._exchange.ask(replace(question, headers={}, expected=_WHOLE))
                return answer, (number + 1) % len(keys)
            except Unavailable as error:
                self._deadline.check()
                if isinstance(error, NotFound):
                    error.hint = "the image is not whole in this registry; push it again"
                failed.append(error)
        again = next((error for error in failed if isinstance(error, Transient)), None)
        raise again or _failure_of(failed)

    def _tags(self, endpoint: Endpoint, name: Reference) -> Iterator[str]:
        """Return the tags that an endpoint lists, of which the first page has been fetched."""
        question = self._fetcher.question(endpoint, name, "tags/list?n=1000", f"the tags of {name.name}")
        pages = self._fetcher.pages(replace(question, accept="application/json"))
        first = list(tags_of(next(pages)[0]))

        def following() -> Iterator[str]:
            yield from first
            for data, _ in pages:
                yield from tags_of(data)

        return following()


def _blob_question(endpoint: Endpoint, name: Reference, descriptor: Descriptor, position: int) -> Question:
    """Ask for a blob from a position on, within the time that the rest takes at the slowest rate."""
    return Question(
        endpoint,
        endpoint.repository(name),
        endpoint.at(name, f"blobs/{descriptor.digest}"),
        f"the blob {descriptor.digest.short} of {name.name}",
        headers={"Range": f"bytes={position}-{descriptor.size - 1}"} if position else {},  # some want an end
        expected=_PART if position else _WHOLE,
        seconds=LIMITS.request_seconds + max(descriptor.size - position, 0) / LIMITS.blob_rate,
    )


def _failure_of(failed: list[Unavailable]) -> Unavailable:
    """Return one error for those of all endpoints; that of the registry itself where they say the same."""
    if len(failed) == 1 or all(isinstance(error, NotFound) for error in failed):
        return failed[-1]
    return joined(failed)


def _modified(value: str) -> datetime | None:
    """Read a `Last-Modified`; None where it says nothing."""
    try:
        found = parsedate_to_datetime(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
