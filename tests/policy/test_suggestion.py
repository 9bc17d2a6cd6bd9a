"""The entries by which a policy lists the signers that are there, and the rules that they satisfy."""

from __future__ import annotations

from typing import Any

import pytest

from gate.evidence import Identity, Signer
from gate.options import Mark, Node, decode
from gate.policy.suggestion import signer_entry, suggested
from gate.rules._signer import SignerEntry
from tests.kit.vouched import GITHUB, WORKFLOW, attestation, fingerprint, key, signature, workflow

KEYS = {"a.pub": frozenset({fingerprint("a")})}
APP = "https://github.com/acme/app"
SHARED = "https://github.com/acme/shared/.github/workflows/build.yml@refs/tags/v1"
PIPELINE = "https://gitlab.com/a/b//.gitlab-ci.yml@refs/tags/v1"


def gitlab(**claims: str) -> Signer:
    told = {
        "source-repository-uri": "https://gitlab.com/a/b",
        "build-config-uri": PIPELINE,
        "source-repository-ref": "refs/tags/v1",
        **claims,
    }
    return Signer(identity=Identity(PIPELINE, "uri", "https://gitlab.com", told))


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (key("a"), {"key": "a.pub"}),
        (
            workflow(),
            {
                "github": {
                    "repository": "acme/app",
                    "workflow": ".github/workflows/release.yml",
                    "ref": "refs/heads/main",
                    "trigger": "push",
                }
            },
        ),
        (
            workflow(SHARED, source_repository_ref="refs/tags/v2"),
            {
                "github": {
                    "repository": "acme/app",
                    "workflow": ".github/workflows/release.yml",
                    "signer-workflow": "acme/shared/.github/workflows/build.yml@refs/tags/v1",
                    "ref": "refs/tags/**",
                    "trigger": "push",
                }
            },
        ),
        (gitlab(), {"gitlab": {"project": "a/b", "config": ".gitlab-ci.yml", "ref": "refs/tags/**"}}),
        (
            Signer(identity=Identity("a@example.com", "email", "https://accounts.google.com")),
            {"identity": "a@example.com", "issuer": "https://accounts.google.com"},
        ),
        (
            workflow(WORKFLOW, "https://ghe.example.com"),
            {"identity": WORKFLOW, "issuer": "https://ghe.example.com"},
        ),
    ],
)
def test_signers(signer: Signer, expected: dict[str, Any]) -> None:
    entry = signer_entry(signer, KEYS)
    assert entry == expected
    decoded = decode(Node.of(entry, Mark("p", 1, 1)), SignerEntry, "it")
    assert signer.identity is None or decoded.mismatch(signer.identity) == ""


@pytest.mark.parametrize(
    "claims",
    [
        {"source_repository_uri": "https://evil.test/acme/app"},
        {"source_repository_uri": f"{APP}/*"},
        {"source_repository_ref": "main"},
        {
            "build_config_uri": "https://github.com/other/app/x.yml@refs/heads/main",
            "source_repository_ref": "*",
        },
    ],
)
def test_claims_that_no_entry_could_state_are_left_to_the_identity(claims: dict[str, str]) -> None:
    assert signer_entry(workflow(**claims), KEYS) == {"identity": WORKFLOW, "issuer": GITHUB}


def test_rules() -> None:
    provenance = {
        "buildDefinition": {
            "externalParameters": {"workflow": {"repository": APP, "ref": "refs/heads/main"}}
        },
        "runDetails": {"builder": {"id": "https://example.com/builder"}},
    }
    a = {"key": "a.pub"}
    found = [
        attestation(key("a"), "https://slsa.dev/provenance/v1", provenance),
        attestation(key("a"), "https://cyclonedx.org/bom", {}),
        attestation(key("a"), "https://cosign.sigstore.dev/attestation/vuln/v1", {}),
        attestation(key("a"), "https://example.com/b", {}),
        attestation(key("a"), "https://example.com/a", {}),
    ]
    assert suggested([signature(key("a")), signature(key("a"))], found, KEYS) == {
        "signed": {"signers": [a]},
        "attested": {
            "signers": [a],
            "required": [{"type": "https://example.com/a"}, {"type": "https://example.com/b"}],
        },
        "provenance": {"signers": [a], "builder": "https://example.com/builder", "source": APP},
        "sbom-attested": {"signers": [a]},
        "scan-attested": {"signers": [a]},
    }
    assert suggested([], [], {}) == {}


@pytest.mark.parametrize(
    ("builder", "suggests"),
    [
        (WORKFLOW, WORKFLOW),
        (
            f"{APP}/.github/workflows/r.yml@refs/tags/v1.2.3",
            f"{APP}/.github/workflows/r.yml@refs/tags/**",
        ),
        (f"{APP}/**", None),
        ("**", None),
        (f"{APP}/.*", None),
        ("", None),
    ],
)
def test_the_builder_of_the_next_release_is_meant_as_well_and_none_that_a_signer_made_up(
    builder: str, suggests: str | None
) -> None:
    """GitHub's builder states the tag that it ran at; and what a predicate states is no pattern of ours."""
    predicate = {"runDetails": {"builder": {"id": builder}}}
    found = [attestation(key("a"), "https://slsa.dev/provenance/v1", predicate)]
    assert suggested([], found, KEYS)["provenance"].get("builder") == suggests


@pytest.mark.parametrize("kind", ["https://slsa.dev/verification_summary/v1", "urn:image-gate:verdict:v1"])
def test_a_verdict_is_not_required_by_the_policy_that_it_is_made_under(kind: str) -> None:
    assert suggested([], [attestation(key("a"), kind, {})], KEYS) == {}
