"""cosign and the gate sign and verify for each other with keys: every layout, every kind of key, with and without referrers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gate.evidence import Attestation
from gate.oci.reference import Reference
from gate.signatures import Trust
from gate.signatures.verdict_statement import DETAILS, SUMMARY
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.conftest import Tools
from tests.end_to_end.signed import REQUEST, evidence
from tests.kit.cosign import OFFLINE, OLD, Cosign, pushed
from tests.kit.hostile_images import SETTINGS
from tests.kit.sigstore import new_key, trusted

pytestmark = pytest.mark.real

IMAGE = build_image([layer_of({"etc/motd": file("signed\n")})], SETTINGS)
KINDS = ("p256", "p384", "p521", "rsa", "ed25519")
KEYS = {kind: new_key(kind) for kind in KINDS}
TRUST = {kind: Trust(keys=(trusted(key),)) for kind, key in KEYS.items()}
STRANGER = Trust(keys=(trusted(new_key()),))
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"

SHAPES = {
    "A: .sig": ("sign", *OLD, "--tlog-upload=false"),
    "B: .att": ("attest", "--type", "vuln", "--predicate", "vuln.json", *OLD, "--tlog-upload=false"),
    "C: bundle": ("sign", *OFFLINE),
    "C: attestation": ("attest", "--type", "vuln", "--predicate", "vuln.json", *OFFLINE),
    "D: referrer": ("sign", *OLD, "--tlog-upload=false", "--registry-referrers-mode=oci-1-1"),
}
"""What cosign is told, by the layout that it then writes."""


@pytest.fixture(scope="module")
def cosign(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """cosign, with a key of every kind."""
    made = Cosign(tools.path("cosign"), tmp_path_factory.mktemp("cosign"))
    for kind, key in KEYS.items():
        made.key(kind, key)
    scan: dict[str, object] = {"invocation": {}, "scanner": {}, "metadata": {}}
    (made.home / "vuln.json").write_text(json.dumps(scan))
    return made


@pytest.fixture(params=["docker-registry", "referrers"])
def host(request: pytest.FixtureRequest) -> str:
    """`HOST:PORT` of a registry without and with the referrers API."""
    names = {"docker-registry": "docker_registry_host", "referrers": "referrers_registry_host"}
    return str(request.getfixturevalue(names[request.param]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_we_verify_what_cosign_signs(
    kind: str, shape: str, cosign: Cosign, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, f"cosign/{kind}-{shape[0].lower()}-{SHAPES[shape][0]}", IMAGE)
    cosign.must(*SHAPES[shape], "--key", f"{kind}.key", str(name), COSIGN_EXPERIMENTAL="1")
    check(name, TRUST[kind], attested="attest" in SHAPES[shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_we_find_what_cosign_stores(shape: str, host: str, cosign: Cosign) -> None:
    name = pushed(host, f"found/{shape[0].lower()}-{SHAPES[shape][0]}", IMAGE)
    cosign.must(*SHAPES[shape], "--key", "p256.key", str(name), COSIGN_EXPERIMENTAL="1")
    check(name, TRUST["p256"], attested="attest" in SHAPES[shape])


def check(name: Reference, trust: Trust, *, attested: bool) -> None:
    """See that there is one signature or attestation, which counts for its key and for no other."""
    signatures, attestations = evidence(name, trust)
    assert (signatures.missing, attestations.missing) == ((), ())
    (found,) = attestations.accepted[REQUEST] if attested else signatures.accepted[REQUEST]
    assert found.signer.key == trust.keys[0].fingerprint
    assert found.about == name.digest
    if attested:
        assert isinstance(found, Attestation)
        assert found.predicate_type == VULNERABILITIES
        assert signatures.accepted[REQUEST] == ()
    signatures, attestations = evidence(name, STRANGER)
    assert signatures.accepted[REQUEST] == attestations.accepted[REQUEST] == ()
    assert "trusted keys" in signatures.refused[REQUEST][0].reason


def attested(name: Reference, kind: str, folder: Path) -> None:
    """Judge an image with `image-gate attest`, and attach the verdict."""
    key = KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "gate.key").write_bytes(key)
    (folder / "policy.yaml").write_text("schema: 1\nrules: {no-shell: {}}\n")
    command = [
        *(sys.executable, "-m", "gate", "attest", str(name), "--policy", str(folder / "policy.yaml")),
        *("--key", str(folder / "gate.key"), "--verifier", "https://ci.example.com/gate", "--no-cache"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def verification(name: Reference, kind: str, predicate_type: str) -> tuple[str, ...]:
    """Return how cosign verifies a verdict; for P-384 it has to be told the hash, of its own signatures too."""
    hashes = {
        "p384": ("--signature-digest-algorithm", "sha384"),
        "p521": ("--signature-digest-algorithm", "sha512"),
    }
    return (
        *("verify-attestation", "--key", f"{kind}.pub", "--insecure-ignore-tlog"),
        *("--type", predicate_type, *hashes.get(kind, ()), str(name)),
    )


def test_cosign_verifies_what_we_attach(host: str, cosign: Cosign, tmp_path: Path) -> None:
    name = pushed(host, "attest/p256", IMAGE)
    attested(name, "p256", tmp_path)
    for predicate_type in (SUMMARY, DETAILS):
        cosign.must(*verification(name, "p256", predicate_type))
    assert cosign.run(*verification(name, "rsa", SUMMARY)).returncode != 0
    assert cosign.run(*verification(name, "p256", VULNERABILITIES)).returncode != 0


@pytest.mark.parametrize("kind", ["p384", "p521", "rsa", "ed25519"])
def test_cosign_verifies_what_other_keys_sign(
    kind: str, referrers_registry_host: str, cosign: Cosign, tmp_path: Path
) -> None:
    name = pushed(referrers_registry_host, f"attest/{kind}", IMAGE)
    attested(name, kind, tmp_path)
    cosign.must(*verification(name, kind, SUMMARY))


def test_cosign_and_we_attach_to_one_image(host: str, cosign: Cosign, tmp_path: Path) -> None:
    """Under the tag that stands in for lists of referrers, too, nobody loses the other's entry."""
    name = pushed(host, "attest/both", IMAGE)
    cosign.must(*SHAPES["C: bundle"], "--key", "p256.key", str(name))
    attested(name, "p256", tmp_path)
    cosign.must(*SHAPES["C: attestation"], "--key", "p256.key", str(name))
    signatures, attestations = evidence(name, TRUST["p256"])
    assert len(signatures.accepted[REQUEST]) == 1
    assert {found.predicate_type for found in attestations.accepted[REQUEST]} == {
        SUMMARY,
        DETAILS,
        VULNERABILITIES,
    }
    cosign.must(*verification(name, "p256", SUMMARY))
