"""From what a rule asks for to what signatures are verified with: files of keys and roots, read strictly."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gate.evidence import PUBLIC_GOOD, TrustRequest
from gate.signatures import Material, Trust, TrustedRoot, keys, trust


class Trusts(Struct, frozen=True):
    """What a rule trusts, for each of the two ways to sign.

    They are apart because a key that a policy lists needs nobody to vouch for it, and a certificate always does.
    """

    keys: Trust
    certificates: Trust

    def for_(self, material: Material) -> Trust:
        """Return the one that a signature is verified under."""
        return self.certificates if material.certificates else self.keys


def trusts_of(request: TrustRequest, files: Mapping[str, bytes]) -> Trusts:
    """Read what a rule trusts from the policy's files, by their names.

    Raises `InvalidInput` for a file that is not what it should be, and `Unavailable` where the shipped root is missing.
    """
    without = frozenset(request.without)
    listed = tuple(key for name in request.keys for key in keys.from_pem(files[name], name))
    roots = tuple(root for name in request.roots for root in _roots(name, files))
    return Trusts(
        Trust(keys=listed, roots=roots if request.roots_for_keys else (), without=without),
        Trust(roots=roots, without=without),
    )


def _roots(name: str, files: Mapping[str, bytes]) -> tuple[TrustedRoot, ...]:
    """Return the roots of a name."""
    return (trust.public_good(),) if name == PUBLIC_GOOD else trust.from_bytes(files[name], name)
