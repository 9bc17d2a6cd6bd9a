"""The signature beside a release: what is there must hold, be of the project's own workflow, and be about these very bytes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.limits import LIMITS
from gate.registry import RegistrySettings
from gate.scanners import Approval, approval, grype
from gate.scanners.install import SIGNATURE, Order, install
from gate.scanners.release_signature import verified
from gate.signatures import trust
from samples.databases.oci_artifact import Served
from tests.kit.loopback import serving
from tests.kit.sigstore import ISSUER, Signing, Sigstore, bundle_of, new_key, statement
from tests.kit.transparency_log import b64
from tests.scanners.test_install import PROGRAM, RELEASE, archive, installed, known, left, sha256

WORKFLOW = "https://github.com/aquasecurity/trivy/.github/workflows/reusable-release.yaml@refs/tags/v0.76.0"
GITHUB = "https://token.actions.githubusercontent.com"
RIGHT = Signing(subject=WORKFLOW, issuer=GITHUB)
TRIVY = approval.shipped().signer("trivy")


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(autouse=True)
def _test_root(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the public instance be this one."""
    monkeypatch.setattr(trust, "public_good", lambda: sigstore.roots()[0])


def of_blob(sigstore: Sigstore, data: bytes = RELEASE, signing: Signing = RIGHT) -> bytes:
    """A bundle as `cosign sign-blob` writes it: the signature of a file."""
    signed = sigstore.sign(data, replace(signing, payload_type=""))
    found = bundle_of(signed)
    del found["dsseEnvelope"]
    digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(data).digest())}
    found["messageSignature"] = {"messageDigest": digest, "signature": b64(signed.signature)}
    return json.dumps(found).encode()


def of_statement(sigstore: Sigstore, data: bytes = RELEASE, signing: Signing = RIGHT) -> bytes:
    """A bundle as `cosign attest-blob` writes it: a statement about a file."""
    return json.dumps(
        sigstore.bundle(statement(sha256(data), "https://example.com/release"), signing)
    ).encode()


@pytest.mark.parametrize("shape", [of_blob, of_statement])
@pytest.mark.parametrize("version", ["0.76.0", ""])
def test_a_signature_of_the_project_s_workflow(shape: Any, version: str, sigstore: Sigstore) -> None:
    assert TRIVY is not None
    signer = verified(shape(sigstore), sha256(RELEASE), TRIVY, version)
    assert signer.identity is not None
    assert signer.identity.subject == WORKFLOW


