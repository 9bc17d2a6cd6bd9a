"""The signatures of a digest in a repository: its referrers, by the API and by the fallback tag, and cosign's older tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.errors import Unavailable
from gate.evidence import RefusedSignature
from gate.oci.descriptor import MANIFEST_TYPES, Descriptor, Digest
from gate.oci.manifest import Index
from gate.oci.reference import Reference
from gate.registry import NotFound
from gate.signatures.admission import time_of
from gate.signatures.discovery import Artifact, Budget, Item, candidates, is_bundle, sorted_out
from gate.signatures.verdict_statement import DETAILS, SUMMARY

if TYPE_CHECKING:
    from gate.registry.client import RegistryClient

_CONTENT = "dev.sigstore.bundle.content"
"""The annotation of manifests that hold bundles."""
_PREDICATE = "dev.sigstore.bundle.predicateType"
_CREATED = "org.opencontainers.image.created"

SUFFIXES = (".sig", ".att")
"""What cosign appends to the digest to name the tags of layouts A and B."""


class OldVerdicts(Struct, frozen=True):
    """Which verdicts of a gate are not worth looking at: those that say that they were attached before a moment, or all.

    A nightly verdict would use up the budget in a season. That a listing is believed in this gives nobody anything: the API
    tells what the signer's own manifest says, and whoever can change the tag could as well take the entry out of it.
    """

    before: datetime | None = None

    def holds(self, entry: Descriptor) -> bool:
        """Whether an entry of a listing is such a verdict."""
        if entry.annotations.get(_PREDICATE) not in (SUMMARY, DETAILS):
            return False
        attached = time_of(entry.annotations.get(_CREATED))
        return self.before is None or (attached is not None and attached < self.before)

    def told(self, number: int, repository: str, place: str) -> Iterator[RefusedSignature]:
        """Yield that so many are too old, where verdicts are asked for at all."""
        if self.before is not None and number:
            reason = f"verdicts that were attached before {self.before:%Y-%m-%d %H:%M} UTC are too old; there are {number}"
            yield RefusedSignature(repository, place, reason)


def in_repository(
    client: RegistryClient,
    name: Reference,
    digest: Digest,
    budget: Budget,
    old: OldVerdicts | None = None,
) -> Iterator[Item]:
    """Yield what a repository holds as signatures of a digest; `name` is looked at without its tag and digest.

    `old` verdicts are passed over. Raises `Exhausted` where the budget is.

    1. The tags of the older layouts, which refer to the digest by their names alone; their payloads must name it. There are
       two, so they come first, and no number of referrers hides them.
    2. The referrers, of the API and of the fallback tag alike: signers that ran before a registry had the API wrote the
       tag. Those that say that they are bundles come first, so that others cannot use up the budget.
    3. Each one's manifest, by digest. It must say itself that it refers to the digest.
    """
    for suffix in SUFFIXES if digest.algorithm == "sha256" else ():  # 1
        one = Reference(name.registry, name.repository, f"sha256-{digest.encoded}{suffix}")
        place = f"{name.name}, tag of {digest.short} with {suffix}"
        yield from _manifest(client, one, budget, place)
    repository = Reference(name.registry, name.repository)
    listed: dict[Digest, Descriptor] = {}
    for listing in (client.referrers, partial(_tagged, client)):  # 2
        try:
            for entry in listing(repository, digest):
                if entry.media_type in MANIFEST_TYPES:
                    # The tag, which is anybody's, does not reword what the API says.
                    listed.setdefault(entry.digest, entry)
        except Unavailable as error:
            yield error
    place = f"{repository.name}, attached to {digest.short}"
    entries = [entry for entry in listed.values() if old is None or not old.holds(entry)]
    if old is not None:
        yield from old.told(len(listed) - len(entries), repository.name, place)
    for entry in sorted(entries, key=_is_unlikely):  # 3
        one = Reference(name.registry, name.repository, "", entry.digest)
        yield from _manifest(client, one, budget, place, attached_to=digest)


def _is_unlikely(entry: Descriptor) -> bool:
    """Whether nothing says of a referrer that it is a bundle; some registries list the type of its configuration instead."""
    return not is_bundle(entry.artifact_type) and _CONTENT not in entry.annotations


def _tagged(client: RegistryClient, repository: Reference, digest: Digest) -> Iterable[Descriptor]:
    """Return what the fallback tag lists (distribution specification, "Referrers Tag Schema").

    Where a registry takes the tag for the digest that it spells, it gives the manifest itself, and there is no list.
    """
    tag = f"{digest.algorithm}-{digest.encoded}"[:128]
    try:
        found = client.manifest(Reference(repository.registry, repository.repository, tag))
    except NotFound:
        return ()
    if found.descriptor.digest == digest:
        return ()
    return Index.from_bytes(found.content, found.descriptor.media_type).manifests


def _manifest(
    client: RegistryClient, name: Reference, budget: Budget, place: str, attached_to: Digest | None = None
) -> Iterator[Item]:
    """Yield what the manifest of that name holds; a tag that is not there holds nothing."""
    if name.digest is not None:
        budget.take_manifest()
    shown = str(name.digest or name.tag)
    try:
        found = client.manifest(name)
        artifact = Artifact.from_bytes(found.content)
    except NotFound as error:
        if name.digest is not None:
            yield error  # the listing has it, so it was there
        return
    except Unavailable as error:
        yield sorted_out(error, shown, place)
        return
    if attached_to is not None and artifact.subject != attached_to:
        yield RefusedSignature(shown, place, "its manifest does not say that it refers to this image")
        return
    yield from candidates(
        artifact, budget, found.descriptor.digest, place, lambda layer: client.blob(name, layer)
    )
