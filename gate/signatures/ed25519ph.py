"""Ed25519ph, the variant of Ed25519 that signs a message's SHA-512 (RFC 8032, sections 5.1 and 6).

Cosign 3 signs so with Ed25519 keys, and `cryptography` offers only the variant without. Nothing here is secret, so the
time that a check takes (5 to 15 ms) may depend on its input; small factors are not cleared, as RFC 8032 allows.
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_DOMAIN = b"SigEd25519 no Ed25519 collisions\x01\x00"
"""dom2(1, ""): the flag of the hashed variant, and an empty context (RFC 8032, section 2)."""

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates: x = X/Z, y = Y/Z, x·y = T/Z."""


def verifies(key: bytes, signature: bytes, digest: bytes) -> bool:
    """Return whether a signature of 64 bytes is that of a key of 32 over the SHA-512 of a message."""
    if len(key) != 32 or len(signature) != 64 or len(digest) != 64:
        return False
    a, r = _decoded(key), _decoded(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _ORDER:  # a larger s is a second signature for the same message
        return False
    k = int.from_bytes(hashlib.sha512(_DOMAIN + signature[:32] + key + digest).digest(), "little") % _ORDER
    return _equal(_times(s, _BASE), _sum(r, _times(k, a)))


def _x_of(y: int, odd: int) -> int | None:
    """Return the x of a point, with the parity asked for; None where there is none."""
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if square == 0:
        return None if odd else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != odd else x


def _decoded(data: bytes) -> Point | None:
    """Decode a point of 32 bytes; None where it is not on the curve."""
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = _x_of(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


def _sum(p: Point, q: Point) -> Point:
    """Add two points."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: Point) -> Point:
    """Add a point to itself `factor` times."""
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


def _equal(p: Point, q: Point) -> bool:
    """Return whether two points are the same in whatever coordinates."""
    return (p[0] * q[2] - q[0] * p[2]) % _P == 0 and (p[1] * q[2] - q[1] * p[2]) % _P == 0


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0)
assert _BASE_X is not None
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
