from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gate.errors import InvalidInput
from gate.oci.descriptor import Digest
from gate.signatures import Refused, keys
from tests.kit.sigstore import PrivateKey, new_key, public_pem, sign, spki

KINDS = ("p256", "p384", "p521", "rsa", "ed25519")
PAIRS = {kind: new_key(kind) for kind in KINDS}
MESSAGE = b"message"


def key_of(pair: PrivateKey) -> keys.Key:
    return keys.load(spki(pair), "the key")


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_accepted_for_its_own_key_and_message_alone(kind: str) -> None:
    key, signature = key_of(PAIRS[kind]), sign(PAIRS[kind], MESSAGE)
    keys.verify(key, signature, MESSAGE)
    others = [
        (key, signature, b"other"),
        (key_of(new_key(kind)), signature, MESSAGE),
        (key, b"", MESSAGE),
        (key, signature[:-1], MESSAGE),
    ]
    for other in others:
        with pytest.raises(Refused, match="the signature does not verify"):
            keys.verify(*other)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
def test_sha256_is_accepted_for_every_curve(kind: str) -> None:
    pair = PAIRS[kind]
    assert isinstance(pair, ec.EllipticCurvePrivateKey)
    keys.verify(key_of(pair), pair.sign(MESSAGE, ec.ECDSA(hashes.SHA256())), MESSAGE)


def test_weak_hashes_are_not_accepted() -> None:
    pair, rsa_pair = PAIRS["p256"], PAIRS["rsa"]
    assert isinstance(pair, ec.EllipticCurvePrivateKey)
    assert isinstance(rsa_pair, rsa.RSAPrivateKey)
    for key, signature in (
        (pair, pair.sign(MESSAGE, ec.ECDSA(hashes.SHA1()))),
        (rsa_pair, rsa_pair.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1())),
    ):
        with pytest.raises(Refused):
            keys.verify(key_of(key), signature, MESSAGE)


def test_a_message_known_by_its_digest() -> None:
    pair = PAIRS["p256"]
    assert isinstance(pair, ec.EllipticCurvePrivateKey)
    raw = hashlib.sha256(MESSAGE).digest()
    signature = pair.sign(raw, ec.ECDSA(Prehashed(hashes.SHA256())))
    keys.verify_digest(key_of(pair), signature, Digest("sha256", raw.hex()))
    with pytest.raises(Refused, match="the signature does not verify"):
        keys.verify_digest(key_of(pair), signature, Digest("sha256", "0" * 64))


def test_ed25519_says_nothing_of_a_digest_with_sha256() -> None:
    pair = PAIRS["ed25519"]
    raw = hashlib.sha256(MESSAGE).digest()
    with pytest.raises(Refused):
        keys.verify_digest(key_of(pair), sign(pair, raw), Digest("sha256", raw.hex()))


@pytest.mark.parametrize(
    "pair",
    [
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(1024),
    ],
    ids=["secp256k1", "brainpool", "ed448", "dsa"],
)
def test_other_kinds_of_keys_are_refused(
    pair: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | dsa.DSAPrivateKey,
) -> None:
    public = pair.public_key()
    with pytest.raises(Refused, match="is of a kind that is not accepted"):
        keys.load(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "the key")
    with pytest.raises(InvalidInput, match="is of a kind that is not accepted"):
        keys.from_pem(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a.pub")


def test_short_and_huge_rsa_keys_are_refused() -> None:
    short = rsa.generate_private_key(65537, 1024)
    with pytest.raises(Refused, match="an RSA key of 1024 bits"):
        key_of(short)
    huge = rsa.RSAPublicNumbers(65537, (1 << 16_383) | 1).public_key()
    with pytest.raises(Refused, match="an RSA key of 16384 bits"):
        keys.accepted(huge, "the key")


@pytest.mark.parametrize(
    "data", [b"", b"garbage", spki(PAIRS["p256"])[:-1]], ids=["empty", "garbage", "cut short"]
)
def test_bytes_that_are_no_key_are_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="the key is not a public key that can be read"):
        keys.load(data, "the key")
    with pytest.raises(Refused, match="the key is not a public key that can be read"):
        keys.spki_of_pem(data, "the key")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_a_key(kind: str) -> None:
    (found,) = keys.from_pem(public_pem(PAIRS[kind]), "a.pub")
    assert (found.spki, found.name) == (spki(PAIRS[kind]), "a.pub")
    assert found.fingerprint == f"sha256:{hashlib.sha256(found.spki).hexdigest()}"


def test_a_file_with_several_keys() -> None:
    text = b"# ours\n" + b"\n".join(public_pem(pair) for pair in PAIRS.values())
    assert [found.spki for found in keys.from_pem(text, "a.pub")] == [spki(pair) for pair in PAIRS.values()]


PRIVATE = PAIRS["p256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no public key"),
        (b"garbage", "holds no public key"),
        (PRIVATE, "holds a private key"),
        (public_pem(PAIRS["p256"]) + PRIVATE, "holds a private key"),
        (CERTIFICATE, "holds a block 'CERTIFICATE' that is no public key"),
        (public_pem(PAIRS["p256"])[:-20], "is broken: a block has no end"),
        (
            public_pem(PAIRS["p256"]).replace(b"M", b"N", 1),
            "holds a block 'PUBLIC KEY' that is no public key",
        ),
        (public_pem(PAIRS["p256"]) * 65, "holds 65 keys; at most 64 are read"),
        (bytes(5_000_000), "has 5,000,000 bytes"),
    ],
)
def test_other_files_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        keys.from_pem(data, "a.pub")
    assert refused.value.message.startswith("a.pub ")
    assert reason in refused.value.message


def test_a_recorded_file_of_cosign() -> None:
    path = Path(__file__).parent / "recorded" / "ed.pub"
    (found,) = keys.from_pem(path.read_bytes(), "ed.pub")
    assert isinstance(keys.load(found.spki, "it"), ed25519.Ed25519PublicKey)


class PanicException(BaseException):
    """As PyO3 makes it."""


def test_a_panic_of_a_library_is_an_error_like_others() -> None:
    with pytest.raises(ValueError, match="a library panicked"), keys.contained():
        raise PanicException
    with pytest.raises(KeyboardInterrupt), keys.contained():
        raise KeyboardInterrupt
    with keys.contained():
        warnings.warn("an oddity", stacklevel=1)
