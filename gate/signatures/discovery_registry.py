"""The signatures of a digest in a repository: its referrers, by the API and by the fallback tag, and cosign's older tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from gate.errors import Unavailable
from gate.evidence import RefusedSignature
from gate.oci.descriptor import MANIFEST_TYPES, Descriptor, Digest
from gate.oci.manifest import Index
from gate.oci.reference import Reference
from gate.registry import NotFound
from gate.signatures.discovery import Artifact, Budget, Item, candidates, is_bundle, sorted_out

if TYPE_CHECKING:
    from gate.registry.client import RegistryClient

_CONTENT = "dev.sigstore.bundle.content"
"""The annotation of manifests that hold bundles."""

SUFFIXES = (".sig", ".att")
"""What cosign appends to the digest to name the tags of layouts A and B."""


def in_repository(client: RegistryClient, name: Reference, digest: Digest, budget: Budget) -> Iterator[Item]:
    """Yield what a repository holds as signatures of a digest; `name` is looked at without its tag and digest.

    Raises `Exhausted` where the budget is.

    1. The referrers, of the API and of the fallback tag alike: signers that ran before a registry had the API wrote the
       tag. Those that say that they are bundles come first, so that others cannot use up the budget.
    2. Each one's manifest, by digest. It must say itself that it refers to the digest.
    3. The tags of the older layouts, which refer to the digest by their names alone; their payloads must name it.
    """
    repository = Reference(name.registry, name.repository)
    listed: dict[Digest, Descriptor] = {}
    for listing in (client.referrers, partial(_tagged, client)):  # 1
        try:
            listed |= {
                entry.digest: entry
                for entry in listing(repository, digest)
                if entry.media_type in MANIFEST_TYPES
            }
        except Unavailable as error:
            yield error
    for entry in sorted(listed.values(), key=_is_unlikely):  # 2
        one = Reference(name.registry, name.repository, "", entry.digest)
        place = f"{repository.name}, attached to {digest.short}"
        yield from _manifest(client, one, budget, place, attached_to=digest)
    for suffix in SUFFIXES if digest.algorithm == "sha256" else ():  # 3
        one = Reference(name.registry, name.repository, f"sha256-{digest.encoded}{suffix}")
        yield from _manifest(client, one, budget, f"{repository.name}, tag of {digest.short} with {suffix}")


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
