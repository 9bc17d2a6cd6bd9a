"""Signatures of images: found, parsed, verified, and read.

A signature passes three hands, each with a type of its own, so that none can be mistaken for the next:

1. `Material` is a signature as it was found, taken apart and not believed (`bundle`, `legacy`).
2. `verify` decides under a `Trust` whether it holds, and returns the `Signer` or raises `Refused`. It is pure: no network,
   no disk, no clock.
3. What was signed is read only then: `statement.statement_of`, `simple_signing.claim_of`.

Times have a zone. Signatures, certificates and digests are bytes as they were decoded; certificates are DER.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from gate.errors import ImageGateError
from gate.evidence import Identity, Signer
from gate.oci.descriptor import Digest

__all__ = [
    "NEWER_ROOT",
    "Authority",
    "Demand",
    "Identity",
    "InclusionProof",
    "LogEntry",
    "LogKey",
    "Material",
    "PublicKey",
    "Refused",
    "Signer",
    "Trust",
    "TrustedRoot",
    "Window",
]

Demand = Literal["log", "sct", "timestamp"]
"""What a root is asked for beside the certificate: that the signature is in a transparency log, that the certificate is in a
certificate log (SCT), and when it was signed, as a timestamp authority or the promise of a log attests."""


class Refused(ImageGateError):
    """A signature that was found and does not count: the message says why.

    It is not `Unavailable`: that the signature does not hold was established.
    """


NEWER_ROOT = "a newer trusted root may know it: image-gate trust update"
"""What to do about a log or an authority that a root does not know: instances add new ones, and a root does not learn of it."""


class InclusionProof(Struct, frozen=True):
    """A log's proof that an entry is in it (RFC 9162, 2.1.3), and the signed note that commits to its root."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


class LogEntry(Struct, frozen=True):
    """An entry of a transparency log: its body, and what the log said of it.

    `integrated` is in seconds since 1970 and 0 where absent; only the `promise` (a signed entry timestamp) covers it.
    `kind` and `version` are what a bundle says that the body is; layers of older cosign say nothing, and they are empty.
    """

    body: bytes
    log_id: bytes
    index: int
    integrated: int = 0
    promise: bytes = b""
    proof: InclusionProof | None = None
    kind: str = ""
    version: str = ""


class Material(Struct, frozen=True):
    """One signature as it was found: parsed, and not believed.

    `payload` is what was signed, or with a `payload_type` the payload of the DSSE envelope that was; it is empty where only
    the digest of an artifact was signed (`message_digest`). `certificates` start with the signer's and are empty where a key
    signed, of which `key_hint` may say something. `timestamps` are RFC 3161 responses. `envelope` is a DSSE envelope byte
    for byte, where it was stored so.
    """

    media_type: str
    signature: bytes
    payload: bytes = b""
    payload_type: str = ""
    message_digest: Digest | None = None
    certificates: tuple[bytes, ...] = ()
    key_hint: str = ""
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    envelope: bytes = b""


class Window(Struct, frozen=True):
    """The time in which a key or an authority may sign; both ends belong to it, and None is open."""

    start: datetime | None
    end: datetime | None = None

    def covers(self, time: datetime | None) -> bool:
        """Return whether a time lies in it; None is a time that nobody knows, so only an open end covers it."""
        if time is None:
            return self.end is None
        return (self.start is None or self.start <= time) and (self.end is None or time <= self.end)


class PublicKey(Struct, frozen=True):
    """A key that a policy trusts: its SubjectPublicKeyInfo as DER, and the file it came from."""

    spki: bytes
    fingerprint: str
    """`sha256:` and the digest of `spki` in hexadecimal."""
    name: str = ""


class LogKey(Struct, frozen=True):
    """The key of a transparency log, of signatures or of certificates; only signatures in its window count."""

    name: str
    log_id: bytes
    spki: bytes
    window: Window


class Authority(Struct, frozen=True):
    """A certificate or timestamp authority: its chain, from the certificate that issues up to the anchor."""

    name: str
    chain: tuple[bytes, ...]
    window: Window


class TrustedRoot(Struct, frozen=True):
    """What one Sigstore instance vouches with; `document` is what it was read from.

    What a root has, it demands: with logs an entry, with certificate logs an SCT; and always a time of signing, from either.
    """

    name: str
    authorities: tuple[Authority, ...] = ()
    logs: tuple[LogKey, ...] = ()
    certificate_logs: tuple[LogKey, ...] = ()
    timestamp_authorities: tuple[Authority, ...] = ()
    document: bytes = b""


class Trust(Struct, frozen=True):
    """Whose signatures are believed: of these keys, and under these roots.

    Without roots a signature of a key needs nothing else. `without` are demands that a policy gave up explicitly; a
    certificate needs a time of signing all the same, because without one nothing says that it was valid.
    """

    keys: tuple[PublicKey, ...] = ()
    roots: tuple[TrustedRoot, ...] = ()
    without: frozenset[Demand] = frozenset()
