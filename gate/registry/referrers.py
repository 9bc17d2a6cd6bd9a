"""What refers to a manifest: the referrers API, else the fallback tag (distribution specification, "Listing Referrers")."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

from msgspec.structs import replace

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_INDEX, Descriptor, Digest
from gate.oci.manifest import Index
from gate.oci.reference import Reference
from gate.registry import NotFound
from gate.registry.answers import type_of
from gate.registry.documents import described
from gate.registry.exchange import Question
from gate.registry.fetch import Fetcher
from gate.registry.hosts import Endpoint

_NO_API = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
    }
)
"""How registries without the API answer; the specification says 404, older ones differ. GitHub's leads to a page of its
web site, which has few answers a minute for anybody: what comes from there, whatever it is, is no list either."""


def referrers(
    fetcher: Fetcher, endpoint: Endpoint, name: Reference, digest: Digest, artifact_type: str
) -> Iterator[Descriptor]:
    """Yield what an endpoint lists, of one type or of all; raises `Unavailable` where it gives no list.

    A list that is empty and no list are two things: only the first says that there is, say, no signature.
    """
    for count, entry in enumerate(_listed(fetcher, endpoint, name, (digest, artifact_type))):
        if count >= LIMITS.referrers:
            raise Unavailable(f"more than {LIMITS.referrers:,} manifests refer to {digest.short}")
        # Not every registry filters, and a proxy may answer for another type from its memory.
        if artifact_type in ("", entry.artifact_type):
            yield entry


def _listed(
    fetcher: Fetcher, endpoint: Endpoint, name: Reference, wanted: tuple[Digest, str]
) -> Iterator[Descriptor]:
    """Yield what the API lists, or the tag where there is no API."""
    digest, artifact_type = wanted
    query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
    what = f"what refers to {digest.short} of {name.name}"
    question = fetcher.question(endpoint, name, f"referrers/{digest}{query}", what)
    question = replace(question, accept=OCI_INDEX, expected=question.expected | _NO_API, elsewhere=True)
    for number, (data, answer) in enumerate(fetcher.pages(question)):
        if answer.status == HTTPStatus.OK and type_of(answer) == OCI_INDEX:
            yield from Index.from_bytes(data, OCI_INDEX).manifests
        elif number:
            raise Unavailable(f"{endpoint.key!r} breaks off the list of {what}")
        else:
            yield from _tagged(fetcher, question, name, digest, odd=answer.status not in _NO_API)
            return


def _tagged(
    fetcher: Fetcher, question: Question, name: Reference, digest: Digest, *, odd: bool
) -> Iterator[Descriptor]:
    """Yield what the tag lists under which tools keep referrers where there is no API.

    No such tag means that nothing refers to the manifest, unless the registry's answer to the API was an `odd` one. GitLab's
    takes the tag for the digest that it spells, and gives the manifest itself: then there is no such tag.
    """
    tag = f"{digest.algorithm}-{digest.encoded}"[:128]
    what = f"the tag {tag} of {name.name}"
    try:
        content, answer = fetcher.document(
            fetcher.question(question.endpoint, name, f"manifests/{tag}", what)
        )
        found = described(content, type_of(answer), None, what)
        if found.digest != digest:
            yield from Index.from_bytes(content, found.media_type).manifests
            return
    except NotFound:
        pass
    if odd:
        raise Unavailable(
            f"{question.endpoint.key!r} gives no list of {question.what}",
            hint="a proxy before the registry may answer in its place",
        )
