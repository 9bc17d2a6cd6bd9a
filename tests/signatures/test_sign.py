from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gate.errors import InvalidInput
from gate.signatures import PublicKey, Refused, Trust, bundle, keys
from gate.signatures.sign import BUNDLE_TYPE, with_key
from gate.signatures.statement import statement_of
from gate.signatures.verify import verify

STATEMENT = json.dumps(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": "1" * 64}}],
        "predicateType": "https://example.com/p",
        "predicate": {},
    }
).encode()

KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65_537, 2_048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def pem(
    key: object,
    encryption: KeySerializationEncryption | None = None,
    form: PrivateFormat = PrivateFormat.PKCS8,
) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())  # type: ignore[attr-defined]
    return made


def trust(key: object) -> Trust:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return Trust(keys=keys.from_pem(public, "key.pub"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_key_signs_is_verified_with_its_public_half(kind: str) -> None:
    key = KINDS[kind]()
    signed = with_key(pem(key), "", "gate.key")(STATEMENT)
    material = bundle.from_bytes(signed)
    assert verify(material, trust(key)).key == trust(key).keys[0].fingerprint
    assert statement_of(material).predicate_type == "https://example.com/p"
    with pytest.raises(Refused):
        verify(material, trust(KINDS[kind]()))


def test_the_bundle_says_which_key_as_cosign_does() -> None:
    key = KINDS["P-256"]()
    read = json.loads(with_key(pem(key), "", "gate.key")(STATEMENT))
    assert read["mediaType"] == BUNDLE_TYPE
    hint = base64.b64decode(read["verificationMaterial"]["publicKey"]["hint"])
    (public,) = trust(key).keys
    assert isinstance(public, PublicKey)
    assert public.fingerprint == f"sha256:{hint.hex()}"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_needs_its_password(form: PrivateFormat) -> None:
    key = KINDS["P-256"]()
    encrypted = pem(key, BestAvailableEncryption(b"opensesame"), form)
    verify(bundle.from_bytes(with_key(encrypted, "opensesame", "gate.key")(STATEMENT)), trust(key))
    with pytest.raises(InvalidInput, match="no password") as error:
        with_key(encrypted, "", "gate.key")
    assert "IMAGE_GATE_KEY_PASSWORD" in error.value.hint
    with pytest.raises(InvalidInput, match="the password is wrong") as error:
        with_key(encrypted, "open barley", "gate.key")
    assert "barley" not in str(error.value)


def test_a_password_for_a_key_that_has_none_is_no_mistake() -> None:
    with_key(pem(KINDS["P-256"]()), "of another key", "gate.key")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no private key"),
        (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n", "cosign's own encryption"),
        (b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\nAAAA\n", "cosign's own encryption"),
        (pem(x25519.X25519PrivateKey.generate()), "cannot sign"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "not accepted"),
        (pem(rsa.generate_private_key(65_537, 1_024)), "1024 bits"),
    ],
    ids=["empty", "garbage", "sigstore", "cosign", "x25519", "secp256k1", "short-rsa"],
)
def test_keys_that_are_not_used(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        with_key(data, "password", "gate.key")
