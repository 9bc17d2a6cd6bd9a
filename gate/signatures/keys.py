"""Public keys: which are accepted, how they are named, and whether a signature is theirs.

Accepted are ECDSA over P-256, P-384 and P-521, RSA (PKCS #1 v1.5, SHA-256) from 2,048 bits, and Ed25519, each with the
hashes of Sigstore's algorithm registry.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.signatures import PublicKey, Refused, ed25519ph

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_CURVE_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}
_DIGEST_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha512": hashes.SHA512}
_LEAST_RSA_BITS = 2048
"""NIST SP 800-131A, table 2: signatures of shorter keys are disallowed."""

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----[^-]*-----END \1-----")


@contextmanager
def contained() -> Iterator[None]:
    """Let libraries read what a stranger made without warnings to the user's terminal, and without ending the program.

    A panic inside a library written in Rust passes by every `except Exception`; it becomes a `ValueError`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # PyO3 gives the type no place to import it from
                raise ValueError("a library panicked") from None
            raise


def load(spki: bytes, what: str) -> Key:
    """Load a key from its SubjectPublicKeyInfo; raises `Refused` for one that is malformed or not accepted."""
    try:
        with contained():
            return accepted(load_der_public_key(spki), what)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(f"{what} is not a public key that can be read") from None


def accepted(key: object, what: str) -> Key:
    """Return the key of a certificate or file if it is of an accepted kind and size; raises `Refused`."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVE_HASHES:
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if _LEAST_RSA_BITS <= key.key_size <= LIMITS.rsa_bits:
            return key
        raise Refused(
            f"{what} is an RSA key of {key.key_size} bits; {_LEAST_RSA_BITS:,} to {LIMITS.rsa_bits:,} are accepted"
        )
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise Refused(
        f"{what} is of a kind that is not accepted", hint="P-256, P-384, P-521, RSA and Ed25519 are"
    )


def spki_of(key: Key) -> bytes:
    """Return a key's SubjectPublicKeyInfo as DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_of_pem(pem: bytes, what: str) -> bytes:
    """Return the SubjectPublicKeyInfo of one key in PEM; raises `Refused` for anything else."""
    try:
        with contained():
            return spki_of(accepted(load_pem_public_key(pem), what))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(f"{what} is not a public key that can be read") from None


def verify(key: Key, signature: bytes, message: bytes, what: str = "the signature") -> None:
    """Check a signature over a message; raises `Refused` if it is not this key's.

    An ECDSA key is tried with the hash of its curve, then with SHA-256, which older cosign uses for every curve. An Ed25519
    key is tried as such, then as Ed25519ph, which cosign 3 makes.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        if not _holds(key, signature, message, hashes.SHA512()) and not ed25519ph.verifies(
            key.public_bytes_raw(), signature, hashlib.sha512(message).digest()
        ):
            _refuse(what)
        return
    algorithms = [hashes.SHA256()] if isinstance(key, rsa.RSAPublicKey) else _algorithms(key)
    if not any(_holds(key, signature, message, algorithm) for algorithm in algorithms):
        _refuse(what)


def verify_digest(key: Key, signature: bytes, digest: Digest) -> None:
    """Check a signature of which only the message's digest is known; raises `Refused` if it is not this key's."""
    known = bytes.fromhex(digest.encoded)
    algorithm = _DIGEST_HASHES[digest.algorithm]()
    if isinstance(key, ed25519.Ed25519PublicKey):
        if digest.algorithm != "sha512" or not ed25519ph.verifies(key.public_bytes_raw(), signature, known):
            _refuse("the signature")
    elif not _holds(key, signature, known, Prehashed(algorithm)):
        _refuse("the signature")


def _algorithms(key: ec.EllipticCurvePublicKey) -> list[hashes.HashAlgorithm]:
    """Return the hashes that an ECDSA key may have signed with, the likeliest first."""
    own = _CURVE_HASHES[key.curve.name]()
    return [own] if own.name == "sha256" else [own, hashes.SHA256()]


def _holds(key: Key, signature: bytes, data: bytes, algorithm: hashes.HashAlgorithm | Prehashed) -> bool:
    """Return whether a signature is a key's, with one algorithm."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        else:
            key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _refuse(what: str) -> NoReturn:
    """Say that a signature is not the key's."""
    raise Refused(f"{what} does not verify: it was made by another key or over other bytes")


def from_pem(data: bytes, name: str) -> tuple[PublicKey, ...]:
    """Read the keys of a PEM file, one at least; raises `InvalidInput` for a file that holds anything else."""
    if len(data) > LIMITS.document:
        raise InvalidInput(f"{name} has {len(data):,} bytes; a file of public keys has far less")
    found = tuple(_public_keys(data, name))
    if not found:
        raise InvalidInput(f"{name} holds no public key", hint="it must be PEM: -----BEGIN PUBLIC KEY-----")
    if len(found) > LIMITS.trusted_keys:
        raise InvalidInput(f"{name} holds {len(found)} keys; at most {LIMITS.trusted_keys} are read")
    return found


def _public_keys(data: bytes, name: str) -> Iterator[PublicKey]:
    """Yield the keys of a PEM file."""
    blocks = list(_PEM.finditer(data))
    if len(blocks) != data.count(b"-----BEGIN "):
        raise InvalidInput(f"{name} is broken: a block has no end")
    for block in blocks:
        label = block[1].decode()
        if "PRIVATE" in label:
            raise InvalidInput(
                f"{name} holds a private key", hint="name the public one; `cosign public-key` prints it"
            )
        try:
            spki = spki_of(accepted(load_pem_public_key(block[0]), f"the key in {name}"))
        except Refused as error:
            raise InvalidInput(error.message, hint=error.hint) from None
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidInput(f"{name} holds a block {label!r} that is no public key") from None
        yield PublicKey(spki, f"sha256:{hashlib.sha256(spki).hexdigest()}", name)
