from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.signatures import ed25519ph

KEY = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
SIGNATURE = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aa"
    "a10b8c61e636062aaad11c2a26083406"
)
DIGEST = hashlib.sha512(b"abc").digest()


def test_the_example_of_the_standard() -> None:
    """RFC 8032, section 7.3."""
    assert ed25519ph.verifies(KEY, SIGNATURE, DIGEST)
    assert not ed25519ph.verifies(KEY, SIGNATURE, hashlib.sha512(b"abd").digest())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 8 * 64 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    assert not ed25519ph.verifies(KEY, bytes(changed), DIGEST)


def test_the_signature_of_the_other_variant_is_refused() -> None:
    pair = ed25519.Ed25519PrivateKey.generate()
    assert not ed25519ph.verifies(pair.public_key().public_bytes_raw(), pair.sign(DIGEST), DIGEST)


def test_a_second_form_of_the_same_signature_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    second = (int.from_bytes(SIGNATURE[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519ph.verifies(KEY, SIGNATURE[:32] + second, DIGEST)


@pytest.mark.parametrize(
    ("key", "signature", "digest"),
    [
        (b"", SIGNATURE, DIGEST),
        (KEY, SIGNATURE + b"\x00", DIGEST),
        (KEY, SIGNATURE, b"abc"),
        (b"\xff" * 32, SIGNATURE, DIGEST),
        (KEY, b"\xff" * 64, DIGEST),
        ((2).to_bytes(32, "little"), SIGNATURE, DIGEST),
    ],
)
def test_other_lengths_and_points_off_the_curve_are_refused(
    key: bytes, signature: bytes, digest: bytes
) -> None:
    assert not ed25519ph.verifies(key, signature, digest)
