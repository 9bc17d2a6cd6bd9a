"""The signatures that lie beside an image in its OCI layout, as `cosign save` and tools that copy referrers put them there."""

from __future__ import annotations

from collections.abc import Iterator

from gate.errors import Unavailable
from gate.oci.descriptor import MANIFEST_TYPES, Descriptor, Digest
from gate.oci.image import Opened
from gate.oci.stream import read_verified
from gate.signatures.discovery import Artifact, Budget, Item, candidates, sorted_out
from gate.sources.layout import names_of
from gate.sources.resolve import COSIGN_KINDS


def in_layout(opened: Opened, digest: Digest, budget: Budget) -> Iterator[Item]:
    """Yield what other entries of index.json hold for a digest; nothing where the image is not in a layout.

    Raises `Exhausted` where the budget is. In the older layouts nothing but their payloads says what they are about.
    """
    open_blob = opened.open_blob
    if open_blob is None:
        return
    for entry in opened.listed:
        if entry.media_type not in MANIFEST_TYPES or entry.digest == digest:
            continue
        place = f"the layout, entry {entry.digest.short}"
        try:
            with open_blob(entry) as stream:
                artifact = Artifact.from_bytes(
                    read_verified(stream, entry, f"the entry {entry.digest.short}")
                )
        except Unavailable as error:
            yield sorted_out(error, str(entry.digest), place)
            continue
        if artifact.subject == digest or (artifact.subject is None and _older(entry, digest)):
            budget.take_manifest()  # of those alone: a layout may hold hundreds of other images
            yield from candidates(artifact, budget, entry.digest, place, open_blob)


def _older(entry: Descriptor, digest: Digest) -> bool:
    """Whether an entry is signatures or attestations as they were before they referred to an image.

    `cosign save` keeps no tags of theirs and says what they are in an annotation.
    """
    tags = {f"sha256-{digest.encoded}{suffix}" for suffix in (".sig", ".att")}
    return entry.annotations.get("kind") in COSIGN_KINDS or not tags.isdisjoint(names_of(entry))
