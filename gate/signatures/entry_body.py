"""The bodies of log entries: whether the log speaks of this signature, this signer and these bytes, or of others.

Kinds: hashedrekord 0.0.1 and 0.0.2, dsse 0.0.1 and 0.0.2, intoto 0.0.1 and 0.0.2 (github.com/sigstore/rekor, pkg/types, and
rekor-tiles, rekor.v2). `hashedrekord` may stand for a message or for an envelope.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from gate.signatures import LogEntry, Material, Refused, certificate, dsse, keys
from gate.signatures.proto_json import Fields, parse

_HASHES = {
    "sha256": "sha256", "sha384": "sha384", "sha512": "sha512",
    "SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512",
}  # fmt: skip
"""How Rekor v1 and v2 write the names of hashes."""


def verify(entry: LogEntry, material: Material, spki: bytes) -> None:
    """Raise `Refused` unless the body records exactly this material; `spki` is the key that signed it."""
    body = parse(entry.body, ("apiVersion", "kind", "spec"), "the log entry")
    kind, version = body.text("kind"), body.text("apiVersion")
    if entry.kind and (entry.kind, entry.version) != (kind, version):
        raise Refused(
            f"the log entry is a {kind} {version}"[:100] + ", where the bundle says another kind or version"
        )
    check = _KINDS.get((kind, version))
    if check is None:
        raise Refused(f"the log entry is of an unknown kind: {kind[:40]!r} {version[:20]!r}")
    check(body, material, spki)


def _hashedrekord_1(body: Fields, material: Material, spki: bytes) -> None:
    spec = body.object("spec", ("data", "signature"))
    stated = spec.object("data", ("hash",)).object("hash", ("algorithm", "value"))
    _same(
        stated.text("value") == _digest(material, stated.text("algorithm")).hex(), "is for other signed bytes"
    )
    signature = spec.object("signature", ("content", "publicKey"))
    _same(signature.bytes("content") == material.signature, "is for another signature")
    _same_signer(signature.object("publicKey", ("content",)).bytes("content"), material, spki)


def _hashedrekord_2(body: Fields, material: Material, spki: bytes) -> None:
    spec = body.object("spec", ("hashedRekordV002",)).object("hashedRekordV002", ("data", "signature"))
    stated = spec.object("data", ("algorithm", "digest"))
    _same(stated.bytes("digest") == _digest(material, stated.text("algorithm")), "is for other signed bytes")
    _same_signature_2(spec.object("signature", _SIGNATURE_2), material, spki)


def _dsse_1(body: Fields, material: Material, spki: bytes) -> None:
    spec = body.object("spec", ("envelopeHash", "payloadHash", "signatures"))
    _same_payload(spec.object("payloadHash", ("algorithm", "value")), material)
    recorded = _only(spec, "signatures", ("signature", "verifier"))
    _same(recorded.bytes("signature") == material.signature, "is for another signature")
    _same_signer(recorded.bytes("verifier"), material, spki)


def _dsse_2(body: Fields, material: Material, spki: bytes) -> None:
    spec = body.object("spec", ("dsseV002",)).object("dsseV002", ("payloadHash", "signatures"))
    stated = spec.object("payloadHash", ("algorithm", "digest"))
    _same_envelope(material)
    _same(
        stated.bytes("digest") == _hash(stated.text("algorithm"), material.payload), "is for another payload"
    )
    _same_signature_2(_only(spec, "signatures", _SIGNATURE_2), material, spki)


def _intoto_1(body: Fields, material: Material, spki: bytes) -> None:
    """This kind records no signature, only the hash of the envelope as it was stored, which bundles do not keep."""
    spec = body.object("spec", ("content", "publicKey"))
    content = spec.object("content", ("hash", "payloadHash"))
    if not material.envelope:
        raise Refused(
            "the log entry records only a hash of the envelope's bytes, which a bundle does not keep"
        )
    stated = content.object("hash", ("algorithm", "value"))
    recorded = _hash(stated.text("algorithm"), material.envelope).hex()
    _same(stated.text("value") == recorded, "is for another envelope")
    if "payloadHash" in content:
        _same_payload(content.object("payloadHash", ("algorithm", "value")), material)
    _same_signer(spec.bytes("publicKey"), material, spki)


def _intoto_2(body: Fields, material: Material, spki: bytes) -> None:
    content = body.object("spec", ("content",)).object("content", ("envelope", "hash", "payloadHash"))
    _same_payload(content.object("payloadHash", ("algorithm", "value")), material)
    envelope = content.object("envelope", ("payloadType", "signatures", "payload"))
    _same(envelope.text("payloadType") == material.payload_type, "is for another type of payload")
    recorded = _only(envelope, "signatures", ("keyid", "publicKey", "sig"))
    twice = base64.b64encode(material.signature)  # this kind encodes the signature a second time
    _same(recorded.bytes("sig") == twice, "is for another signature")
    _same_signer(recorded.bytes("publicKey"), material, spki)


_KINDS: dict[tuple[str, str], Callable[[Fields, Material, bytes], None]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord_1,
    ("hashedrekord", "0.0.2"): _hashedrekord_2,
    ("dsse", "0.0.1"): _dsse_1,
    ("dsse", "0.0.2"): _dsse_2,
    ("intoto", "0.0.1"): _intoto_1,
    ("intoto", "0.0.2"): _intoto_2,
}

_SIGNATURE_2 = ("content", "verifier")


def _same(agrees: bool, otherwise: str) -> None:
    """Raise `Refused` where the body is about something else."""
    if not agrees:
        raise Refused(f"the log entry {otherwise}")


def _only(found: Fields, name: str, fields: tuple[str, ...]) -> Fields:
    """Return the one item of a list of signatures."""
    items = found.objects(name, fields, limit=100)
    _same(len(items) == 1, f"records {len(items)} signatures, not one")
    return items[0]


def _hash(algorithm: str, data: bytes) -> bytes:
    """Hash some bytes as a body says that it did."""
    if algorithm not in _HASHES:
        raise Refused(f"the log entry hashes with {algorithm[:40]!r}")
    return hashlib.new(_HASHES[algorithm], data).digest()


def _digest(material: Material, algorithm: str) -> bytes:
    """Return the digest of what was signed; for a message of which only the digest is known, that one."""
    known = material.message_digest
    if known is None:
        return _hash(algorithm, dsse.signed_bytes(material))
    _same(_HASHES.get(algorithm) == known.algorithm, "hashes the message in another way than the bundle")
    return bytes.fromhex(known.encoded)


def _same_envelope(material: Material) -> None:
    """Raise `Refused` where an entry about an envelope comes with a plain signature."""
    _same(bool(material.payload_type), "is for an envelope, and the signature is none")


def _same_payload(stated: Fields, material: Material) -> None:
    """Compare the hash of the payload."""
    _same_envelope(material)
    recorded = _hash(stated.text("algorithm"), material.payload).hex()
    _same(stated.text("value") == recorded, "is for another payload")


def _same_signature_2(signature: Fields, material: Material, spki: bytes) -> None:
    """Compare signature and signer as Rekor v2 records them."""
    _same(signature.bytes("content") == material.signature, "is for another signature")
    verifier = signature.object("verifier", ("keyDetails", "publicKey", "x509Certificate"))
    if "x509Certificate" in verifier:
        recorded = verifier.object("x509Certificate", ("rawBytes",)).bytes("rawBytes")
        _same(material.certificates[:1] == (recorded,), "is for another certificate")
    else:
        recorded = verifier.object("publicKey", ("rawBytes",)).bytes("rawBytes")
        _same(recorded == spki and not material.certificates, "is for another key")


def _same_signer(pem: bytes, material: Material, spki: bytes) -> None:
    """Compare the signer as Rekor v1 records it: the certificate or the key, in PEM."""
    text = pem.decode("ascii", "replace")
    if "BEGIN CERTIFICATE" in text:
        recorded = certificate.certificates_of_pem(text, "the log entry's certificate")
        _same(len(recorded) == 1 and recorded == material.certificates[:1], "is for another certificate")
    else:
        _same(
            keys.spki_of_pem(pem, "the log entry's key") == spki and not material.certificates,
            "is for another key",
        )
