"""`image-gate signatures` and `image-gate policy suggest`: what is there, and the policy that it would satisfy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samples.images.builder import Platform, Settings, build_image, build_index
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.cli.conftest import Program
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.sigstore import GITHUB_CLAIMS, ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.stored_signatures import attach

NAME = "shop/api"
ARM = build_image([layer_of({"a": file("arm")})], Settings(None, Platform("linux", "arm64", "v8")))
INDEX = build_index([CLEAN_IMAGE, ARM])
SUBJECT = CLEAN_IMAGE.manifest
ENTRY = {
    "repository": "acme/app",
    "workflow": ".github/workflows/release.yml",
    "ref": "refs/heads/main",
    "trigger": "push",
}
SBOM = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}
KEYS = ("--key", "key.pub", "--trusted-root", "root.json")


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def key() -> Any:
    return new_key()


@pytest.fixture
def registry(tmp_path: Path, sigstore: Sigstore, key: Any) -> Iterator[Registry]:
    """A registry with an index; `root.json` and `key.pub` lie in the working directory."""
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    with serving_registry({f"{NAME}:all": INDEX}) as serving:
        yield serving


@pytest.fixture
def signed(registry: Registry, sigstore: Sigstore, key: Any) -> Registry:
    """The index is signed by a workflow, one image by a key and by a stranger; and there is a list of contents."""
    by_workflow = Signing(claims=GITHUB_CLAIMS)
    attach(registry, NAME, INDEX.manifest, sigstore.signature(INDEX.manifest.digest, by_workflow))
    sbom = sigstore.attestation(INDEX.manifest.digest, "https://spdx.dev/Document/v2.3", SBOM, by_workflow)
    attach(registry, NAME, INDEX.manifest, sbom)
    attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0)))
    attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=new_key(), log=0)))
    return registry


def image(registry: Registry) -> str:
    return f"docker://{registry.host}/{NAME}:all"


def test_everything_that_was_found_as_text(signed: Registry, inside: Program) -> None:
    done = inside("signatures", image(signed), *KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 signatures, 1 attestations, 1 refused, of sha256:")
    assert f"signature of the index {INDEX.manifest.digest}" in lines
    assert f"  by {WORKFLOW} (issuer {ISSUER})" in lines
    assert (
        "  satisfies signed: {signers: [{github: {repository: 'acme/app', workflow: '.github/workflows/release.yml', "
        "ref: 'refs/heads/main', trigger: 'push'}}]}"
    ) in lines
    assert "  satisfies signed: {signers: [{key: 'key.pub'}]}" in lines
    assert "attestation https://spdx.dev/Document/v2.3 of the index" in done.stdout
    assert "refused: it was made by none of the trusted keys, or over other bytes" in lines


def test_everything_that_was_found_as_json(signed: Registry, inside: Program) -> None:
    done = inside("signatures", image(signed), *KEYS, "--format", "json")
    found = json.loads(done.stdout)
    assert found["digests"] == [SUBJECT.digest, INDEX.manifest.digest, ARM.manifest.digest]
    (workflow,) = (one for one in found["verified"] if one["issuer"] and one["type"] == "signature")
    assert workflow["identity"] == WORKFLOW
    assert workflow["satisfies"] == {"signed": {"signers": [{"github": ENTRY}]}}
    assert workflow["signed_at"] == "2026-01-15T12:00:00+00:00"
    assert (workflow["of_index"], workflow["about"]) == (True, INDEX.manifest.digest)
    assert len(found["refused"]) == 1
    assert found["problems"] == []


def test_without_signatures(registry: Registry, program: Program) -> None:
    done = program("signatures", image(registry))
    assert done.returncode == 0
    assert done.stdout.startswith("0 signatures, 0 attestations, 0 refused, of sha256:")
    done = program("policy", "suggest", image(registry))
    assert done.returncode == 3
    assert "has no signature that holds" in done.stderr
    assert done.stdout == ""


def test_a_verdict_alone_makes_no_policy(
    registry: Registry, inside: Program, sigstore: Sigstore, key: Any
) -> None:
    """One without rules would be refused, and one that asks for its own verdicts could never be satisfied first."""
    kind = "https://slsa.dev/verification_summary/v1"
    attach(
        registry,
        NAME,
        INDEX.manifest,
        sigstore.attestation(INDEX.manifest.digest, kind, {}, Signing(key=key, log=0)),
    )
    done = inside("policy", "suggest", image(registry), "--key", "key.pub")
    assert (done.returncode, done.stdout) == (3, "")


def test_a_place_without_an_answer(signed: Registry, inside: Program) -> None:
    signed.faults.append(Fault("referrers", "403"))
    done = inside("signatures", image(signed), *KEYS)
    assert done.returncode == 3
    assert "no answer: " in done.stdout
    done = inside("policy", "suggest", image(signed), *KEYS)
    assert (done.returncode, done.stdout) == (3, "")


def test_a_suggested_policy_passes(signed: Registry, inside: Program, tmp_path: Path) -> None:
    done = inside("policy", "suggest", image(signed), *KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2:] == [
        "schema: 1",
        "rules:",
        "  signed:",
        "    signers:",
        "    - {key: key.pub}",
        "    - github: {repository: acme/app, workflow: .github/workflows/release.yml, ref: refs/heads/main, trigger: push}",
        "    trusted-roots: [root.json]",
        "  sbom-attested:",
        "    signers:",
        "    - github: {repository: acme/app, workflow: .github/workflows/release.yml, ref: refs/heads/main, trigger: push}",
        "    trusted-roots: [root.json]",
    ]
    (tmp_path / "policy.yaml").write_text(done.stdout)
    judged = inside("check", image(signed), "--policy", "policy.yaml", "--verbose")
    assert judged.returncode == 0, judged.stdout
    assert f"signed by {WORKFLOW}" in " ".join(judged.stdout.split())


def test_hostile_text_is_safe_to_show(
    registry: Registry, inside: Program, sigstore: Sigstore, key: Any
) -> None:
    signing = Signing(key=key, log=0)
    attach(
        registry,
        NAME,
        SUBJECT,
        sigstore.attestation(SUBJECT.digest, "https://x\x1b[2J::error::", {}, signing),
    )
    done = inside("signatures", image(registry), *KEYS)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "::error::" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--key", "gone.pub"), "gone.pub cannot be read"),
        (("--key", "root.json"), "root.json holds no public key"),
        (("--trusted-root", "key.pub"), "key.pub is not valid JSON"),
        (("--bundle", "gone.json"), "the bundle 'gone.json' cannot be read"),
    ],
)
def test_files_that_cannot_be_used(
    arguments: tuple[str, ...], what: str, registry: Registry, inside: Program
) -> None:
    done = inside("signatures", image(registry), *arguments)
    assert done.returncode == 2
    assert what in done.stderr


def test_a_key_that_is_none_is_found_where_a_policy_is_validated(inside: Program, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text("no key")
    (tmp_path / "policy.yaml").write_text("schema: 1\nrules: {signed: {signers: [{key: key.pub}]}}\n")
    done = inside("policy", "validate", "policy.yaml")
    assert done.returncode == 2
    assert "key.pub holds no public key" in done.stderr
