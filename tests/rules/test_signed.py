"""Whose signatures count, how many are needed, and what is said of the others."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import IntegrityError, InvalidInput, Unavailable
from gate.evidence import RefusedSignature, Signature, TrustRequest
from gate.rule import Finding, Remark
from gate.rules.signed import SignedOptions, check
from tests.kit.trees import messages, remarks
from tests.kit.vouched import (
    GITHUB,
    INDEX,
    MANIFEST,
    WORKFLOW,
    fingerprint,
    key,
    options,
    refused,
    signature,
    signatures,
    workflow,
)

IDENTITY = {"identity": WORKFLOW, "issuer": GITHUB}
A, B = {"key": "a.pub"}, {"key": "b.pub"}


def run(
    *found: Signature | RefusedSignature, missing: tuple[Unavailable, ...] = (), **given: Any
) -> list[Finding | Remark]:
    told = options(SignedOptions, **given)
    return list(check(signatures(told, *found, missing=missing), told))


def test_a_signature_of_a_listed_key_passes_and_is_told() -> None:
    found = run(signature(key("a")))
    assert messages(found) == []
    assert remarks(found) == [
        f"signed by the key {fingerprint('a')} (manifest sha256:1, at a time that nobody attests)"
    ]


def test_a_signature_of_a_listed_identity_passes_and_is_told() -> None:
    found = run(signature(workflow()), signers=[IDENTITY])
    assert messages(found) == []
    assert remarks(found) == [
        f"signed by {WORKFLOW} (issuer {GITHUB}) (manifest sha256:1, log log.test, index 7, 2026-01-15 12:00:00 UTC)"
    ]


def test_none_is_a_finding() -> None:
    (finding,) = run()
    assert isinstance(finding, Finding)
    assert (finding.id, finding.message) == (
        "none",
        f"there are no signatures of {MANIFEST.short} or {INDEX.short}",
    )
    assert finding.details == {
        "digests": [str(MANIFEST), str(INDEX)],
        "signers": ["key a.pub"],
        "needed": 1,
        "accepted": [],
        "refused": [],
        "refused_count": 0,
    }


def test_no_answer_is_unknown() -> None:
    with pytest.raises(Unavailable, match="no network; no rights"):
        run(missing=(Unavailable("no network"), Unavailable("no rights")))
    with pytest.raises(Unavailable, match="no network") as raised:
        run(signature(key("b")), missing=(IntegrityError("no network"),))
    assert raised.value.blocks


def test_where_it_suffices_nothing_else_matters() -> None:
    found = run(refused("broken"), signature(key("a")), missing=(IntegrityError("x"),))
    assert messages(found) == []
    assert remarks(found)[1:] == ["does not count: broken (manifest sha256:3)"]


def test_an_attestation_beside_a_signature_is_nothing_odd() -> None:
    attested = RefusedSignature("sha256:4", "a place", "it is an attestation", attested=True)
    assert len(remarks(run(attested, signature(key("a"))))) == 1
    assert "it is an attestation" in messages(run(attested))[0]


def test_what_was_found_and_does_not_count_is_told() -> None:
    (finding,) = run(refused("broken"), refused("broken"), refused("forged"), signature(key("b")))
    assert isinstance(finding, Finding)
    assert finding.id == "refused"
    assert finding.message == (
        f"none of the signatures of {MANIFEST.short} or {INDEX.short} counts: "
        f"it was signed by the key {fingerprint('b')}, which the policy does not list; broken; forged"
    )
    assert finding.details["refused_count"] == 4
    assert finding.details["refused"][1] == {  # type: ignore[index]
        "manifest": "sha256:3",
        "place": "a place",
        "reason": "broken",
    }


def test_many_reasons_are_counted() -> None:
    (finding,) = run(*(refused(f"reason {number}" + "x" * 900) for number in range(100)))
    assert isinstance(finding, Finding)
    assert finding.message.endswith("; and 97 other reasons")
    assert len(finding.message) < 2_000
    assert len(finding.details["refused"]) == 20  # type: ignore[arg-type]


# --- how many ---


def test_two_signers_are_two_signers() -> None:
    two: dict[str, Any] = {"signers": [A, B, IDENTITY], "threshold": 2}
    assert messages(run(signature(key("a")), signature(key("b")), **two)) == []
    assert messages(run(signature(key("b")), signature(workflow()), **two)) == []
    (finding,) = run(signature(key("a")), signature(key("a")), **two)
    assert isinstance(finding, Finding)
    assert (finding.id, finding.message) == ("too-few", "1 of 2 signers that are needed")
    assert len(finding.details["accepted"]) == 1  # type: ignore[arg-type]


def test_one_signer_who_is_listed_twice_counts_once() -> None:
    pattern = {"identity": "https://github.com/acme/**", "issuer": GITHUB}
    two: dict[str, Any] = {"signers": [IDENTITY, pattern], "threshold": 2}
    assert messages(run(signature(workflow()), **two))
    other = workflow("https://github.com/acme/app/.github/workflows/other.yml@refs/heads/main")
    assert messages(run(signature(other), signature(workflow()), **two)) == []
    assert messages(run(signature(other), signature(other), **two))


@given(st.lists(st.sets(st.sampled_from("abcd")), max_size=4), st.integers(1, 4))
def test_signers_are_matched_with_the_list(able: list[set[str]], threshold: int) -> None:
    """Entries overlap; it passes if, and only if, so many signers can stand each for an entry of its own."""
    entries = [{"identity": f"https://github.com/o/*{letter}*", "issuer": GITHUB} for letter in "abcd"]
    people = [f"https://github.com/o/{who}-{''.join(sorted(fits))}" for who, fits in enumerate(able)]
    found = [signature(workflow(one)) for one in people]
    at_once = max(
        sum(letter in fits for letter, fits in zip(order, able, strict=False))
        for order in permutations("abcd")
    )
    assert bool(messages(run(*found, signers=entries, threshold=threshold))) is (at_once < threshold)


# --- what a signature is about, and claims ---


def test_the_index_counts_unless_the_policy_says_otherwise() -> None:
    found = run(signature(key("a"), INDEX))
    assert messages(found) == []
    assert f"of the index {INDEX.short}" in remarks(found)[0]
    (message,) = messages(run(signature(key("a"), INDEX), index=False))
    assert "only the index was signed, which the policy does not accept" in message
    assert messages(run(signature(key("a")), index=False)) == []


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "nothing"),
        ({"env": "test"}, "'test'"),
        ({"env": "prod "}, "'prod '"),
        ({"Env": "prod"}, "nothing"),
    ],
)
def test_claims_must_have_been_signed_along(stated: dict[str, str], said: str) -> None:
    (message,) = messages(run(signature(key("a"), MANIFEST, **stated), claims={"env": "prod"}))
    assert f"it claims {said} as env, not 'prod'" in message
    assert messages(run(signature(key("a"), env="prod", more="x"), claims={"env": "prod"})) == []


# --- what a policy may say ---


def test_what_is_verified_with() -> None:
    assert options(SignedOptions).trust == TrustRequest(("a.pub",))
    mixed = options(SignedOptions, signers=[A, IDENTITY])
    assert mixed.trust == TrustRequest(("a.pub",), ("public-good",))
    stated = options(
        SignedOptions,
        signers=[A, IDENTITY],
        trusted_roots=["root.json", "public-good"],
        dangerously_accept_without=["sct", "log", "sct"],
    )
    assert stated.trust == TrustRequest(("a.pub",), ("root.json", "public-good"), False, ("log", "sct"))
    logged = options(SignedOptions, keys_need_log=True)
    assert logged.trust == TrustRequest(("a.pub",), ("public-good",), True)
    assert stated.trust_files == ("a.pub", "root.json")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"signers": []}, "an empty list"),
        ({"threshold": 2}, "threshold is 2, and there are 1 signers"),
        ({"threshold": 0}, "allowed: a whole number, at least 1"),
        ({"trusted_roots": ["root.json"]}, "only keys are listed"),
        ({"signers": [{}]}, "a signer is one of"),
        ({"signers": [{"key": "a.pub", "identity": WORKFLOW}]}, "a signer is one of"),
        ({"signers": [{"identity": WORKFLOW}]}, "an identity needs its issuer"),
        ({"signers": [{"key": "a.pub", "issuer": GITHUB}]}, "a key has no issuer"),
        ({"signers": [{"identity": WORKFLOW, "issuer": ".*"}]}, "reads as a regular expression"),
        ({"signers": [{"identity": WORKFLOW, "issuer": "https://*"}]}, "is not one issuer"),
        ({"signers": [{"identity": WORKFLOW, "issuer": "accounts"}]}, "is not one issuer"),
        ({"signers": [{"identity": "^https://github.com/acme/", "issuer": GITHUB}]}, "reads as a regular"),
        ({"signers": [{"identity": "*", "issuer": GITHUB}]}, "of owners that nobody named"),
        ({"dangerously_accept_without": ["signature"]}, "allowed: log, sct, timestamp"),
        ({"signers": [{"github": {"repository": "acme"}}]}, "is no repository"),
        ({"signers": [{"github": {"repository": "acme/*"}}]}, "is no repository"),
        ({"signers": [{"github": {"repository": "acme/app", "ref": "main"}}]}, "is no full ref"),
        ({"signers": [{"github": {}}]}, "lacks the key 'repository'"),
    ],
)
def test_what_is_refused_when_a_policy_is_loaded(given: Any, what: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        options(SignedOptions, **given)
    assert what in str(raised.value)
    assert "p:1:1" in str(raised.value)
