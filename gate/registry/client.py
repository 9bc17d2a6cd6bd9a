"""The registry client: what the rest of the program asks of registries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import BinaryIO, TypeVar, cast
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import Unavailable, joined
from gate.limits import LIMITS
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry import NotFound, RegistrySettings
from gate.registry.address import Url
from gate.registry.answers import document, type_of
from gate.registry.authentication import Authentication
from gate.registry.blob import BlobStream
from gate.registry.credentials import Credentials
from gate.registry.documents import described
from gate.registry.exchange import Exchange, Question
from gate.registry.hosts import Endpoint, Hosts
from gate.registry.lists import pages, referrers_of, tags_of
from gate.registry.retries import Transient, persist
from gate.registry.transport import Answer, Transport

T = TypeVar("T")

_ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))
_NO_REFERRERS_API = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
    }
)
"""How registries without the referrers API answer; the specification says 404, older ones differ."""


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
        self._exchange = Exchange(
            self._transport, Authentication(self._transport, Credentials(settings, deadline))
        )

    def manifest(self, name: Reference) -> Manifest:
        """Fetch the manifest or index that a name states, by its digest where it has one, else by its tag."""
        wanted = str(name.digest or name.tag or "latest")
        what = f"the manifest of {name}"

        def fetch(endpoint: Endpoint) -> Manifest:
            question = self._question(endpoint, name, f"manifests/{wanted}", what)
            content, answer = persist(self._deadline, lambda: self._document(question))
            described_as = described(content, type_of(answer), name.digest, what)
            return Manifest(
                described_as,
                content,
                endpoint.url.authority,
                _modified(answer.headers.get("last-modified", "")),
            )

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
        the manifest does; without one, all are listed.
        """

        def fetch(endpoint: Endpoint) -> tuple[Descriptor, ...]:
            return tuple(self._referrers(endpoint, name, digest, artifact_type))

        return self._anywhere(name, fetch)

    def tags(self, name: Reference) -> Iterator[str]:
        """Yield the tags of a repository, page by page."""
        what = f"the tags of {name.name}"
        first = self._anywhere(name, lambda endpoint: self._first_page(endpoint, name, what))
        for number, tag in enumerate(first):
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

    def _question(self, endpoint: Endpoint, name: Reference, rest: str, what: str) -> Question:
        """Ask for a document of a repository."""
        return Question(endpoint, endpoint.repository(name), endpoint.at(name, rest), what, _ACCEPT)

    def _document(self, question: Question) -> tuple[bytes, Answer]:
        """Fetch a document once."""
        answer = self._exchange.ask(question)
        return document(answer, question.what), answer

    def _blob_at(
        self, name: Reference, descriptor: Descriptor, position: int, first: int
    ) -> tuple[Answer, int]:
        """Open a blob at the first endpoint that gives it, counted from `first`, where the last transfer came from.

        Raises `Transient` where trying all again may help.
        """
        keys = self._hosts.keys(name.registry)
        what = f"the blob {descriptor.digest.short} of {name.name}"
        seconds = LIMITS.request_seconds + max(descriptor.size - position, 0) / LIMITS.blob_rate
        failed: list[Unavailable] = []
        for number in [*range(first, len(keys)), *range(first)]:
            try:
                endpoint = self._hosts.endpoint(keys[number])
                question = Question(
                    endpoint,
                    endpoint.repository(name),
                    endpoint.at(name, f"blobs/{descriptor.digest}"),
                    what,
                    headers={"Range": f"bytes={position}-"} if position else {},
                    expected=frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})
                    if position
                    else frozenset({HTTPStatus.OK}),
                    seconds=seconds,
                )
                return self._exchange.ask(question), number
            except Unavailable as error:
                self._deadline.check()
                if isinstance(error, NotFound):
                    error.hint = "the image is not whole in this registry; push it again"
                failed.append(error)
        again = next((error for error in failed if isinstance(error, Transient)), None)
        raise again or _failure_of(failed)

    def _referrers(
        self, endpoint: Endpoint, name: Reference, digest: Digest, artifact_type: str
    ) -> Iterator[Descriptor]:
        """Yield what an endpoint lists by the API, else by the fallback tag (distribution specification, "Listing Referrers")."""
        what = f"what refers to {digest.short} of {name.name}"
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        question = self._question(endpoint, name, f"referrers/{digest}{query}", what)
        question = replace(question, accept=OCI_INDEX, expected=question.expected | _NO_REFERRERS_API)
        count = 0
        for data, answer in self._pages(question):
            if answer.status != HTTPStatus.OK or type_of(answer) != OCI_INDEX:
                if count:
                    raise Unavailable(f"the registry breaks off in the list of {what}")
                odd = answer.status == HTTPStatus.OK
                yield from self._fallback(question, name, (digest, artifact_type), odd)
                return
            for entry in referrers_of(data, artifact_type):
                count += 1
                if count > LIMITS.referrers:
                    raise Unavailable(f"more than {LIMITS.referrers:,} manifests refer to {digest.short}")
                yield entry

    def _fallback(
        self, question: Question, name: Reference, wanted: tuple[Digest, str], odd: bool
    ) -> Iterator[Descriptor]:
        """Yield what the tag lists under which tools keep referrers where there is no API.

        No such tag means that nothing refers to the manifest, unless the registry's answer to the API was an `odd` one.
        """
        digest, artifact_type = wanted
        tag = f"{digest.algorithm}-{digest.encoded}"[:128]
        question = self._question(
            question.endpoint, name, f"manifests/{tag}", f"the tag {tag} of {name.name}"
        )
        try:
            content, answer = persist(self._deadline, lambda: self._document(question))
        except NotFound:
            if odd:
                raise Unavailable(
                    f"{question.endpoint.key!r} answers with no list of {question.what}",
                    hint="a proxy before the registry may answer in its place",
                ) from None
            return
        described(content, type_of(answer), None, question.what)
        yield from referrers_of(content, artifact_type)

    def _first_page(self, endpoint: Endpoint, name: Reference, what: str) -> Iterator[str]:
        """Return all tags of an endpoint, of which the first page has been fetched."""
        question = replace(
            self._question(endpoint, name, "tags/list?n=1000", what), accept="application/json"
        )
        found = self._pages(question)
        data, _ = next(found)
        first = list(tags_of(data))

        def following() -> Iterator[str]:
            yield from first
            for more, _ in found:
                yield from tags_of(more)

        return following()

    def _pages(self, question: Question) -> Iterator[tuple[bytes, Answer]]:
        """Yield the pages of a list."""

        def ask(url: Url) -> tuple[bytes, Answer]:
            return persist(
                self._deadline,
                lambda: self._document(replace(question, url=url)),
            )

        return pages(question.url, ask)


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
