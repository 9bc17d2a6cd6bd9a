"""Writing to registries: blobs, manifests, and what refers to a manifest (distribution specification 1.1, "Pushing").

All that this program writes are attestations. A write goes to the registry itself, never to a mirror; it follows no
redirect; and it is told to no other server than the one that the name states, whatever address that gives for an upload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, Digest
from gate.oci.manifest import Index
from gate.oci.reference import Reference
from gate.registry import NotFound, RegistrySettings
from gate.registry.answers import type_of
from gate.registry.authentication import Authentication
from gate.registry.credentials import Credentials
from gate.registry.documents import described
from gate.registry.exchange import Exchange, Question
from gate.registry.fetch import Fetcher
from gate.registry.hosts import Endpoint, Hosts
from gate.registry.messages import Answer
from gate.registry.retries import persist
from gate.registry.transport import Transport

T = TypeVar("T")

_ACCEPTED = frozenset({HTTPStatus.ACCEPTED})
_CREATED = frozenset({HTTPStatus.CREATED})
_LIST_TRIES = 5
"""Times that a list under a tag is written: others write it at the same time, and the last one wins."""
_HINT = "the login must be allowed to push to this repository; or write to a file with --output and attach it elsewhere"


class RegistryWriter:
    """Writes to the registries of one run, with a login that may push."""

    def __init__(self, settings: RegistrySettings, deadline: Deadline) -> None:
        self._deadline = deadline
        self._transport = Transport(settings, deadline)
        self._hosts = Hosts(self._transport)
        login = Authentication(self._transport, Credentials(settings, deadline), actions="pull,push")
        self._exchange = Exchange(self._transport, login)
        self._fetcher = Fetcher(self._exchange, deadline)

    def blob(self, name: Reference, content: bytes) -> Descriptor:
        """Write a blob to the name's repository, in one piece; returns its descriptor, without a media type."""
        digest = Digest("sha256", hashlib.sha256(content).hexdigest())
        endpoint = self._hosts.endpoint((name.registry, False))
        what = f"the upload of {digest.short} to {name.name}"

        def write() -> None:
            begin = self._question(endpoint, name, "blobs/uploads/", what)
            answer = self._exchange.ask(replace(begin, method="POST", expected=_ACCEPTED))
            answer.discard()
            place = answer.url.join(answer.headers.get("location", ""), what)
            if place.origin != begin.url.origin:
                raise Unavailable(
                    f"{endpoint.key!r} wants {what} at another server, {place.authority[:200]!r}",
                    hint="attestations are written to the registry that the name states alone",
                )
            joint = "&" if "?" in place.target else "?"
            place = replace(place, target=f"{place.target}{joint}digest={quote(str(digest), safe='')}")
            self._put(replace(begin, url=place), "application/octet-stream", content)

        _written(lambda: persist(self._deadline, write))
        return Descriptor("", digest, len(content))

    def manifest(self, name: Reference, content: bytes, media_type: str, tag: str = "") -> Answer:
        """Write a manifest or index, under its digest or a tag; returns the answer, whose body was read."""
        place = tag or f"sha256:{hashlib.sha256(content).hexdigest()}"
        endpoint = self._hosts.endpoint((name.registry, False))
        question = self._question(
            endpoint, name, f"manifests/{place}", f"the manifest {place} of {name.name}"
        )
        return _written(lambda: persist(self._deadline, lambda: self._put(question, media_type, content)))

    def referrer(self, name: Reference, subject: Digest, content: bytes, listed: Descriptor) -> None:
        """Write a manifest that has `subject`; where the registry keeps no list of referrers, note it under the tag.

        `listed` is the manifest as lists of referrers show it. The tag is read, changed and written back, so that of two
        writers at once one can lose the other's entry: it is read again until what was written is there.
        """
        answer = self.manifest(name, content, OCI_MANIFEST)
        if answer.headers.get("oci-subject") or self._has_lists(name, subject):
            return
        tag = f"{subject.algorithm}-{subject.encoded}"[:128]
        for tried in range(_LIST_TRIES):
            entries = self._tagged(name, tag, subject)
            if entries is None and tried:
                raise Unavailable(
                    f"{name.registry!r} keeps no list of what refers to an image, and no tag that could hold one",
                    hint="write to a file with --output, or name a repository elsewhere as signature-repository in the configuration",
                )
            entries = entries or []
            if any(entry.get("digest") == str(listed.digest) for entry in entries):
                return
            if len(entries) >= LIMITS.referrers:
                raise Unavailable(
                    f"{name.name} lists {len(entries):,} referrers under {tag}: no more are read"
                )
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*entries, _entry(listed)]}
            self.manifest(name, msgspec.json.encode(index), OCI_INDEX, tag)
        raise Unavailable(
            f"the list under the tag {tag} of {name.name} is changed by others all the time",
            hint="try again when nothing else signs this image",
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _has_lists(self, name: Reference, subject: Digest) -> bool:
        """Whether the registry answers to the referrers API: older ones that have it do not say so when written to."""
        endpoint = self._hosts.endpoint((name.registry, False))
        question = self._question(endpoint, name, f"referrers/{subject}", f"what refers to {subject.short}")
        try:
            _, answer = self._fetcher.document(replace(question, accept=OCI_INDEX, elsewhere=True))
        except Unavailable:
            return False
        return type_of(answer) == OCI_INDEX

    def _tagged(self, name: Reference, tag: str, subject: Digest) -> list[dict[str, Any]] | None:
        """Return what the list under a tag holds; raises where it is no list, which then is not overwritten.

        A registry that takes the tag for the digest that it spells gives the manifest itself, as GitLab's does: None.
        """
        endpoint = self._hosts.endpoint((name.registry, False))
        what = f"the tag {tag} of {name.name}"
        try:
            content, answer = self._fetcher.document(
                self._fetcher.question(endpoint, name, f"manifests/{tag}", what)
            )
        except NotFound:
            return []
        found = described(content, type_of(answer), None, what)
        if found.digest == subject:
            return None
        Index.from_bytes(content, found.media_type)
        entries: list[dict[str, Any]] = msgspec.json.decode(content)["manifests"]
        return entries  # as they are: what others noted of theirs stays

    def _question(self, endpoint: Endpoint, name: Reference, rest: str, what: str) -> Question:
        """Address something in the name's repository."""
        return Question(endpoint, endpoint.repository(name), endpoint.at(name, rest), what)

    def _put(self, question: Question, media_type: str, content: bytes) -> Answer:
        """Write once."""
        headers = {"Content-Type": media_type}
        answer = self._exchange.ask(
            replace(question, method="PUT", headers=headers, body=content, expected=_CREATED)
        )
        answer.discard()
        return answer


def _entry(listed: Descriptor) -> dict[str, Any]:
    """Return a descriptor as JSON."""
    return {
        "mediaType": listed.media_type,
        "digest": str(listed.digest),
        "size": listed.size,
        "artifactType": listed.artifact_type,
        "annotations": dict(listed.annotations),
    }


def _written(write: Callable[[], T]) -> T:
    """Write; where that fails, say what writers have to look at, not what readers have."""
    try:
        return write()
    except Unavailable as error:
        error.hint = _HINT
        raise
