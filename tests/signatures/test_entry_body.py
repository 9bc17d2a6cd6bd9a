from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from gate.oci.descriptor import Digest
from gate.signatures import LogEntry, Material, Refused, bundle, entry_body, legacy
from tests.kit.sigstore import (
    DSSE_ENVELOPE,
    IN_TOTO,
    SIMPLE_SIGNING,
    Signed,
    Signing,
    Sigstore,
    body_1,
    body_2,
    bundle_of,
    new_key,
    public_pem,
    spki,
    statement,
)
from tests.kit.transparency_log import b64, canonical

INSTANCE = Sigstore()
DIGEST = "sha256:" + "a" * 64
KEYLESS = INSTANCE.sign(statement(DIGEST), Signing(log=0))
KEYED = INSTANCE.sign(statement(DIGEST), Signing(log=0, key=new_key()))
OTHER_KEY = new_key()

Body = dict[str, Any]


def hashed(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def intoto_2(signed: Signed) -> Body:
    recorded = {"publicKey": b64(signed.verifier), "sig": b64(b64(signed.signature).encode())}
    envelope = {"payloadType": signed.payload_type, "signatures": [recorded]}
    content = {"envelope": envelope, "payloadHash": hashed(signed.payload)}
    return {"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}}


def intoto_1(signed: Signed) -> Body:
    envelope = json.dumps(signed.envelope).encode()
    content = {"hash": hashed(envelope), "payloadHash": hashed(signed.payload)}
    return {
        "apiVersion": "0.0.1",
        "kind": "intoto",
        "spec": {"content": content, "publicKey": b64(signed.verifier)},
    }


def dsse_2(signed: Signed) -> Body:
    spec = body_2(signed)["spec"]["hashedRekordV002"]
    digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(signed.payload).digest())}
    record = {"payloadHash": digest, "signatures": [spec["signature"]]}
    return {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": record}}


KINDS: dict[str, Callable[[Signed], Body]] = {
    "dsse 0.0.1": body_1,
    "dsse 0.0.2": dsse_2,
    "hashedrekord 0.0.2": body_2,
    "intoto 0.0.1": intoto_1,
    "intoto 0.0.2": intoto_2,
}


def material_of(signed: Signed) -> Material:
    """A layer of older cosign, which has everything that an entry can record."""
    material = bundle.from_bytes(canonical(bundle_of(signed)))
    envelope = json.dumps(signed.envelope).encode()
    layer = legacy.from_layer(DSSE_ENVELOPE, envelope, {})
    return replace(layer, certificates=material.certificates)


def verify(body: Body, material: Material, signed: Signed) -> None:
    entry_body.verify(LogEntry(canonical(body), b"", 0), material, spki(signed.key))


@pytest.mark.parametrize("signed", [KEYLESS, KEYED], ids=["keyless", "keyed"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_entry_of_this_signature_is_accepted(kind: str, signed: Signed) -> None:
    verify(KINDS[kind](signed), material_of(signed), signed)


OTHER_THINGS: dict[str, Callable[[Material], Material]] = {
    "payload": lambda material: replace(material, payload=b"{}", envelope=b"{}"),
    "signature": lambda material: replace(material, signature=b"x", envelope=b"{}"),
    "certificate": lambda material: replace(material, certificates=(b"x",)),
    "no certificate": lambda material: replace(material, certificates=()),
}


@pytest.mark.parametrize("what", OTHER_THINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_for_something_else_is_refused(kind: str, what: str) -> None:
    with pytest.raises(Refused, match="the log entry is for"):
        verify(KINDS[kind](KEYLESS), OTHER_THINGS[what](material_of(KEYLESS)), KEYLESS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_for_another_key_is_refused(kind: str) -> None:
    other = replace(KEYED, key=OTHER_KEY)
    with pytest.raises(Refused, match="the log entry is for another key"):
        verify(KINDS[kind](KEYED), material_of(KEYED), other)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_for_the_key_in_a_certificate_is_not_one_for_the_certificate(kind: str) -> None:
    """Who may use the key is what the certificate says, and the log would not have said it."""
    bare = replace(KEYLESS, certificate=None)
    with pytest.raises(Refused, match="the log entry is for another key"):
        verify(KINDS[kind](bare), material_of(KEYLESS), KEYLESS)


@pytest.mark.parametrize("kind", ["intoto 0.0.2", "hashedrekord 0.0.2"])
def test_an_entry_for_another_type_of_payload_is_refused(kind: str) -> None:
    other = replace(material_of(KEYLESS), payload_type="text/plain")
    with pytest.raises(Refused, match=r"is for (another type of payload|other signed bytes)"):
        verify(KINDS[kind](KEYLESS), other, KEYLESS)


def test_intoto_1_cannot_be_compared_with_a_bundle() -> None:
    material = bundle.from_bytes(canonical(bundle_of(KEYLESS)))
    with pytest.raises(Refused, match="which a bundle does not keep"):
        verify(intoto_1(KEYLESS), material, KEYLESS)


PLAIN = INSTANCE.sign(b"payload", Signing(log=0, payload_type=""))


def plain() -> Material:
    return Material(SIMPLE_SIGNING, PLAIN.signature, PLAIN.payload, certificates=certificates_of(PLAIN))


def certificates_of(signed: Signed) -> tuple[bytes, ...]:
    return bundle.from_bytes(canonical(bundle_of(replace(signed, payload_type=IN_TOTO)))).certificates


@pytest.mark.parametrize("make", [body_1, body_2])
def test_a_plain_signature_is_recorded_as_hashedrekord(make: Callable[[Signed], Body]) -> None:
    verify(make(PLAIN), plain(), PLAIN)
    for other in (replace(plain(), payload=b"other"), replace(plain(), signature=b"x")):
        with pytest.raises(Refused, match="the log entry is for"):
            verify(make(PLAIN), other, PLAIN)


@pytest.mark.parametrize("make", [body_1, body_2])
def test_a_message_is_compared_by_its_digest(make: Callable[[Signed], Body]) -> None:
    digest = Digest("sha256", hashlib.sha256(PLAIN.payload).hexdigest())
    message = replace(plain(), payload=b"", message_digest=digest)
    verify(make(PLAIN), message, PLAIN)
    with pytest.raises(Refused, match="is for other signed bytes"):
        verify(make(PLAIN), replace(message, message_digest=Digest("sha256", "0" * 64)), PLAIN)
    with pytest.raises(Refused, match="hashes the message in another way than the bundle"):
        verify(make(PLAIN), replace(message, message_digest=Digest("sha512", "0" * 128)), PLAIN)


@pytest.mark.parametrize("kind", ["dsse 0.0.1", "dsse 0.0.2", "intoto 0.0.2"])
def test_an_entry_for_an_envelope_is_none_for_a_plain_signature(kind: str) -> None:
    with pytest.raises(Refused, match="is for an envelope, and the signature is none"):
        verify(KINDS[kind](replace(PLAIN, payload_type=IN_TOTO)), plain(), PLAIN)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_other_hashes_are_compared(algorithm: str) -> None:
    body = body_1(PLAIN)
    value = hashlib.new(algorithm, PLAIN.payload).hexdigest()
    body["spec"]["data"]["hash"] = {"algorithm": algorithm, "value": value}
    verify(body, plain(), PLAIN)


def changed(change: Callable[[Body], object], kind: str = "dsse 0.0.1") -> Body:
    body: Body = json.loads(canonical(KINDS[kind](KEYLESS)))
    change(body)
    return body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "the log entry is of an unknown kind: '' ''"),
        (changed(lambda body: body.update(apiVersion="9")), "unknown kind: 'dsse' '9'"),
        (changed(lambda body: body.update(spec={})), "the log entry, spec has no payloadHash"),
        (
            changed(lambda body: body["spec"]["payloadHash"].update(algorithm="md5")),
            "the log entry hashes with 'md5'",
        ),
        (changed(lambda body: body["spec"].update(signatures=[])), "records 0 signatures, not one"),
        (
            changed(lambda body: body["spec"]["signatures"][0].update(verifier=b64(b"x"))),
            "the log entry's key is not a public key that can be read",
        ),
        (
            changed(lambda body: body["spec"]["signatures"][0].update(verifier=b64(public_pem(OTHER_KEY)))),
            "is for another key",
        ),
    ],
)
def test_other_bodies_are_refused(body: Body, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        verify(body, material_of(KEYLESS), KEYLESS)
    assert reason in refused.value.message


def test_a_key_given_twice_is_refused() -> None:
    twice = canonical(body_1(KEYLESS)).replace(b'"kind":', b'"kind":"x","kind":')
    with pytest.raises(Refused, match="the log entry has the key 'kind' twice"):
        entry_body.verify(LogEntry(twice, b"", 0), material_of(KEYLESS), spki(KEYLESS.key))
