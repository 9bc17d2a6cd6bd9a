"""Whatever is changed in a signature, nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.signatures import Material, Refused, Trust, bundle
from gate.signatures.verify import verify
from tests.kit.sigstore import Signing, Sigstore

DIGEST = "sha256:" + "a" * 64
INSTANCE = Sigstore()
ROOTS = INSTANCE.roots()
for _ in range(2):
    INSTANCE.signature(DIGEST)  # so that a proof has hashes
SIGNED = INSTANCE.signature(DIGEST, Signing(stamped=True))
BELIEVED = verify(bundle.from_bytes(SIGNED), Trust(roots=ROOTS))
MATERIAL = bundle.from_bytes(SIGNED)
ENTRY = MATERIAL.entries[0]
assert ENTRY.proof is not None
PROOF = ENTRY.proof
PARTS: dict[str, tuple[bytes, Callable[[bytes], Material]]] = {
    "payload": (MATERIAL.payload, lambda data: replace(MATERIAL, payload=data)),
    "signature": (MATERIAL.signature, lambda data: replace(MATERIAL, signature=data)),
    "certificate": (MATERIAL.certificates[0], lambda data: replace(MATERIAL, certificates=(data,))),
    "body": (ENTRY.body, lambda data: with_entry(body=data)),
    "log": (ENTRY.log_id, lambda data: with_entry(log_id=data)),
    "promise": (ENTRY.promise, lambda data: with_entry(promise=data)),
    "root": (PROOF.root, lambda data: with_entry(proof=replace(PROOF, root=data))),
    "hash": (
        PROOF.hashes[0],
        lambda data: with_entry(proof=replace(PROOF, hashes=(data, *PROOF.hashes[1:]))),
    ),
}


def with_entry(**changes: Any) -> Material:
    return replace(MATERIAL, entries=(replace(ENTRY, **changes),))


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_in_a_signed_part_is_refused(part: str, data: st.DataObject) -> None:
    original, rebuilt = PARTS[part]
    bit = data.draw(st.integers(0, 8 * len(original) - 1))
    changed = bytearray(original)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        verify(rebuilt(bytes(changed)), Trust(roots=ROOTS))


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(SIGNED) - 1), byte=st.binary(min_size=0, max_size=2))
def test_a_changed_bundle_is_refused_or_says_the_same(at: int, byte: bytes) -> None:
    changed = SIGNED[:at] + byte + SIGNED[at + 1 :]
    try:
        material = bundle.from_bytes(changed)
        signer = verify(material, Trust(roots=ROOTS))
    except Refused:
        return
    assert (signer.identity, signer.signed_at) == (BELIEVED.identity, BELIEVED.signed_at)
    assert material.payload == MATERIAL.payload


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_bundle_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        bundle.from_bytes(data)
