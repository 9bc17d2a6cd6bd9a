"""What the kit's Sigstore signs, the real cosign accepts as well: tests against it are tests against the formats."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import Tools
from tests.kit.sigstore import GITHUB_CLAIMS, ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.transparency_log import canonical

pytestmark = pytest.mark.real

ARTIFACT = b"artifact\n"
DIGEST = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest()}"
PREDICATE = "https://slsa.dev/provenance/v1"
INSTANCE = Sigstore()
KEY = new_key()
NO_LOG = ("--insecure-ignore-tlog", "--use-signed-timestamps")


def cosign(tools: Tools, folder: Path, signing: Signing, *options: str) -> subprocess.CompletedProcess[str]:
    """Let cosign verify an attestation of a file that was signed so."""
    (folder / "artifact").write_bytes(ARTIFACT)
    (folder / "bundle").write_bytes(INSTANCE.attestation(DIGEST, PREDICATE, {}, signing))
    (folder / "root.json").write_bytes(canonical(INSTANCE.trusted_root()))
    (folder / "key.pub").write_bytes(public_pem(KEY))
    named = ["--certificate-identity", WORKFLOW, "--certificate-oidc-issuer", ISSUER]
    whose = ["--key", str(folder / "key.pub")] if signing.key else named
    command = [
        str(tools.path("cosign")),
        "verify-blob-attestation",
        "--type",
        "slsaprovenance1",
        *whose,
        *options,
    ]
    command += ["--bundle", str(folder / "bundle"), "--trusted-root", str(folder / "root.json")]
    return subprocess.run(
        [*command, str(folder / "artifact")],
        env={"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("signing", "options"),
    [
        (Signing(claims=GITHUB_CLAIMS), ()),
        (Signing(stamped=True), ()),
        (Signing(log=2, stamped=True), ("--use-signed-timestamps",)),
        (Signing(log=0, stamped=True), NO_LOG),
        (Signing(key=KEY), ()),
    ],
    ids=["rekor1", "rekor1-timestamp", "rekor2", "timestamp", "key"],
)
def test_cosign_accepts_it(tools: Tools, tmp_path: Path, signing: Signing, options: tuple[str, ...]) -> None:
    done = cosign(tools, tmp_path, signing, *options)
    assert (done.returncode, "Verified OK" in done.stderr) == (0, True), done.stderr


def test_cosign_refuses_a_forged_sct(tools: Tools, tmp_path: Path) -> None:
    done = cosign(tools, tmp_path, Signing(sct_key=ec.generate_private_key(ec.SECP256R1())))
    assert done.returncode != 0
    assert "failed to verify signed certificate timestamp" in done.stderr
