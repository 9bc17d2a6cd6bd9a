"""Whole runs: images in a registry, signed in every way, judged under a policy that a user would write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gate.pipeline import RunSettings, check
from gate.policy.policy import Policy
from gate.verdict import Report, Status
from samples.images.builder import Platform, Settings, build_image, build_index
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.sigstore import ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.stored_signatures import (
    attach,
)

NAME = "shop/api"
ARM = build_image([layer_of({"a": file("arm")})], Settings(None, Platform("linux", "arm64", "v8")))
INDEX = build_index([CLEAN_IMAGE, ARM], attested=True)
SUBJECT = CLEAN_IMAGE.manifest
IDENTITY = f"{{identity: '{WORKFLOW}', issuer: '{ISSUER}'}}"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def key() -> Any:
    return new_key()


class Judge:
    """Judges images under a policy whose folder holds `root.json` and `key.pub`."""

    def __init__(self, folder: Path, sigstore: Sigstore, key: Any) -> None:
        self.folder = folder
        (folder / "root.json").write_text(json.dumps(sigstore.trusted_root()))
        (folder / "key.pub").write_bytes(public_pem(key))

    def policy(self, rules: str) -> Policy:
        (self.folder / "policy.yaml").write_text(f"schema: 1\nrules:\n  {rules}\n")
        return Policy.load("policy.yaml", directory=self.folder, environment={})

    def signed(self, signers: str, more: str = "") -> Policy:
        return self.policy(f"signed: {{signers: [{signers}]{more}}}")

    def __call__(self, reference: str, policy: Policy, **settings: Any) -> Report:
        return check([reference], policy, RunSettings(**settings))


@pytest.fixture
def judge(tmp_path: Path, sigstore: Sigstore, key: Any) -> Judge:
    return Judge(tmp_path, sigstore, key)


@contextmanager
def serving(*faults: Fault, **behaviour: Any) -> Iterator[Registry]:
    with serving_registry(
        {f"{NAME}:1.4": CLEAN_IMAGE, f"{NAME}:all": INDEX}, faults, **behaviour
    ) as registry:
        yield registry


def reason(report: Report) -> str:
    """Why the one rule does not pass."""
    (result,) = report.verdicts[0].results
    return result.reason or result.findings[0].message


def test_a_key(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    policy = judge.signed("{key: key.pub}")
    with serving() as registry:
        image = f"docker://{registry.host}/{NAME}:1.4"
        assert reason(judge(image, policy)) == f"there are no signatures of {SUBJECT.digest[:19]}"
        manifest = attach(
            registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0))
        )
        report = judge(image, policy)
        assert report.status is Status.PASS
        (result,) = report.verdicts[0].results
        (remark,) = result.remarks
        assert remark.message.startswith("signed by the key sha256:")
        assert remark.message.endswith(f"(manifest {manifest.digest}, at a time that nobody attests)")


def test_an_identity(judge: Judge, sigstore: Sigstore) -> None:
    policy = judge.signed(IDENTITY, ", trusted-roots: [root.json]")
    with serving() as registry:
        image = f"docker://{registry.host}/{NAME}:1.4"
        manifest = attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest))
        report = judge(image, policy)
        assert report.status is Status.PASS, reason(report)
        (remark,) = report.verdicts[0].results[0].remarks
        assert remark.message == (
            f"signed by {WORKFLOW} (issuer {ISSUER}) (manifest {manifest.digest}, "
            "log https://rekor.sigstore.test, index 0, 2026-01-15 12:00:00 UTC)"
        )
