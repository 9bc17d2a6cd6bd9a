"""Signatures and attestations as cosign stored them before bundles: a blob, and the rest in annotations of its layer."""

from __future__ import annotations

from collections.abc import Mapping

from gate.limits import LIMITS
from gate.signatures import LogEntry, Material, Refused, dsse
from gate.signatures.certificate import certificates_of_pem
from gate.signatures.proto_json import Fields, decoded, parse

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
MEDIA_TYPES = frozenset({SIMPLE_SIGNING, DSSE_ENVELOPE})

_SIGNATURE = "dev.cosignproject.cosign/signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_CHAIN = "dev.sigstore.cosign/chain"
_BUNDLE = "dev.sigstore.cosign/bundle"
_TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"


def from_layer(media_type: str, data: bytes, annotations: Mapping[str, str]) -> Material:
    """Parse a layer of such a manifest: its blob, whose digest was verified, and its annotations; raises `Refused`."""
    if media_type == DSSE_ENVELOPE:
        envelope = dsse.from_bytes(data)
        signature = envelope.signature
    elif media_type == SIMPLE_SIGNING:
        envelope = None
        signature = decoded(annotations.get(_SIGNATURE, ""), "the layer's signature")
    else:
        raise Refused(f"a layer of the type {media_type[:100]!r} is no signature")
    if not 0 < len(signature) <= LIMITS.signature_bytes:
        raise Refused(f"the layer's signature has {len(signature):,} bytes")
    return Material(
        media_type=media_type,
        signature=signature,
        payload=envelope.payload if envelope else data,
        payload_type=envelope.payload_type if envelope else "",
        certificates=_certificates(annotations),
        entries=_entries(annotations),
        timestamps=_timestamps(annotations),
        envelope=data if envelope else b"",
    )


def _certificates(annotations: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the signer's certificate and those that the layer gives with it; none where a key signed."""
    pem = annotations.get(_CERTIFICATE, "")
    if not pem:
        return ()
    own = certificates_of_pem(pem, "the layer's certificate")
    if len(own) != 1:
        raise Refused(f"the layer's certificate is not one certificate but {len(own)}")
    return own + certificates_of_pem(annotations.get(_CHAIN, ""), "the layer's chain of certificates")


def _entries(annotations: Mapping[str, str]) -> tuple[LogEntry, ...]:
    """Return the entry of a log that promised it (Rekor v1), if the layer brings one."""
    text = annotations.get(_BUNDLE, "")
    if not text:
        return ()
    found = parse(text.encode(), ("SignedEntryTimestamp", "Payload"), "the layer's log entry")
    payload = found.object("Payload", ("body", "integratedTime", "logIndex", "logID"))
    promise = found.bytes("SignedEntryTimestamp")
    if not promise:
        raise Refused("the layer's log entry has no signed entry timestamp")
    return (
        LogEntry(
            body=payload.bytes("body"),
            log_id=_hexadecimal(payload, "logID"),
            index=payload.number("logIndex"),
            integrated=payload.number("integratedTime"),
            promise=promise,
        ),
    )


def _hexadecimal(found: Fields, name: str) -> bytes:
    """Read bytes in lower-case hexadecimal, of which the log signs the text."""
    text = found.text(name)
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise Refused(f"{found.what}, {name} is not hexadecimal") from None
    if data.hex() != text:
        raise Refused(f"{found.what}, {name} is not lower-case hexadecimal")
    return data


def _timestamps(annotations: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the RFC 3161 timestamp, if the layer brings one."""
    text = annotations.get(_TIMESTAMP, "")
    if not text:
        return ()
    found = parse(text.encode(), ("SignedRFC3161Timestamp",), "the layer's timestamp")
    timestamp = found.bytes("SignedRFC3161Timestamp")
    if not 0 < len(timestamp) <= LIMITS.certificate:
        raise Refused(f"the layer's timestamp is empty or has more than {LIMITS.certificate:,} bytes")
    return (timestamp,)
