"""What is stored as a signature of an image: found and verified by its digest, taken apart by others, believed by none.

Four layouts are in use (cosign, GitHub, GitLab): A and B, a manifest under the tag `sha256-HEX.sig` or `.att`, each layer of
which is a signature or an attestation; C, a manifest that refers to the image and holds a Sigstore bundle; D, one that
refers to it and holds what A does. Whatever a listing or an annotation says of a manifest is only a hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.evidence import RefusedSignature
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.stream import read_verified

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_BUNDLE = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\.v[0-9]\.[0-9]{1,2}\+json|\+json;version=0\.[0-9]{1,2})",
    re.ASCII,
)
_FIELDS = ("schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations")


class Candidate(Struct, frozen=True):
    """What may be a signature, as it is stored: the bytes of a layer or of a file, and the annotations beside them.

    `media_type` is the layer's, empty for a file. `manifest` is the digest of the manifest that it lies in, or the file's
    name; `place` says in words where that is.
    """

    content: bytes
    media_type: str
    annotations: dict[str, str]
    manifest: str
    place: str

    @property
    def is_bundle(self) -> bool:
        """Whether it is a Sigstore bundle, which holds everything in one document."""
        return self.media_type not in (SIMPLE_SIGNING, ENVELOPE)


Item = Candidate | RefusedSignature | Unavailable
"""What a search comes upon: something to verify, something that cannot be a signature, or a place that gave no answer."""


class Exhausted(Unavailable):
    """There is more than is looked at, so the search ends and what was not seen stays unknown."""


class Budget:
    """What the search for one image's signatures may still look at: manifests, signatures, bytes."""

    def __init__(self) -> None:
        self._manifests = LIMITS.signature_manifests
        self._signatures = LIMITS.signatures
        self._bytes = LIMITS.signatures_total

    def take_manifest(self) -> None:
        """Count a manifest; raises `Exhausted`."""
        self._manifests -= 1
        if self._manifests < 0:
            raise _too_many(f"{LIMITS.signature_manifests:,} manifests of signatures")

    def take_signature(self, size: int) -> None:
        """Count a signature of `size` bytes; raises `Exhausted`."""
        self._signatures -= 1
        self._bytes -= size
        if self._signatures < 0:
            raise _too_many(f"{LIMITS.signatures:,} signatures and attestations")
        if self._bytes < 0:
            raise _too_many(f"{LIMITS.signatures_total:,} bytes of signatures and attestations")


class Artifact(Struct, frozen=True):
    """A manifest as far as it tells of signatures: what it refers to, and its layers."""

    subject: Digest | None
    layers: tuple[Descriptor, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Artifact:
        """Read a manifest of any kind; raises `MalformedImage` or `Unavailable`."""
        what = "the signature's manifest"
        body = strict_json.named_fields(strict_json.parse(data, what), _FIELDS, what)
        subject = body.get("subject")
        layers = strict_json.objects(body.get("layers"), f"{what}, layers", limit=LIMITS.layers)
        return cls(
            None if subject is None else Descriptor.from_json(subject, f"{what}, subject").digest,
            tuple(
                Descriptor.from_json(layer, f"layer {number} of {what}")
                for number, layer in enumerate(layers)
            ),
        )


def is_bundle(media_type: str) -> bool:
    """Whether a media type is a Sigstore bundle's, in one of its spellings (versions 0.1 to 0.3)."""
    return _BUNDLE.fullmatch(media_type) is not None


def candidates(
    artifact: Artifact,
    budget: Budget,
    manifest: Digest,
    place: str,
    open_blob: Callable[[Descriptor], BinaryIO],
) -> Iterator[Item]:
    """Yield what the layers of a manifest hold, each read within the budget and verified; others are passed over.

    Raises `Exhausted` where the budget is. One that cannot be had does not hide the others.
    """
    for layer in artifact.layers:
        if not (is_bundle(layer.media_type) or layer.media_type in (SIMPLE_SIGNING, ENVELOPE)):
            continue
        found = str(manifest)
        if layer.size > LIMITS.signature:
            yield too_large(found, place, layer.size)
            continue
        budget.take_signature(layer.size)
        try:
            with open_blob(layer) as stream:
                content = read_verified(
                    stream, layer, f"a signature in {manifest.short}", limit=LIMITS.signature
                )
        except Unavailable as error:
            yield error
            continue
        yield Candidate(content, layer.media_type, dict(layer.annotations), found, place)


def sorted_out(error: Unavailable, manifest: str, place: str) -> Item:
    """Return what an error makes of a manifest: malformed it holds no signature; otherwise nobody knows what it holds."""
    return RefusedSignature(manifest, place, error.message) if isinstance(error, MalformedImage) else error


def too_large(manifest: str, place: str, size: int) -> RefusedSignature:
    """Say that one is larger than any is read."""
    return RefusedSignature(manifest, place, f"it has {size:,} bytes; at most {LIMITS.signature:,} are read")


def _too_many(what: str) -> Exhausted:
    """Say that there is more than anybody looks at."""
    return Exhausted(
        f"this image has more than {what}, of which the rest was not looked at",
        hint="delete those that are not needed any more, or keep signatures in a repository of their own",
    )