WRONG: dict[str, tuple[Callable[[Sigstore], bytes], str]] = {
    "another file": (lambda s: of_blob(s, b"other"), "it is about another file"),
    "a statement on another file": (lambda s: of_statement(s, b"other"), "it is about another file"),
    "another version": (lambda s: of_blob(s, signing=replace(RIGHT, subject=WORKFLOW.replace("76", "75"))), "v0.75.0 "),
    "another workflow": (lambda s: of_blob(s, signing=replace(RIGHT, subject=WORKFLOW.replace("reusable-", ""))), "it is of https"),
    "a longer name": (lambda s: of_blob(s, signing=replace(RIGHT, subject=f"{WORKFLOW}1")), "it is of https"),
    "another repository": (lambda s: of_blob(s, signing=replace(RIGHT, subject=WORKFLOW.replace("aqua", "agua"))), "it is of https"),
    "another issuer": (lambda s: of_blob(s, signing=replace(RIGHT, issuer=f"{ISSUER}.evil")), ".evil)"),
    "a key": (lambda s: of_blob(s, signing=Signing(key=new_key())), "it was signed with a key, and no key is trusted"),
    "no log": (lambda s: of_blob(s, signing=replace(RIGHT, log=0)), "it is in no transparency log"),
    "another instance": (lambda _: of_blob(Sigstore("other.test")), "which is no authority of the root"),
    "no bundle": (lambda _: b"{}", "the bundle is of the unknown type"),
    "no JSON": (lambda _: b"\xff", "is not valid UTF-8"),
    "nothing": (lambda _: b"", "JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_any_other_is_refused(case: str, sigstore: Sigstore) -> None:
    assert TRIVY is not None
    made, reason = WRONG[case]
    with pytest.raises(IntegrityError) as caught:
        verified(made(sigstore), sha256(RELEASE), TRIVY, "0.76.0")
    assert caught.value.message.startswith("the signature of the release of trivy does not count: ")
    assert reason in caught.value.message


@pytest.mark.parametrize("version", ["latest", "0.76", "0.76.0-rc1", "0.76.0/x", "0.76.0\n"])
def test_without_a_known_version_it_is_still_one(version: str, sigstore: Sigstore) -> None:
    assert TRIVY is not None
    odd = replace(RIGHT, subject=WORKFLOW.replace("0.76.0", version))
    with pytest.raises(IntegrityError):
        verified(of_blob(sigstore, signing=odd), sha256(RELEASE), TRIVY, "")


def test_without_a_root_nothing_is_verified(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise Unavailable("there is no root")

    monkeypatch.setattr(trust, "public_good", gone)
    assert TRIVY is not None
    with pytest.raises(Unavailable, match="there is no root"):
        verified(of_blob(sigstore), sha256(RELEASE), TRIVY, "")


# --- installing ---


def served(data: bytes | None) -> dict[str, Served]:
    """A mirror with the archive, and with this signature."""
    paths = {"/x/trivy.tar.gz": Served("application/gzip", RELEASE)}
    if data is not None:
        paths[f"/x/trivy.tar.gz{SIGNATURE}"] = Served("application/json", data)
    return paths


def test_the_signature_of_a_mirror_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    with serving(served(of_blob(sigstore))) as server:
        done = installed(tmp_path, f"http://{server.host}/x/trivy.tar.gz?token=1")
        assert server.requests == ["GET /x/trivy.tar.gz", f"GET /x/trivy.tar.gz{SIGNATURE}"]
    assert done.signature.startswith(f"its release was signed by {WORKFLOW}, log index ")


def test_one_that_does_not_hold_keeps_a_known_archive_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    with serving(served(of_blob(sigstore, b"other"))) as server, pytest.raises(IntegrityError):
        installed(tmp_path, f"http://{server.host}/x/trivy.tar.gz")
    assert left(tmp_path) == []


def test_without_one_the_digest_alone_decides_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    with serving(served(None)) as server:
        done = installed(tmp_path, f"http://{server.host}/x/trivy.tar.gz")
    assert done.signature == "no signature was found beside it, so its digest alone decided"


def test_a_signature_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    (tmp_path / "trivy.tar.gz").write_bytes(RELEASE)
    beside = tmp_path / f"trivy.tar.gz{SIGNATURE}"
    assert "no signature" in installed(tmp_path, str(tmp_path / "trivy.tar.gz")).signature
    beside.write_bytes(of_statement(sigstore))
    assert "was signed by" in installed(tmp_path, str(tmp_path / "trivy.tar.gz")).signature
    beside.write_bytes(b"{}")
    with pytest.raises(IntegrityError):
        installed(tmp_path, str(tmp_path / "trivy.tar.gz"))


GRYPE_WORKFLOW = "https://github.com/anchore/grype/.github/workflows/release.yaml@refs/heads/main"
GRYPE = archive(("grype", b"#!/bin/sh\n"))
CHECKSUMS = (
    f"{'1' * 64}  grype_0.121.2_linux_arm64.tar.gz\n{sha256(GRYPE)[7:]}  grype_0.121.2_linux_amd64.tar.gz\n"
)


def grype_installed(tmp_path: Path, version: str = "0.121.2") -> str:
    order = Order(grype.REQUIREMENT, version, "linux/amd64", str(tmp_path / "g.tar.gz"), tmp_path / "bin")
    told = Approval(programs=(sha256(GRYPE),))
    return install(order, told, RegistrySettings(), Deadline(30)).signature


def test_the_signature_of_checksums_is_one_of_what_they_list(tmp_path: Path, sigstore: Sigstore) -> None:
    (tmp_path / "g.tar.gz").write_bytes(GRYPE)
    assert "no signature was found" in grype_installed(tmp_path)
    right = replace(RIGHT, subject=GRYPE_WORKFLOW)
    checksums = tmp_path / "grype_0.121.2_checksums.txt"
    beside = tmp_path / f"{checksums.name}{SIGNATURE}"
    checksums.write_text(CHECKSUMS)
    beside.write_bytes(of_blob(sigstore, CHECKSUMS.encode(), right))
    assert f"was signed by {GRYPE_WORKFLOW}, log index" in grype_installed(tmp_path)
    assert "no signature was looked for" in grype_installed(tmp_path, "")
    for wrong, reason in (
        (CHECKSUMS.replace(sha256(GRYPE)[7:], "2" * 64), "do not list this archive"),
        (f"{CHECKSUMS}{'3' * 64}  more\n", "it is about another file"),
    ):
        checksums.write_text(wrong)
        with pytest.raises(IntegrityError, match=reason):
            grype_installed(tmp_path)
    checksums.write_text(CHECKSUMS)
    beside.write_bytes(of_blob(sigstore, CHECKSUMS.encode()))
    with pytest.raises(IntegrityError, match=r"it is of https://github\.com/aquasecurity"):
        grype_installed(tmp_path)


def test_a_signature_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    monkeypatch.setattr("gate.scanners.install.LIMITS", replace(LIMITS, signature=1000))
    with (
        serving(served(of_blob(sigstore))) as server,
        pytest.raises(Unavailable, match="more than 1,000 bytes"),
    ):
        installed(tmp_path, f"http://{server.host}/x/trivy.tar.gz")


def test_what_verifies_is_imported_only_for_a_signature() -> None:
    code = "import sys, gate.scanners.install; sys.exit('gate.signatures' in sys.modules or 'sigstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
