"""DSSE envelopes: a payload, its type, and a signature over both (Dead Simple Signing Envelope, protocol.md and envelope.md)."""

from __future__ import annotations

from msgspec import Struct

from gate.signatures import Material, Refused
from gate.signatures.proto_json import Fields, parse

FIELDS = ("payload", "payloadType", "signatures")
_SIGNATURE_FIELDS = ("sig", "keyid")


class Envelope(Struct, frozen=True):
    """An envelope with its one signature, decoded."""

    payload: bytes
    payload_type: str
    signature: bytes


def from_bytes(data: bytes) -> Envelope:
    """Parse an envelope that stands alone; raises `Refused`."""
    return from_fields(parse(data, FIELDS, "the envelope"))


def from_fields(found: Fields) -> Envelope:
    """Read an envelope; raises `Refused` unless it has a type and exactly one signature.

    With several signatures "the envelope verifies" could be said of any of them, while logs and timestamps speak of one.
    """
    payload_type = found.text("payloadType")
    if not payload_type:
        raise Refused(f"{found.what} does not say of what type its payload is")
    signatures = found.items("signatures", limit=100)
    if len(signatures) != 1:
        raise Refused(f"{found.what} has {len(signatures)} signatures; exactly one can be verified")
    signature = Fields(signatures[0], _SIGNATURE_FIELDS, f"{found.what}, signatures[0]")
    return Envelope(found.bytes("payload"), payload_type, signature.bytes("sig"))


def signed_bytes(material: Material) -> bytes:
    """Return what the signature is made over: the payload, in DSSE's pre-authentication encoding where it has a type."""
    if not material.payload_type:
        return material.payload
    kind, payload = material.payload_type.encode(), material.payload
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
