"""Sign statements with a key: Sigstore bundles of version 0.3 around a DSSE envelope. keyless.py signs without one.

The key is PEM: PKCS #8 or the older forms that OpenSSL writes, encrypted or not.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from gate.errors import InvalidInput
from gate.signatures import Material, Refused, dsse
from gate.signatures.statement import PAYLOAD_TYPE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

Sign = Callable[[bytes], bytes]
"""Takes a statement, returns a bundle."""

_PEM_HINT = "write one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -out gate.key"


def with_key(pem: bytes, password: str, name: str) -> Sign:
    """Return what signs with a private key; `name` is where it came from. Raises `InvalidInput` for one that cannot be used."""
    key = _load(pem, password, name)
    spki = _public(key, name)
    hint = base64.b64encode(hashlib.sha256(spki).digest()).decode()

    def sign(statement: bytes) -> bytes:
        signature = _signature(key, dsse.signed_bytes(Material(BUNDLE_TYPE, b"", statement, PAYLOAD_TYPE)))
        bundle = {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": hint}},
            "dsseEnvelope": {
                "payload": base64.b64encode(statement).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": base64.b64encode(signature).decode()}],
            },
        }
        return msgspec.json.encode(bundle)

    return sign


def _load(pem: bytes, password: str, name: str) -> PrivateKey:
    """Load a private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"SIGSTORE PRIVATE KEY" in pem or b"COSIGN PRIVATE KEY" in pem:
        raise InvalidInput(
            f"{name} is a key in cosign's own encryption, which is not read here",
            hint=f"{_PEM_HINT}; cosign takes that key with: cosign import-key-pair --key gate.key",
        )
    encrypted = b"ENCRYPTED" in pem
    if encrypted and not password:
        raise InvalidInput(
            f"{name} is encrypted, and there is no password", hint="set IMAGE_GATE_KEY_PASSWORD"
        )
    try:
        key = load_pem_private_key(pem, password.encode() if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "the password is wrong, or " if encrypted else ""
        raise InvalidInput(
            f"{name} cannot be used: {wrong}it holds no private key in PEM", hint=_PEM_HINT
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise InvalidInput(f"{name} is a key that cannot sign here", hint=_PEM_HINT)
    return key


def _public(key: PrivateKey, name: str) -> bytes:
    """Return the public half, which verifiers must accept."""
    from gate.signatures import keys

    try:
        return keys.spki_of(keys.accepted(key.public_key(), f"the key {name}"))
    except Refused as error:
        raise InvalidInput(error.message, hint=error.hint or _PEM_HINT) from None


def _signature(key: PrivateKey, data: bytes) -> bytes:
    """Sign with the hash that belongs to a key (Sigstore's algorithm registry)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithms: dict[int, type[hashes.HashAlgorithm]] = {
            256: hashes.SHA256,
            384: hashes.SHA384,
            521: hashes.SHA512,
        }
        return key.sign(data, ec.ECDSA(algorithms[key.key_size]()))
    return key.sign(data)
