"""The sample policy about signatures, on an image that is signed as it wants; and the policies that the documents show."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gate.pipeline import RunSettings, check
from gate.policy.policy import Policy
from gate.verdict import Outcome
from samples.images.layout import oci_layout, write_directory
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.sigstore import GITHUB_CLAIMS, Signing, Sigstore, new_key, public_pem

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "samples" / "policies" / "signatures"
DIGEST = CLEAN_IMAGE.manifest.digest
NIGHTLY = "https://github.com/acme/security/.github/workflows/nightly.yml@refs/heads/main"
NOW = datetime.now(UTC).replace(microsecond=0)
APP = {
    "repository": "https://github.com/acme/app",
    "ref": "refs/heads/main",
    "path": ".github/workflows/release.yml",
}


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore(now=NOW)


@pytest.fixture
def key() -> Any:
    return new_key()


@pytest.fixture
def policy(tmp_path: Path, sigstore: Sigstore, key: Any) -> Policy:
    """The sample, with a key of the test and its instance in the place of the public one."""
    folder = tmp_path / "policy"
    shutil.copytree(SAMPLE, folder)
    (folder / "release.pub").write_bytes(public_pem(key))
    (folder / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(
        text.replace("    signers:", "    trusted-roots: [root.json]\n    signers:")
    )
    return Policy.load("policy.yaml", directory=folder, environment={})


def everything(sigstore: Sigstore, key: Any) -> dict[str, bytes]:
    """What satisfies each rule, by its words."""
    release = Signing(claims=GITHUB_CLAIMS, at=NOW)
    nightly = Signing(subject=NIGHTLY, at=NOW)
    person = Signing(subject="alice@example.com", issuer="https://accounts.google.com", at=NOW)
    built = {
        "buildDefinition": {"externalParameters": {"workflow": APP}},
        "runDetails": {"builder": {"id": "x"}},
    }
    scanned = {"metadata": {"scanFinishedOn": (NOW - timedelta(hours=1)).isoformat()}}
    sbom = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}
    return {
        "signed by the workflow": sigstore.signature(DIGEST, release),
        "signed with the key": sigstore.signature(DIGEST, Signing(key=key, log=0)),
        "provenance": sigstore.attestation(DIGEST, "https://slsa.dev/provenance/v1", built, release),
        "list of contents": sigstore.attestation(DIGEST, "https://spdx.dev/Document", sbom, release),
        "scan": sigstore.attestation(
            DIGEST, "https://cosign.sigstore.dev/attestation/vuln/v1", scanned, nightly
        ),
        "review": sigstore.attestation(
            DIGEST, "https://example.com/review/v1", {"decision": "approved"}, person
        ),
    }


def outcomes(folder: Path, policy: Policy, bundles: Mapping[str, bytes]) -> dict[str, str]:
    (folder / "all.jsonl").write_bytes(b"\n".join(bundles.values()))
    image = write_directory(oci_layout({"": CLEAN_IMAGE}), folder / "image")
    report = check([f"oci:{image}"], policy, RunSettings(bundles=(str(folder / "all.jsonl"),)))
    return {result.rule: result.outcome for result in report.verdicts[0].results}


@pytest.mark.parametrize(
    ("missing", "fails"),
    [
        ("nothing", set()),
        ("signed by the workflow", {"signed"}),
        ("signed with the key", {"signed"}),
        ("provenance", {"provenance"}),
        ("list of contents", {"sbom-attested"}),
        ("scan", {"scan-attested"}),
        ("review", {"attested"}),
    ],
)
def test_the_sample_policy(
    missing: str, fails: set[str], tmp_path: Path, policy: Policy, sigstore: Sigstore, key: Any
) -> None:
    bundles = {name: one for name, one in everything(sigstore, key).items() if name != missing}
    found = outcomes(tmp_path, policy, bundles)
    assert {rule for rule, outcome in found.items() if outcome is not Outcome.PASS} == fails
    assert set(found) == {"attested", "provenance", "sbom-attested", "scan-attested", "signed"}


def test_the_sample_loads_as_it_is() -> None:
    policy = Policy.load(str(SAMPLE / "policy.yaml"))
    assert policy.named_files == ("release.pub",)


DOCUMENT = (ROOT / "docs" / "signing-policies.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("text", SHOWN)
def test_policies_that_the_document_shows(text: str, tmp_path: Path, sigstore: Sigstore, key: Any) -> None:
    (tmp_path / "release.pub").write_bytes(public_pem(key))
    (tmp_path / "trusted_root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "policy.yaml").write_text(text)
    assert Policy.load("policy.yaml", directory=tmp_path, environment={}).settings


def test_the_document_shows_some() -> None:
    assert len(SHOWN) == 4
