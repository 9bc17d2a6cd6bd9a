"""Keyless, through real servers on this machine: Fulcio, a certificate log, both generations of Rekor, timestamps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gate.evidence import Signature
from gate.oci.reference import Reference
from gate.signatures import Demand, Trust, trust
from gate.signatures.verdict_statement import DETAILS, SUMMARY
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.conftest import Tools
from tests.end_to_end.signed import REQUEST, evidence
from tests.kit.cosign import OLD, Cosign, pushed
from tests.kit.hostile_images import SETTINGS
from tests.kit.private_sigstore import PROGRAMS, PrivateSigstore, private_sigstore
from tests.kit.sigstore import new_key, trusted

pytestmark = pytest.mark.real

IMAGE = build_image([layer_of({"etc/motd": file("keyless\n")})], SETTINGS)
WORKFLOW = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
PIPELINE = "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main"
VERIFIER = "https://ci.example.com/image-gate"
KEY = new_key()


@pytest.fixture(scope="module")
def sigstore(tools: Tools) -> Iterator[PrivateSigstore]:
    """A private Sigstore."""
    with private_sigstore({name: tools.path(name) for name in PROGRAMS}) as started:
        yield started


@pytest.fixture(scope="module")
def cosign(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """cosign, with a key and something to attest."""
    made = Cosign(tools.path("cosign"), tmp_path_factory.mktemp("cosign"))
    made.key("mine", KEY)
    (made.home / "slsa.json").write_text(
        json.dumps({"buildDefinition": {"buildType": "https://example.com/build"}, "runDetails": {}})
    )
    return made


@pytest.fixture
def believed(sigstore: PrivateSigstore) -> Trust:
    """Trust in the private Sigstore."""
    return Trust(roots=trust.from_bytes(sigstore.trusted_root.read_bytes(), "private"))


def with_token(sigstore: PrivateSigstore, config: str) -> tuple[str, ...]:
    """Options of cosign to sign as the workflow of `acme/app`, with bundles."""
    return (
        *("--identity-token", sigstore.identities.github("acme/app")),
        *("--signing-config", str(sigstore.configs[config]), "--trusted-root", str(sigstore.trusted_root)),
    )


def as_before(sigstore: PrivateSigstore, *options: str) -> tuple[str, ...]:
    """The same as cosign 2 does it."""
    return (
        *("--identity-token", sigstore.identities.github("acme/app"), *OLD),
        *("--fulcio-url", sigstore.fulcio, "--trusted-root", str(sigstore.trusted_root), *options),
    )


def one(name: Reference, believed: Trust, *, attested: bool = False) -> Signature:
    """Return the one signature or attestation that counts."""
    signatures, attestations = evidence(name, believed)
    assert (signatures.missing, attestations.missing) == ((), ())
    (found,) = (attestations if attested else signatures).accepted[REQUEST]
    return found


def reasons(name: Reference, believed: Trust) -> str:
    """Return why nothing counts."""
    signatures, _ = evidence(name, believed)
    assert signatures.accepted[REQUEST] == ()
    return "\n".join(refused.reason for refused in signatures.refused[REQUEST])


@pytest.mark.parametrize("config", ["rekor2", "rekor1"])
def test_a_bundle_of_cosign(
    config: str, sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, f"keyless/{config}", IMAGE)
    cosign.must("sign", *with_token(sigstore, config), str(name))
    signer = one(name, believed).signer
    assert signer.identity is not None
    assert (signer.identity.subject, signer.identity.issuer) == (
        WORKFLOW,
        f"{sigstore.identities.address}/github",
    )
    assert signer.identity.claims["source-repository-uri"] == "https://github.com/acme/app"
    assert signer.identity.claims["build-trigger"] == "push"
    assert signer.log_index is not None
    assert signer.timestamped is (config == "rekor2")


def test_a_bundle_that_only_a_timestamp_authority_vouches_for(
    sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, "keyless/timestamps", IMAGE)
    cosign.must("sign", *with_token(sigstore, "timestamps"), str(name))
    assert "in no transparency log" in reasons(name, believed)
    signer = one(name, without(believed, "log")).signer
    assert signer.timestamped
    assert signer.log_index is None


def test_a_signature_of_cosign_2_with_a_promise(
    sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, "keyless/promise", IMAGE)
    cosign.must("sign", *as_before(sigstore, "--rekor-url", sigstore.rekor1), str(name))
    signer = one(name, believed).signer
    assert signer.identity is not None
    assert signer.identity.subject == WORKFLOW
    assert signer.log_index is not None


def test_a_signature_of_cosign_2_with_a_timestamp(
    sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, "keyless/stamped", IMAGE)
    stamped = ("--timestamp-server-url", sigstore.timestamps, "--tlog-upload=false")
    cosign.must("sign", *as_before(sigstore, *stamped), str(name))
    assert "in no transparency log" in reasons(name, believed)
    assert one(name, without(believed, "log")).signer.timestamped


@pytest.mark.parametrize("old", [False, True], ids=["bundle", "att"])
def test_an_attestation_of_cosign(
    old: bool, sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, f"keyless/attestation-{old}".lower(), IMAGE)
    how = as_before(sigstore, "--rekor-url", sigstore.rekor1) if old else with_token(sigstore, "rekor2")
    cosign.must("attest", "--type", "slsaprovenance1", "--predicate", "slsa.json", *how, str(name))
    found = one(name, believed, attested=True)
    assert found.predicate_type == "https://slsa.dev/provenance/v1"  # type: ignore[attr-defined]
    assert "it is an attestation" in reasons(name, believed)


def test_a_key_whose_signature_is_logged(
    sigstore: PrivateSigstore, cosign: Cosign, believed: Trust, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, "keyless/key", IMAGE)
    logged = (
        "--signing-config",
        str(sigstore.configs["rekor2"]),
        "--trusted-root",
        str(sigstore.trusted_root),
    )
    cosign.must("sign", "--key", "mine.key", *logged, str(name))
    signer = one(name, Trust(keys=(trusted(KEY),), roots=believed.roots)).signer
    assert signer.log_index is not None
    assert signer.timestamped


def test_another_instance_vouches_for_nothing(
    sigstore: PrivateSigstore, cosign: Cosign, referrers_registry_host: str
) -> None:
    name = pushed(referrers_registry_host, "keyless/other", IMAGE)
    cosign.must("sign", *with_token(sigstore, "rekor1"), str(name))
    assert reasons(name, Trust(roots=(trust.public_good(),)))


def without(believed: Trust, *demands: Demand) -> Trust:
    return Trust(roots=believed.roots, without=frozenset(demands))


def gate(*arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program as a job does."""
    dropped = ("IMAGE_GATE_", "GITHUB_", "ACTIONS_", "GITLAB_", "SIGSTORE_", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    command = [sys.executable, "-m", "gate", *arguments]
    return subprocess.run(
        command, env={**kept, **(variables or {})}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("job", "subject", "issuer"), [("github", WORKFLOW, "/github"), ("gitlab", PIPELINE, "/gitlab")]
)
def test_a_job_attests_and_a_deployment_admits(
    job: str,
    subject: str,
    issuer: str,
    sigstore: PrivateSigstore,
    cosign: Cosign,
    referrers_registry_host: str,
    tmp_path: Path,
) -> None:
    """With the identity of the job alone; cosign verifies the same."""
    name = pushed(referrers_registry_host, f"attest/{job}", IMAGE)
    variables = {
        "github": {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{sigstore.identities.address}/job?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        },
        "gitlab": {"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": sigstore.identities.gitlab("acme/app")},
    }[job]
    policy = tmp_path / "policy.yaml"
    policy.write_text("schema: 1\nrules: {no-shell: {}}\n")
    done = gate(
        *("attest", str(name), "--policy", str(policy), "--verifier", VERIFIER, "--no-cache"),
        *("--trust-config", str(sigstore.trust_config), "--format", "json"),
        variables=variables,
    )
    assert done.returncode == 0, done.stderr
    digest = json.loads(done.stdout)["run"]["policy"]["digest"]
    signer = ("--identity", subject, "--issuer", f"{sigstore.identities.address}{issuer}")
    root = ("--trusted-root", str(sigstore.trusted_root))
    expected = ("--verifier", VERIFIER, "--policy-digest", digest, "--max-age", "1h")
    answer = gate("admit", str(name), *expected, *signer, *root)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert f"signed by {subject}" in answer.stdout
    other = ("--identity", subject.replace("acme", "evil"), *signer[2:])
    assert gate("admit", str(name), *expected, *other, *root).returncode == 1
    for predicate_type in (SUMMARY, DETAILS):
        cosign.must(
            *("verify-attestation", "--type", predicate_type, *root),
            *("--certificate-identity", subject, "--certificate-oidc-issuer", signer[3], str(name)),
        )
