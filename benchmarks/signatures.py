"""How long one verification takes when its bytes are there: parsing, verifying, reading what was signed, second opinion."""

from __future__ import annotations

import time
from collections.abc import Callable

from gate.signatures import Trust, bundle, legacy
from gate.signatures.statement import statement_of
from gate.signatures.verify import verify
from tests.kit.sigstore import SIMPLE_SIGNING, Signing, Sigstore, new_key, trusted

ROUNDS = 20
_DIGEST = "sha256:" + "a" * 64
_PACKAGES = 1_000
"""Components of the bill of materials that is attested; a distribution's base image has a few hundred."""


def verifications() -> dict[str, float]:
    """Return the milliseconds of each kind of signature, best of some rounds."""
    instance = Sigstore()
    trust = Trust(roots=instance.roots())
    key = new_key("ed25519")
    components = [
        {
            "type": "library",
            "name": f"package-{number}",
            "version": "1.2.3",
            "purl": f"pkg:deb/debian/p{number}@1",
        }
        for number in range(_PACKAGES)
    ]
    sbom = instance.attestation(_DIGEST, "https://cyclonedx.org/bom", {"components": components})
    keyed = instance.signature(_DIGEST, Signing(key=key, log=0))
    layer = instance.legacy_signature(_DIGEST, Signing(at=instance.now))
    return {
        "a certificate, Rekor v1": _best(_confirmed(instance.signature(_DIGEST), trust)),
        "a certificate, Rekor v2, timestamp": _best(
            _confirmed(instance.signature(_DIGEST, Signing(log=2, stamped=True)), trust)
        ),
        f"an attestation of {_PACKAGES:,} packages": _best(_confirmed(sbom, trust)),
        "an Ed25519 key": _best(lambda: verify(bundle.from_bytes(keyed), Trust((trusted(key),)))),
        "a layer of older cosign": _best(lambda: verify(legacy.from_layer(SIMPLE_SIGNING, *layer), trust)),
    }


def _confirmed(data: bytes, trust: Trust) -> Callable[[], object]:
    """Return a verification with the second opinion."""
    from gate.signatures.second_opinion import SecondOpinion

    opinion = SecondOpinion(trust.roots[0])

    def confirmed() -> None:
        material = bundle.from_bytes(data)
        signer = verify(material, trust)
        statement_of(material)
        opinion.confirm(data, material, signer)

    return confirmed


def _best(call: Callable[[], object]) -> float:
    """Return the milliseconds of the fastest of some calls."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken) * 1000
