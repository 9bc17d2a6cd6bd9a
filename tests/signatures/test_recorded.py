"""What cosign 3.1.3 signed, with keys and through real servers on loopback, is read and believed as it was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.signatures import Demand, Material, Refused, Trust, bundle, keys, legacy, trust
from gate.signatures.verify import verify
from tests.kit.sigstore import WORKFLOW, Sigstore

RECORDED = Path(__file__).parent / "recorded"
FILES = sorted({*RECORDED.glob("*.bundle.json"), *RECORDED.glob("*.layer.json")})


def recorded_trust() -> Trust:
    trusted_keys = [
        key for path in sorted(RECORDED.glob("*.pub")) for key in keys.from_pem(path.read_bytes(), path.name)
    ]
    data = (RECORDED / "trusted_root.json").read_bytes()
    return Trust(tuple(trusted_keys), trust.from_bytes(data, "recorded"))


def recorded(path: Path) -> Material:
    if path.name.endswith(".bundle.json"):
        return bundle.from_bytes(path.read_bytes())
    layer = json.loads(path.read_bytes())
    return legacy.from_layer(layer["mediaType"], layer["data"].encode(), layer["annotations"])


SIGNERS = {
    "attest-rekor2.bundle.json": (WORKFLOW, "http://127.0.0.1:5206", 1),
    "keyless-rekor1.bundle.json": (WORKFLOW, "http://127.0.0.1:5211", 0),
    "keyless-rekor2.bundle.json": (WORKFLOW, "http://127.0.0.1:5206", 0),
    "keyless-tsaonly.bundle.json": (WORKFLOW, "", None),
    "legacy-att-rekor1.layer.json": (WORKFLOW, "http://127.0.0.1:5211", 2),
    "legacy-rekor1.layer.json": (WORKFLOW, "http://127.0.0.1:5211", 1),
    "legacy-tsa.layer.json": (WORKFLOW, "", None),
    "keyed-rekor2.bundle.json": ("ec.pub", "http://127.0.0.1:5206", 2),
    "keyed-ed25519ph.bundle.json": ("ed.pub", "", None),
    "keyed-ed25519ph-legacy.layer.json": ("ed.pub", "", None),
    "keyed-p384.bundle.json": ("p384.pub", "", None),
    "keyed-p384-legacy.layer.json": ("p384.pub", "", None),
    "keyed-rsa.bundle.json": ("rsa.pub", "", None),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_cosign_signed_is_accepted(path: Path) -> None:
    who, log, index = SIGNERS[path.name]
    everything = recorded_trust()
    without: set[Demand] = set() if log else {"log"}
    if who.endswith(".pub") and not log:
        without.add("timestamp")
    signer = verify(recorded(path), replace(everything, without=frozenset(without)))
    names = {key.fingerprint: key.name for key in everything.keys}
    assert (signer.identity.subject if signer.identity else names[signer.key]) == who
    assert (signer.log, signer.log_index) == (log, index)
    with pytest.raises(Refused):
        verify(recorded(path), Trust(roots=Sigstore().roots()))
