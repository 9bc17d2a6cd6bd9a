from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from gate.limits import LIMITS
from gate.signatures import Refused, bundle
from tests.kit.sigstore import Signing, Sigstore, new_key, spki, statement
from tests.kit.transparency_log import b64, canonical

INSTANCE = Sigstore()
KEY = new_key()
V1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V2 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
PAYLOAD = statement("sha256:" + "a" * 64)

Bundle = dict[str, Any]


def read(found: Bundle) -> Any:
    return bundle.from_bytes(canonical(found))


def good(signing: Signing | None = None) -> Bundle:
    return INSTANCE.bundle(PAYLOAD, signing or Signing(stamped=True))


def test_everything_is_read() -> None:
    found = good()
    material = read(found)
    (entry,) = material.entries
    assert (material.media_type, material.payload) == (found["mediaType"], PAYLOAD)
    assert material.payload_type == "application/vnd.in-toto+json"
    assert (len(material.certificates), len(material.timestamps), material.key_hint) == (1, 1, "")
    assert (entry.kind, entry.version, entry.log_id) == ("dsse", "0.0.1", INSTANCE.logs[1].log_id)
    assert entry.proof.size == entry.index + 1


def test_a_hint_at_a_key_is_read() -> None:
    material = read(good(Signing(key=KEY, log=0)))
    assert material.key_hint == b64(hashlib.sha256(spki(KEY)).digest())
    assert (material.certificates, material.entries) == ((), ())


def test_a_message_signature_is_read() -> None:
    digest = hashlib.sha256(b"message").digest()
    found = good()
    del found["dsseEnvelope"]
    found["messageSignature"] = {
        "messageDigest": {"algorithm": "SHA2_256", "digest": b64(digest)},
        "signature": b64(b"signature"),
    }
    material = read(found)
    assert (str(material.message_digest), material.payload) == (f"sha256:{digest.hex()}", b"")
    assert material.signature == b"signature"


def older(media_type: str) -> Bundle:
    found = good()
    found["mediaType"] = media_type
    leaf = found["verificationMaterial"].pop("certificate")
    found["verificationMaterial"]["x509CertificateChain"] = {"certificates": [leaf]}
    return found


def entry_of(found: Bundle) -> dict[str, Any]:
    entry: dict[str, Any] = found["verificationMaterial"]["tlogEntries"][0]
    return entry


def test_older_versions_are_read() -> None:
    for media_type in (V1, V2):
        assert len(read(older(media_type)).certificates) == 1
    bare = older(V1)
    del entry_of(bare)["inclusionProof"]
    assert read(bare).entries[0].proof is None
    unsigned = older(V1)
    del entry_of(unsigned)["inclusionProof"]["checkpoint"]
    assert read(unsigned).entries[0].proof is None


def set_in(*path: str | int, to: Any) -> Callable[[Bundle], None]:
    def change(found: Bundle) -> None:
        holder: Any = found
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = to

    return change


MATERIAL = "verificationMaterial"
ENTRY = (MATERIAL, "tlogEntries", 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_in("mediaType", to="application/json"), "is of the unknown type 'application/json'"),
        (set_in("mediaType", to=V2.replace("0.2", "0.4")), "is of the unknown type"),
        (set_in("dsseEnvelope", to=None), "must hold either an envelope or the signature of a message"),
        (set_in(MATERIAL, to=None), "the bundle has no verificationMaterial"),
        (
            set_in(MATERIAL, "certificate", to=None),
            "must name one signer, a certificate or a key; it names 0",
        ),
        (set_in(MATERIAL, "publicKey", to={"hint": ""}), "it names 2"),
        (set_in(MATERIAL, "certificate", to={"rawBytes": ""}), "chain of certificates is empty"),
        (
            set_in(MATERIAL, "certificate", to={"rawBytes": b64(bytes(LIMITS.certificate + 1))}),
            "a certificate of the bundle has more than 65,536 bytes",
        ),
        (set_in(MATERIAL, "tlogEntries", to=[{}] * 9), "has 9 items; at most 8 are read"),
        (set_in(*ENTRY, "canonicalizedBody", to=""), "has no body"),
        (set_in(*ENTRY, "kindVersion", to=None), "has no kindVersion"),
        (set_in(*ENTRY, "kindVersion", "kind", to=""), "does not say of what kind it is"),
        (set_in(*ENTRY, "logId", to=None), "has no logId"),
        (set_in(*ENTRY, "logIndex", to="-1"), "logIndex is not a whole number"),
        (set_in(*ENTRY, "inclusionProof", to=None), "has no inclusion proof"),
        (set_in(*ENTRY, "inclusionProof", "hashes", to=[b64(b"short")]), "has a hash of 5 bytes, not of 32"),
        (set_in(*ENTRY, "inclusionProof", "hashes", to=[b64(bytes(32))] * 65), "at most 64 are read"),
        (
            set_in(*ENTRY, "inclusionProof", "checkpoint", "envelope", to="x" * 70_000),
            "has a checkpoint of more than 65,536 characters",
        ),
        (
            set_in(MATERIAL, "timestampVerificationData", "rfc3161Timestamps", to=[{}] * 33),
            "has 33 items; at most 32 are read",
        ),
        (
            set_in(MATERIAL, "timestampVerificationData", "rfc3161Timestamps", to=[{"signedTimestamp": ""}]),
            "a timestamp of the bundle is empty",
        ),
        (
            set_in("dsseEnvelope", "signatures", 0, "sig", to=b64(bytes(5000))),
            "the bundle's signature has 5,000 bytes",
        ),
    ],
)
def test_other_bundles_are_refused(change: Callable[[Bundle], None], reason: str) -> None:
    found = good()
    change(found)
    with pytest.raises(Refused) as refused:
        read(found)
    assert reason in refused.value.message


def test_version_1_needs_a_promise() -> None:
    found = older(V1)
    del entry_of(found)["inclusionPromise"]
    with pytest.raises(Refused, match=r"has no inclusion promise, which version 0\.1 must have"):
        read(found)


def test_version_3_has_one_certificate() -> None:
    found = older(V2)
    found["mediaType"] = good()["mediaType"]
    with pytest.raises(Refused, match=r"version 0\.3 has the signer's alone"):
        read(found)


def test_a_chain_is_bounded() -> None:
    found = older(V2)
    found[MATERIAL]["x509CertificateChain"]["certificates"] *= 11
    with pytest.raises(Refused, match="has 11 items; at most 10 are read"):
        read(found)


@pytest.mark.parametrize(
    ("digest", "reason"),
    [
        ({"algorithm": "SHA2_384", "digest": b64(bytes(48))}, "was hashed with 'SHA2_384'"),
        ({"algorithm": "SHA2_256", "digest": b64(bytes(20))}, "is not 64 lower-case hexadecimal digits"),
        (None, "has no messageDigest"),
    ],
)
def test_a_message_is_named_by_its_digest(digest: Any, reason: str) -> None:
    found = good()
    del found["dsseEnvelope"]
    found["messageSignature"] = {"messageDigest": digest, "signature": b64(b"signature")}
    with pytest.raises(Refused) as refused:
        read(found)
    assert reason in refused.value.message


def test_a_key_given_twice_is_refused() -> None:
    twice = canonical(good()).replace(b'"mediaType":', b'"mediaType":"x","mediaType":', 1)
    with pytest.raises(Refused, match="has the key 'mediaType' twice"):
        bundle.from_bytes(twice)
