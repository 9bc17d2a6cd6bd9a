"""The client of the conformance suite, called as the suite calls it; the suite itself is not part of the tests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import verify_bundle
from tests.kit.sigstore import ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.transparency_log import canonical

INSTANCE = Sigstore()
KEY = new_key()
ARTIFACT = b"artifact\n"
DIGEST = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest()}"
NAMED = ("--certificate-identity", WORKFLOW, "--certificate-oidc-issuer", ISSUER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_bytes(ARTIFACT)
    (tmp_path / "bundle").write_bytes(INSTANCE.signature(DIGEST))
    (tmp_path / "keyed").write_bytes(INSTANCE.signature(DIGEST, Signing(key=KEY, log=0)))
    (tmp_path / "key.pub").write_bytes(public_pem(KEY))
    (tmp_path / "root.json").write_bytes(canonical(INSTANCE.trusted_root()))
    return tmp_path


def verify(folder: Path, artifact: str, *options: str, bundle: str = "bundle") -> int:
    root = ("--trusted-root", str(folder / "root.json"))
    return verify_bundle.main(["verify-bundle", "--bundle", str(folder / bundle), *options, *root, artifact])


def test_a_file_and_its_digest_are_accepted(folder: Path) -> None:
    assert verify(folder, str(folder / "a.txt"), *NAMED) == 0
    assert verify(folder, DIGEST, *NAMED) == 0


def test_a_key_is_accepted_without_a_log(folder: Path) -> None:
    assert verify(folder, DIGEST, "--key", str(folder / "key.pub"), bundle="keyed") == 0


@pytest.mark.parametrize(
    ("artifact", "options", "reason"),
    [
        ("sha256:" + "0" * 64, NAMED, "it is about another artifact"),
        (DIGEST, (*NAMED[:3], "https://example.com"), "it was signed by"),
        (DIGEST, ("--certificate-identity", "x", *NAMED[2:]), "it was signed by"),
        (DIGEST, (), "it was signed by"),
        (DIGEST, ("--key", "key.pub"), "it was signed with a certificate, and a key was given"),
        ("nowhere", NAMED, "No such file"),
    ],
)
def test_anything_else_is_refused(
    folder: Path,
    artifact: str,
    options: tuple[str, ...],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify(folder, artifact, *options) == 1
    assert reason in capsys.readouterr().err


def test_there_is_no_root_for_staging(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify-bundle", "--staging", "--bundle", str(folder / "bundle"), *NAMED, DIGEST]
    assert verify_bundle.main(arguments) == 1
    assert "there is no root for the staging instance" in capsys.readouterr().err


def test_the_entry_point(folder: Path) -> None:
    client = Path(__file__).parent / "client"
    root = ["--trusted-root", str(folder / "root.json")]
    command = [str(client), "verify-bundle", "--bundle", str(folder / "bundle"), *NAMED, *root, DIGEST]
    done = subprocess.run(command, env={"PYTHON": sys.executable}, capture_output=True, check=False)
    assert (done.returncode, done.stdout[:9]) == (0, b"accepted:"), done.stderr
