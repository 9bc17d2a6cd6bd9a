"""Every way to forge a keyless bundle that we know of, with the reason that is given for refusing it.

A forgery starts from a good signature of `INSTANCE` and changes one thing. What a signature is about (another image,
another type of payload) is no forgery: that is for those who read the payload.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gate.signatures import bundle
from tests.kit import der
from tests.kit.sigstore import (
    NOW,
    Signing,
    Sigstore,
    body_1,
    bundle_of,
    statement,
)
from tests.kit.timestamp_authority import TimestampAuthority
from tests.kit.transparency_log import Log, b64, canonical

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
INSTANCE = Sigstore()
INSTANCE.signature(OTHER)  # so that proofs have hashes
HOUR = timedelta(hours=1)

Bundle = dict[str, Any]
Forgery = Callable[[], Bundle]
FORGERIES: list[tuple[str, Forgery]] = []
"""What must be in the reason, and what makes the bundle; its name says what is wrong with it."""


def forgery(reason: str) -> Callable[[Forgery], Forgery]:
    """Put a forged bundle into the table, with the reason that must be given for refusing it."""

    def listed(forge: Forgery) -> Forgery:
        FORGERIES.append((reason, forge))
        return forge

    return listed


def good(signing: Signing | None = None, digest: str = DIGEST) -> Bundle:
    return INSTANCE.bundle(statement(digest), signing)


def material_of(found: Bundle) -> dict[str, Any]:
    material: dict[str, Any] = found["verificationMaterial"]
    return material


def entry_of(found: Bundle) -> dict[str, Any]:
    entry: dict[str, Any] = material_of(found)["tlogEntries"][0]
    return entry


def own(*extensions: tuple[x509.ExtensionType, bool]) -> Signing:
    return Signing(own=extensions)


def named(*names: x509.GeneralName) -> Signing:
    return own((x509.SubjectAlternativeName(names), True))


# --- the signature and what it is over


@forgery("the signature does not verify: it was made by another key or over other bytes")
def another_payload() -> Bundle:
    found = good()
    found["dsseEnvelope"]["payload"] = b64(statement(OTHER))
    return found


@forgery("the signature does not verify: it was made by another key or over other bytes")
def another_type_of_payload() -> Bundle:
    found = good()
    found["dsseEnvelope"]["payloadType"] = "text/plain"
    return found


@forgery("the signature does not verify: it was made by another key or over other bytes")
def the_signature_of_another_payload() -> Bundle:
    found = good()
    found["dsseEnvelope"]["signatures"] = good(digest=OTHER)["dsseEnvelope"]["signatures"]
    return found


@forgery("has 2 signatures; exactly one can be verified")
def two_signatures() -> Bundle:
    found = good()
    found["dsseEnvelope"]["signatures"] *= 2
    return found


@forgery("has 0 signatures; exactly one can be verified")
def no_signature() -> Bundle:
    found = good()
    found["dsseEnvelope"]["signatures"] = []
    return found


@forgery("the bundle's signature has 0 bytes")
def an_empty_signature() -> Bundle:
    found = good()
    found["dsseEnvelope"]["signatures"] = [{"sig": ""}]
    return found


@forgery("must hold either an envelope or the signature of a message")
def an_envelope_and_a_message() -> Bundle:
    return good() | {"messageSignature": {"signature": b64(b"x")}}


# --- the certificate


@forgery("its certificate was issued by 'CN=intermediate,O=evil.test', which is no authority of the root")
def another_instance() -> Bundle:
    return Sigstore("evil.test").bundle(statement(DIGEST))


@forgery("its certificate was issued by 'CN=intermediate,O=evil.test', which is no authority of the root")
def the_certificate_of_another_instance() -> Bundle:
    evil = Sigstore("evil.test")
    evil.logs = INSTANCE.logs
    return evil.bundle(statement(DIGEST))


@forgery("the signature does not verify: it was made by another key or over other bytes")
def the_certificate_of_another_signature() -> Bundle:
    found = good()
    material_of(found)["certificate"] = material_of(good())["certificate"]
    return found


@forgery("the certificate has no path to the authority")
def signed_before_the_certificate_began() -> Bundle:
    return good(Signing(certificate_from=NOW + HOUR))


@forgery("the certificate has no path to the authority")
def signed_after_the_certificate_had_ended() -> Bundle:
    return good(Signing(certificate_from=NOW - HOUR))


@forgery("the certificate is an authority's")
def the_certificate_of_an_authority() -> Bundle:
    return good(own((x509.BasicConstraints(True, None), True)))


@forgery("the certificate is not for signing code")
def a_certificate_for_a_server() -> Bundle:
    return good(own((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)))


@forgery("the certificate's key may not make signatures")
def a_certificate_for_key_agreement() -> Bundle:
    usage = x509.KeyUsage(False, False, False, False, True, False, False, False, False)
    return good(own((usage, True)))


@forgery("the certificate names 2 subjects; exactly one can be the signer")
def a_certificate_with_two_names() -> Bundle:
    return good(named(x509.RFC822Name("a@example.com"), x509.RFC822Name("b@example.com")))


@forgery("the certificate names its subject in a way that Fulcio does not")
def a_certificate_for_a_host() -> Bundle:
    return good(named(x509.DNSName("example.com")))


@forgery("the certificate names two different issuers")
def a_certificate_with_two_issuers() -> Bundle:
    return good(Signing(claims={8: "https://evil.example.com"}))


@forgery("the certificate names no issuer")
def a_certificate_without_an_issuer() -> Bundle:
    return good(Signing(issuer=""))


@forgery("the certificate's source-repository-ref is not a UTF8String")
def a_claim_that_goes_on_after_its_end() -> Bundle:
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.14")
    claim = x509.UnrecognizedExtension(oid, der.utf8("refs/heads/main") + b"x")
    return good(own((claim, False)))


@forgery("brings a root certificate")
def a_root_in_the_chain() -> Bundle:
    found = good()
    found["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    leaf = material_of(found).pop("certificate")
    root = {"rawBytes": b64(INSTANCE.root.public_bytes(Encoding.DER))}
    material_of(found)["x509CertificateChain"] = {"certificates": [leaf, root]}
    return found


# --- the log of certificates


@forgery("the certificate is in no certificate log that is known: it has no SCT")
def no_sct() -> Bundle:
    return good(Signing(sct=False))


@forgery("the certificate's SCT does not verify")
def an_sct_of_another_key() -> Bundle:
    return good(Signing(sct_key=ec.generate_private_key(ec.SECP256R1())))


# --- the transparency log


@forgery("it is in no transparency log")
def no_entry() -> Bundle:
    return good(Signing(log=0, stamped=True))


@forgery("the log entry is for another payload")
def the_entry_of_another_signature() -> Bundle:
    found = good()
    material_of(found)["tlogEntries"] = material_of(good(digest=OTHER))["tlogEntries"]
    return found


@forgery("the log entry is for another signature")
def the_entry_of_another_signature_of_the_same() -> Bundle:
    found = good()
    material_of(found)["tlogEntries"] = material_of(good())["tlogEntries"]
    return found


@forgery("the log entry is for another certificate")
def an_entry_with_another_certificate() -> Bundle:
    signed, other = (INSTANCE.sign(statement(DIGEST), Signing()) for _ in range(2))
    body = body_1(signed)
    body["spec"]["signatures"][0]["verifier"] = b64(other.verifier)
    found = bundle_of(signed)
    material_of(found)["tlogEntries"] = [INSTANCE.logs[1].add(body, NOW)]
    return found


@forgery("records 2 signatures, not one")
def an_entry_for_two_signatures() -> Bundle:
    signed = INSTANCE.sign(statement(DIGEST), Signing())
    body = body_1(signed)
    body["spec"]["signatures"] *= 2
    found = bundle_of(signed)
    material_of(found)["tlogEntries"] = [INSTANCE.logs[1].add(body, NOW)]
    return found


@forgery("the log entry is of an unknown kind: 'cose' '0.0.1'")
def an_entry_of_an_unknown_kind() -> Bundle:
    signed = INSTANCE.sign(statement(DIGEST), Signing())
    found = bundle_of(signed)
    material_of(found)["tlogEntries"] = [INSTANCE.logs[1].add(body_1(signed) | {"kind": "cose"}, NOW)]
    return found


@forgery("where the bundle says another kind or version")
def an_entry_that_says_it_is_of_another_kind() -> Bundle:
    found = good()
    entry_of(found)["kindVersion"]["kind"] = "hashedrekord"
    return found


@forgery("the log's promise (signed entry timestamp) does not verify")
def an_entry_at_another_time() -> Bundle:
    found = good()
    entry_of(found)["integratedTime"] = str(int(NOW.timestamp()) + 1)
    return found


@forgery("the log's promise (signed entry timestamp) does not verify")
def an_entry_under_another_number() -> Bundle:
    found = good()
    entry_of(found)["logIndex"] = "1000"
    return found


@forgery("nothing that is trusted attests when it was signed")
def an_entry_without_a_promise() -> Bundle:
    found = good()
    del entry_of(found)["inclusionPromise"]
    return found


@forgery("nothing that is trusted attests when it was signed")
def an_entry_of_version_2_without_a_timestamp() -> Bundle:
    return good(Signing(log=2))


@forgery("has no inclusion proof")
def an_entry_without_a_proof() -> Bundle:
    found = good()
    del entry_of(found)["inclusionProof"]
    return found


@forgery("the inclusion proof does not lead from the entry to its root")
def a_proof_with_another_hash() -> Bundle:
    found = good()
    entry_of(found)["inclusionProof"]["hashes"][0] = b64(bytes(32))
    return found


@forgery("the inclusion proof is too long")
def a_proof_that_is_too_long() -> Bundle:
    found = good()
    entry_of(found)["inclusionProof"]["hashes"].append(b64(bytes(32)))
    return found


@forgery("the inclusion proof is too short")
def a_proof_that_is_too_short() -> Bundle:
    found = good()
    entry_of(found)["inclusionProof"]["hashes"].pop()
    return found


@forgery("the inclusion proof is for the entry 1000000 of a tree of")
def a_proof_for_an_entry_beyond_the_tree() -> Bundle:
    found = good()
    entry_of(found)["inclusionProof"]["logIndex"] = "1000000"
    return found


@forgery("the checkpoint is for another tree than the inclusion proof")
def a_checkpoint_of_another_tree() -> Bundle:
    found = good()
    entry_of(found)["inclusionProof"]["checkpoint"] = entry_of(good())["inclusionProof"]["checkpoint"]
    return found


@forgery("the checkpoint is not signed by the log 'https://rekor.sigstore.test'")
def a_checkpoint_of_another_log() -> Bundle:
    return with_checkpoint_by(Log("rekor.sigstore.test"))


@forgery("the checkpoint's signature does not verify")
def a_checkpoint_of_a_log_that_claims_the_same_key() -> Bundle:
    forger = Log("rekor.sigstore.test")
    forger.log_id = INSTANCE.logs[1].log_id
    return with_checkpoint_by(forger)


@forgery("the checkpoint is not a signed note of a log")
def no_checkpoint() -> Bundle:
    found = good()
    del entry_of(found)["inclusionProof"]["checkpoint"]
    return found


def with_checkpoint_by(log: Log) -> Bundle:
    found = good()
    proof = entry_of(found)["inclusionProof"]
    root = bundle.from_bytes(canonical(found)).entries[0].proof
    assert root is not None
    proof["checkpoint"] = {"envelope": log.checkpoint(root.size, root.root)}
    return found


# --- timestamps


def stamped_by(authority: TimestampAuthority, when: timedelta = timedelta(0)) -> Bundle:
    signed = INSTANCE.sign(statement(DIGEST), Signing(log=2))
    found = bundle_of(signed)
    stamp = {"signedTimestamp": b64(authority.stamp(signed.signature, NOW + when))}
    material_of(found)["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
    return found


@forgery("a timestamp does not verify")
def the_timestamp_of_another_authority() -> Bundle:
    return stamped_by(TimestampAuthority(INSTANCE.start))


@forgery("a timestamp does not verify")
def the_timestamp_of_another_signature() -> Bundle:
    found = good(Signing(log=2, stamped=True))
    other = good(Signing(log=2, stamped=True))
    material_of(found)["timestampVerificationData"] = material_of(other)["timestampVerificationData"]
    return found


@forgery("no timestamp authority was trusted at 2025-12-16 11:00:00")
def a_timestamp_before_its_authority_was_trusted() -> Bundle:
    return stamped_by(INSTANCE.timestamps, -timedelta(days=30) - HOUR)


@forgery("a timestamp does not verify")
def a_timestamp_after_its_certificate_had_ended() -> Bundle:
    return stamped_by(INSTANCE.timestamps, timedelta(days=3651))


@forgery("the certificate has no path to the authority")
def a_timestamp_after_the_certificate_had_ended() -> Bundle:
    return stamped_by(INSTANCE.timestamps, HOUR)


@forgery("the certificate has no path to the authority")
def a_timestamp_after_the_certificate_had_ended_beside_a_good_promise() -> Bundle:
    found = good()
    signature = bundle.from_bytes(canonical(found)).signature
    stamp = {"signedTimestamp": b64(INSTANCE.timestamps.stamp(signature, NOW + HOUR))}
    material_of(found)["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
    return found


@forgery("the certificate has no path to the authority")
def an_entry_after_the_certificate_had_ended_beside_a_good_timestamp() -> Bundle:
    found = good(Signing(stamped=True))
    entry = entry_of(found)
    entry["integratedTime"] = str(int((NOW + HOUR).timestamp()))
    entry["inclusionPromise"] = {"signedEntryTimestamp": b64(INSTANCE.logs[1].promise(entry))}
    return found


@forgery("has the same timestamp twice")
def one_timestamp_twice() -> Bundle:
    found = good(Signing(stamped=True))
    material_of(found)["timestampVerificationData"]["rfc3161Timestamps"] *= 2
    return found


@forgery("a timestamp is not one that RFC 3161 describes")
def a_timestamp_that_is_none() -> Bundle:
    found = good()
    material_of(found)["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": b64(b"x")}]}
    return found
