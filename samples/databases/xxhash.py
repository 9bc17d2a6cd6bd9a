"""XXH64 (xxHash specification 0.1.1), the digest by which Grype recognises its database."""

from __future__ import annotations

import struct

MASK = 0xFFFFFFFFFFFFFFFF
PRIME_1, PRIME_2, PRIME_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
PRIME_4, PRIME_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
STRIPE = 32


def xxh64(data: bytes) -> int:
    """The 64-bit digest of `data` with seed 0; about 1 MB a second."""
    whole = len(data) - len(data) % STRIPE
    digest = _stripes(data[:whole]) if whole else PRIME_5
    digest = (digest + len(data)) & MASK
    rest = data[whole:]
    while len(rest) >= 8:
        digest = (
            _rotate(digest ^ _round(0, int.from_bytes(rest[:8], "little")), 27) * PRIME_1 + PRIME_4
        ) & MASK
        rest = rest[8:]
    if len(rest) >= 4:
        digest = (
            _rotate(digest ^ (int.from_bytes(rest[:4], "little") * PRIME_1 & MASK), 23) * PRIME_2 + PRIME_3
        ) & MASK
        rest = rest[4:]
    for byte in rest:
        digest = _rotate(digest ^ (byte * PRIME_5 & MASK), 11) * PRIME_1 & MASK
    digest = (digest ^ digest >> 33) * PRIME_2 & MASK
    digest = (digest ^ digest >> 29) * PRIME_3 & MASK
    return digest ^ digest >> 32


def _stripes(data: bytes) -> int:
    a, b, c, d = (PRIME_1 + PRIME_2) & MASK, PRIME_2, 0, -PRIME_1 & MASK
    for first, second, third, fourth in struct.iter_unpack("<4Q", data):
        a, b, c, d = _round(a, first), _round(b, second), _round(c, third), _round(d, fourth)
    digest = (_rotate(a, 1) + _rotate(b, 7) + _rotate(c, 12) + _rotate(d, 18)) & MASK
    for lane in (a, b, c, d):
        digest = ((digest ^ _round(0, lane)) * PRIME_1 + PRIME_4) & MASK
    return digest


def _round(lane: int, value: int) -> int:
    return _rotate((lane + value * PRIME_2) & MASK, 31) * PRIME_1 & MASK


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & MASK
