"""Sigstore bundles of the versions 0.1 to 0.3: one signature and what is needed to verify it (sigstore_bundle.proto)."""

from __future__ import annotations

from typing import Any

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.signatures import InclusionProof, LogEntry, Material, Refused, certificate, dsse
from gate.signatures.proto_json import Fields, parse

MEDIA_TYPES = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": "0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2": "0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3": "0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "0.3",
}
"""The media types of bundles, and the version that each means."""

_FIELDS = ("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
_MATERIAL_FIELDS = (
    "certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData",
)  # fmt: skip
_ENTRY_FIELDS = (
    "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
)  # fmt: skip
_PROOF_FIELDS = ("logIndex", "rootHash", "treeSize", "hashes", "checkpoint")
_ALGORITHMS = {"SHA2_256": "sha256", "SHA2_512": "sha512"}


def from_bytes(data: bytes) -> Material:
    """Parse a bundle; raises `Refused` for anything that is not one well-formed bundle of a known version."""
    found = parse(data, _FIELDS, "the bundle")
    media_type = found.text("mediaType")
    version = MEDIA_TYPES.get(media_type)
    if version is None:
        raise Refused(
            f"the bundle is of the unknown type {media_type[:100]!r}", hint="versions 0.1 to 0.3 are read"
        )
    if ("dsseEnvelope" in found) == ("messageSignature" in found):
        raise Refused("the bundle must hold either an envelope or the signature of a message")
    material = found.object("verificationMaterial", _MATERIAL_FIELDS)
    certificates, hint = _signer(material, version)
    envelope = digest = None
    if "dsseEnvelope" in found:
        envelope = dsse.from_fields(found.object("dsseEnvelope", dsse.FIELDS))
        signature = envelope.signature
    else:
        signature, digest = _message_signature(
            found.object("messageSignature", ("messageDigest", "signature"))
        )
    if not 0 < len(signature) <= LIMITS.signature_bytes:
        raise Refused(f"the bundle's signature has {len(signature):,} bytes")
    return Material(
        media_type=media_type,
        signature=signature,
        payload=envelope.payload if envelope else b"",
        payload_type=envelope.payload_type if envelope else "",
        message_digest=digest,
        certificates=certificates,
        key_hint=hint,
        entries=_entries(material, version),
        timestamps=_timestamps(material),
    )


def _signer(material: Fields, version: str) -> tuple[tuple[bytes, ...], str]:
    """Return the certificates, the signer's first, or none and the hint at a key."""
    named = [name for name in ("certificate", "x509CertificateChain", "publicKey") if name in material]
    if len(named) != 1:
        raise Refused(f"the bundle must name one signer, a certificate or a key; it names {len(named)}")
    if named == ["publicKey"]:
        return (), material.object("publicKey", ("hint",)).text("hint")
    if named == ["certificate"]:
        chain = [material.object("certificate", ("rawBytes",))]
    elif version == "0.3":
        raise Refused("the bundle has a chain of certificates, where version 0.3 has the signer's alone")
    else:
        holder = material.object("x509CertificateChain", ("certificates",))
        chain = holder.objects("certificates", ("rawBytes",), LIMITS.certificates)
    certificates = tuple(item.bytes("rawBytes") for item in chain)
    if not certificates or not all(certificates):
        raise Refused("the bundle's chain of certificates is empty")
    if any(len(der) > LIMITS.certificate for der in certificates):
        raise Refused(f"a certificate of the bundle has more than {LIMITS.certificate:,} bytes")
    certificate.refuse_self_issued(certificates[1:])
    return certificates, ""


def _message_signature(found: Fields) -> tuple[bytes, Digest]:
    """Return the signature of a message, and the digest of the message that the bundle states."""
    stated = found.object("messageDigest", ("algorithm", "digest"))
    algorithm = _ALGORITHMS.get(stated.text("algorithm"))
    if algorithm is None:
        raise Refused(f"the bundle's message was hashed with {stated.text('algorithm')[:40]!r}")
    try:
        digest = Digest.parse(f"{algorithm}:{stated.bytes('digest').hex()}", "the bundle's message digest")
    except (MalformedImage, Unavailable) as error:
        raise Refused(error.message) from None
    return found.bytes("signature"), digest


def _entries(material: Fields, version: str) -> tuple[LogEntry, ...]:
    """Read the entries of transparency logs.

    Version 0.1 must bring the log's promise, later ones must bring the proof. A proof of version 0.1 without a checkpoint
    proves nothing beside the promise and is left out.
    """
    entries = []
    for found in material.objects("tlogEntries", _ENTRY_FIELDS, LIMITS.log_entries):
        promise = b""
        if "inclusionPromise" in found:
            promise = found.object("inclusionPromise", ("signedEntryTimestamp",)).bytes(
                "signedEntryTimestamp"
            )
        proof = _proof(found.object("inclusionProof", _PROOF_FIELDS)) if "inclusionProof" in found else None
        if version == "0.1" and not promise:
            raise Refused(f"{found.what} has no inclusion promise, which version 0.1 must have")
        if version == "0.1" and proof and not proof.checkpoint:
            proof = None
        if version != "0.1" and proof is None:
            raise Refused(f"{found.what} has no inclusion proof")
        entries.append(_entry(found, promise, proof))
    return tuple(entries)


def _entry(found: Fields, promise: bytes, proof: InclusionProof | None) -> LogEntry:
    """Read one entry."""
    kind = found.object("kindVersion", ("kind", "version"))
    body = found.bytes("canonicalizedBody")
    if not body or not kind.text("kind"):
        raise Refused(f"{found.what} has no body, or does not say of what kind it is")
    return LogEntry(
        body=body,
        log_id=found.object("logId", ("keyId",)).bytes("keyId"),
        index=found.number("logIndex"),
        integrated=found.number("integratedTime"),
        promise=promise,
        proof=proof,
        kind=kind.text("kind"),
        version=kind.text("version"),
    )


def _proof(found: Fields) -> InclusionProof:
    """Read an inclusion proof."""
    hashes = tuple(_hash(item, found.what) for item in found.items("hashes", LIMITS.proof_hashes))
    checkpoint = ""
    if "checkpoint" in found:
        checkpoint = found.object("checkpoint", ("envelope",)).text("envelope")
    if len(checkpoint) > LIMITS.checkpoint:
        raise Refused(f"{found.what} has a checkpoint of more than {LIMITS.checkpoint:,} characters")
    return InclusionProof(
        found.number("logIndex"), found.number("treeSize"), found.bytes("rootHash"), hashes, checkpoint
    )


def _hash(value: Any, what: str) -> bytes:
    """Read one hash of an inclusion proof."""
    data = Fields({"hash": value}, (), what).bytes("hash")
    if len(data) != 32:
        raise Refused(f"{what} has a hash of {len(data)} bytes, not of 32")
    return data


def _timestamps(material: Fields) -> tuple[bytes, ...]:
    """Return the RFC 3161 timestamps; raises `Refused` for one that is given twice."""
    if "timestampVerificationData" not in material:
        return ()
    holder = material.object("timestampVerificationData", ("rfc3161Timestamps",))
    found = holder.objects("rfc3161Timestamps", ("signedTimestamp",), LIMITS.timestamps)
    timestamps = tuple(item.bytes("signedTimestamp") for item in found)
    if len(set(timestamps)) != len(timestamps):
        raise Refused("the bundle has the same timestamp twice")
    if any(not 0 < len(timestamp) <= LIMITS.certificate for timestamp in timestamps):
        raise Refused(f"a timestamp of the bundle is empty or has more than {LIMITS.certificate:,} bytes")
    return timestamps
