"""Whom a policy believes, and the signatures that are found under that for one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gate.errors import Unavailable, kept
from gate.evidence import SIGNED, Attestations, Signatures, TrustRequest
from gate.oci.image import Image, Opened
from gate.oci.reference import Reference
from gate.policy.policy import Policy
from gate.rules._signers import SignersOptions
from gate.sources import Access

if TYPE_CHECKING:
    from gate.signatures.discovery_registry import OldVerdicts
    from gate.signatures.trusting import Trusts


def asked_trust(policy: Policy) -> tuple[TrustRequest, ...]:
    """Return what the selected rules, and the sections on VEX and verdicts, want signatures to be verified with, each once."""
    options = (*(setting.options for setting in policy.settings), policy.vex_signers, policy.verdict_reuse)
    return tuple(dict.fromkeys(one.trust for one in options if isinstance(one, SignersOptions)))


def check_trust(policy: Policy) -> None:
    """Read all keys and roots that a policy names, in any scope; raises `InvalidInput` for one that cannot be used."""
    for variant in (policy, *(policy.scoped([scope]) for scope in policy.scopes)):
        _trusted(variant)


class Vouching:
    """The search for signatures in one run: what the caller said about it, and what was read of the policy's files."""

    def __init__(
        self,
        access: Access,
        bundles: Sequence[str],
        stated: Reference | None,
        old: OldVerdicts | None = None,
    ) -> None:
        """Read the files of `bundles`; raises `InvalidInput`.

        `stated` is what the caller calls a file (`--as`). `old` verdicts in registries are passed over.
        """
        from gate.signatures.collect import Bundles, Searches
        from gate.signatures.discovery_files import read_bundles

        self._access = access
        self._stated = stated
        self._searches = Searches(tuple(Bundles(*read_bundles(path)) for path in bundles), access, old)

    def collect(self, policy: Policy, image: Image, opened: Opened) -> dict[type, object]:
        """Return the evidence of signatures and attestations of one image, or the `Unavailable` that says why not."""
        found = kept(lambda: self.found(image, opened, _trusted(policy)))
        if isinstance(found, Unavailable):
            return dict.fromkeys(SIGNED, found)
        return {Signatures: found[0], Attestations: found[1]}

    def found(
        self, image: Image, opened: Opened, trusted: Mapping[TrustRequest, Trusts]
    ) -> tuple[Signatures, Attestations]:
        """Find the signatures of one image and verify them; raises `Unavailable` where there is no place to look at."""
        from gate.signatures.collect import collected
        from gate.signatures.subjects import subjects_of

        subjects = subjects_of(image, opened, self._stated, self._access)
        return collected(subjects, self._searches.items(subjects, opened), trusted)


def _trusted(policy: Policy) -> Mapping[TrustRequest, Trusts]:
    """Read what the selected rules trust."""
    from gate.signatures.trusting import trusts_of  # here, because its libraries are slow to import

    return {request: trusts_of(request, policy.trust_files) for request in asked_trust(policy)}
