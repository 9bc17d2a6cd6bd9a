"""From what was found to evidence: verified, read, and of this very image; everything else refused, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.errors import Fault, IntegrityError, Unavailable
from gate.evidence import Attestations, RefusedSignature, Signatures, TrustRequest
from gate.oci.descriptor import Digest
from gate.oci.image import Opened
from gate.signatures import Refused, Trust
from gate.signatures.collect import Bundles, Searches, collected
from gate.signatures.discovery import ENVELOPE, SIMPLE_SIGNING, Candidate, Item
from gate.signatures.subjects import Subjects
from gate.signatures.trusting import Trusts, trusts_of
from gate.sources import Access
from tests.kit.sigstore import (
    COSIGN_SIGNATURE,
    IN_TOTO,
    Signing,
    Sigstore,
    new_key,
    public_pem,
    statement,
    trusted,
)
from tests.kit.transparency_log import canonical

MANIFEST, INDEX, OTHER = (Digest("sha256", letter * 64) for letter in "abc")
DIGEST = str(MANIFEST)
SUBJECTS = Subjects((MANIFEST, INDEX))
UNDER = TrustRequest(("key.pub",), ("root.json",))
PROVENANCE = "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def key() -> Any:
    return new_key()


@pytest.fixture(scope="module")
def under(sigstore: Sigstore, key: Any) -> dict[TrustRequest, Trusts]:
    return {UNDER: Trusts(Trust(keys=(trusted(key, "key.pub"),)), Trust(roots=sigstore.roots()))}


def bundle(content: bytes, number: int = 1) -> Candidate:
    return Candidate(content, "", {}, f"sha256:{number}", "a place")


def layer(media_type: str, content: bytes, annotations: dict[str, str]) -> Candidate:
    return Candidate(content, media_type, annotations, "sha256:1", "a place")


def collect(under: dict[TrustRequest, Trusts], *items: Item) -> tuple[Signatures, Attestations]:
    return collected(SUBJECTS, iter(items), under)


def accepted(under: dict[TrustRequest, Trusts], *items: Item) -> tuple[int, int]:
    """How many signatures and attestations hold."""
    signatures, attestations = collect(under, *items)
    return len(signatures.accepted[UNDER]), len(attestations.accepted[UNDER])


def reason(under: dict[TrustRequest, Trusts], item: Item) -> str:
    """Why the one item counts neither as a signature nor as an attestation."""
    signatures, attestations = collect(under, item)
    assert (signatures.accepted[UNDER], attestations.accepted[UNDER]) == ((), ())
    (refused,) = attestations.refused[UNDER]
    assert signatures.refused[UNDER] == (refused,)
    return refused.reason


# --- what counts ---


def test_a_bundle_that_signs(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    signatures, attestations = collect(under, bundle(sigstore.signature(DIGEST)))
    (one,) = signatures.accepted[UNDER]
    assert (one.manifest, one.place, one.about, one.of_index) == ("sha256:1", "a place", MANIFEST, False)
    assert one.signer.identity is not None
    assert attestations.accepted[UNDER] == ()
    assert (signatures.digests, attestations.digests) == (SUBJECTS.digests, SUBJECTS.digests)


def test_an_older_signature_with_claims(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    content, annotations = sigstore.legacy_signature(DIGEST, optional={"env": "prod"})
    signatures, _ = collect(under, layer(SIMPLE_SIGNING, content, annotations))
    assert signatures.accepted[UNDER][0].claims == {"env": "prod"}


def test_a_signature_of_a_key(under: dict[TrustRequest, Trusts], sigstore: Sigstore, key: Any) -> None:
    signing = Signing(key=key, log=0)
    content, annotations = sigstore.legacy_signature(DIGEST, signing)
    found = bundle(sigstore.signature(DIGEST, signing)), layer(SIMPLE_SIGNING, content, annotations)
    signatures, _ = collect(under, *found)
    assert [one.signer.key for one in signatures.accepted[UNDER]] == [trusted(key).fingerprint] * 2
    assert signatures.keys == {"key.pub": frozenset({trusted(key).fingerprint})}


def test_claims_of_a_bundle_stand_beside_its_subject(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore
) -> None:
    body = json.loads(statement(DIGEST))
    body["subject"] = [
        {"digest": {"sha256": OTHER.encoded}, "annotations": {"env": "test"}},
        {"digest": {"sha256": MANIFEST.encoded}, "annotations": {"env": "prod"}},
    ]
    signatures, _ = collect(under, bundle(canonical(sigstore.bundle(json.dumps(body).encode()))))
    assert signatures.accepted[UNDER][0].claims == {"env": "prod"}


def test_attestations_old_and_new(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    new = sigstore.attestation(DIGEST, PROVENANCE, {"a": 1})
    content, annotations = sigstore.legacy_attestation(statement(DIGEST, PROVENANCE, {"a": 2}))
    annotations["predicateType"] = "https://example.com/a-lie"
    _, attestations = collect(under, bundle(new), layer(ENVELOPE, content, annotations))
    found = attestations.accepted[UNDER]
    assert [(one.predicate_type, one.predicate) for one in found] == [
        (PROVENANCE, {"a": 1}),
        (PROVENANCE, {"a": 2}),
    ]


def test_what_is_about_the_index(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    signatures, _ = collect(under, bundle(sigstore.signature(str(INDEX))))
    (one,) = signatures.accepted[UNDER]
    assert (one.about, one.of_index) == (INDEX, True)


# --- what does not ---


def test_an_attestation_is_no_signature(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    signatures, attestations = collect(under, bundle(sigstore.attestation(DIGEST, PROVENANCE, {})))
    assert signatures.accepted[UNDER] == ()
    assert [one.reason for one in signatures.refused[UNDER]] == [
        f"it is an attestation ({PROVENANCE}), and only a signature counts as one"
    ]
    assert signatures.refused[UNDER][0].attested
    assert attestations.refused[UNDER] == ()


def test_a_signature_of_another_image(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    content, annotations = sigstore.legacy_signature(str(OTHER))
    expected = f"it is about another image: {OTHER.short}"
    assert reason(under, bundle(sigstore.signature(str(OTHER)))) == expected
    assert reason(under, bundle(sigstore.attestation(str(OTHER), PROVENANCE, {}))) == expected
    assert reason(under, layer(SIMPLE_SIGNING, content, annotations)) == expected


def test_a_statement_that_is_no_image(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    body = json.loads(statement(DIGEST))
    body["subject"] = [{"name": "x", "digest": {"sha512": "0" * 128}}]
    found = bundle(canonical(sigstore.bundle(json.dumps(body).encode())))
    assert reason(under, found) == "it is about another image: nothing with a sha256"


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"{}", "the statement"),
        (b"not JSON", "not valid JSON"),
        (b'{"_type": "https://in-toto.io/Statement/v1", "_type": "x"}', "the key '_type' twice"),
        (b'{"_type": "https://in-toto.io/Statement/v1", "_TYPE": "x"}', "ignore case"),
        (statement(DIGEST).replace(b"Statement/v1", b"Statement/v9"), "unknown type"),
        (statement(DIGEST).replace(COSIGN_SIGNATURE.encode(), b""), "does not say what it states"),
    ],
)
def test_payloads_that_nobody_can_read(
    payload: bytes, what: str, under: dict[TrustRequest, Trusts], sigstore: Sigstore
) -> None:
    """The signature holds: whoever signs such a thing is still not believed."""
    assert what in reason(under, bundle(canonical(sigstore.bundle(payload))))


def test_another_type_of_payload(under: dict[TrustRequest, Trusts], sigstore: Sigstore) -> None:
    signing = Signing(payload_type="application/json")
    found = bundle(canonical(sigstore.bundle(statement(DIGEST), signing)))
    assert "is no in-toto statement: its type is 'application/json'" in reason(under, found)


def test_a_simple_payload_in_an_envelope_is_no_signature(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore
) -> None:
    content, _ = sigstore.legacy_signature(DIGEST)
    assert "the statement" in reason(
        under, bundle(canonical(sigstore.bundle(content, Signing(payload_type=IN_TOTO))))
    )


def test_keys_and_identities_that_nobody_trusts(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore
) -> None:
    stranger = bundle(sigstore.signature(DIGEST, Signing(key=new_key(), log=0)))
    assert "none of the trusted keys" in reason(under, stranger)


def test_another_instance(under: dict[TrustRequest, Trusts]) -> None:
    assert reason(under, bundle(Sigstore("evil.test").signature(DIGEST)))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b"[" * 10_000, b'{"mediaType": "application/json"}']
)
def test_garbage_is_refused_and_hides_nothing(
    content: bytes, under: dict[TrustRequest, Trusts], sigstore: Sigstore
) -> None:
    good = bundle(sigstore.signature(DIGEST))
    garbage = (
        bundle(content),
        layer(SIMPLE_SIGNING, content, {}),
        layer(ENVELOPE, content, {"predicateType": "x"}),
    )
    signatures, _ = collect(under, *garbage, good)
    assert len(signatures.accepted[UNDER]) == 1
    assert len(signatures.refused[UNDER]) == 3
    assert signatures.missing == ()


def test_what_is_refused_before_and_what_gave_no_answer_is_kept(under: dict[TrustRequest, Trusts]) -> None:
    error, refused = IntegrityError("x"), RefusedSignature("sha256:1", "a place", "too large")
    signatures, attestations = collect(under, error, refused)
    assert signatures.missing == attestations.missing == (error,)
    assert signatures.refused[UNDER] == attestations.refused[UNDER] == (refused,)


def test_a_fault_of_ours_is_no_refusal(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gate.signatures.collect.verify", broken)
    signatures, _ = collect(under, bundle(sigstore.signature(DIGEST)))
    assert isinstance(signatures.missing[0], Fault)


def test_sigstores_own_verifier_must_agree(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def disagree(_: object, data: bytes, *__: object) -> None:
        asked.append(data)
        raise Refused("we accept it, and sigstore-python refuses it: x")

    monkeypatch.setattr("gate.signatures.second_opinion.SecondOpinion.confirm", disagree)
    found = sigstore.signature(DIGEST)
    assert reason(under, bundle(found)) == "we accept it, and sigstore-python refuses it: x"
    assert asked == [found]
    content, annotations = sigstore.legacy_signature(DIGEST)
    assert accepted(under, layer(SIMPLE_SIGNING, content, annotations)) == (
        1,
        0,
    )  # a shape that it does not know


def test_a_root_that_it_cannot_read_leaves_a_signature_unknown(
    under: dict[TrustRequest, Trusts], sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise Unavailable("sigstore-python cannot read the trusted root")

    monkeypatch.setattr("gate.signatures.second_opinion.SecondOpinion.__init__", unreadable)
    signatures, _ = collect(under, bundle(sigstore.signature(DIGEST)))
    assert signatures.accepted[UNDER] == ()
    assert not isinstance(signatures.missing[0], Fault)


def test_each_trust_judges_by_itself(sigstore: Sigstore, key: Any, under: dict[TrustRequest, Trusts]) -> None:
    """What one rule gives up, another does not."""
    unlogged = sigstore.signature(DIGEST, Signing(log=0, stamped=True))
    lax = TrustRequest((), ("root.json",), without=("log",))
    both = {**under, lax: Trusts(Trust(), Trust(roots=sigstore.roots(), without=frozenset({"log"})))}
    signatures, _ = collected(SUBJECTS, iter([bundle(unlogged)]), both)
    assert signatures.accepted[UNDER] == ()
    assert signatures.refused[UNDER][0].reason.startswith("it is in no transparency log")
    assert len(signatures.accepted[lax]) == 1


def test_the_reason_says_what_to_do(under: dict[TrustRequest, Trusts]) -> None:
    signatures, _ = collect(under, bundle(Sigstore("github.test").signature(DIGEST)))
    (refused,) = signatures.refused[UNDER]
    assert refused.reason.startswith("its certificate was issued by 'CN=intermediate,O=github.test'")
    assert "name its root under trusted-roots" in refused.reason
    assert refused.reason.endswith("image-gate trust update)")


# --- keys and roots ---


def test_files_become_trust(sigstore: Sigstore, key: Any) -> None:
    files = {"key.pub": public_pem(key), "root.json": canonical(sigstore.trusted_root())}
    plain = trusts_of(UNDER, files)
    assert plain.keys == Trust(keys=(trusted(key, "key.pub"),))
    assert [root.name for root in plain.certificates.roots] == ["root.json"]
    logged = trusts_of(TrustRequest(("key.pub",), ("root.json",), True, ("timestamp",)), files)
    assert logged.keys.roots == logged.certificates.roots
    assert logged.keys.without == {"timestamp"}


def test_a_key_may_have_to_be_in_the_log(sigstore: Sigstore, key: Any) -> None:
    files = {"key.pub": public_pem(key), "root.json": canonical(sigstore.trusted_root())}
    asked = TrustRequest(("key.pub",), ("root.json",), True)
    found = [bundle(sigstore.signature(DIGEST, Signing(key=key, log=version)), version) for version in (0, 1)]
    signatures, _ = collected(SUBJECTS, iter(found), {asked: trusts_of(asked, files)})
    assert [one.manifest for one in signatures.accepted[asked]] == ["sha256:1"]
    assert [one.manifest for one in signatures.refused[asked]] == ["sha256:0"]


def test_the_public_instance_is_shipped() -> None:
    asked = TrustRequest((), ("public-good",))
    (root,) = trusts_of(asked, {}).certificates.roots
    assert root.logs
    assert root.certificate_logs


# --- where it is looked for ---


def found(opened: Opened, *bundles: Bundles, subjects: Subjects = SUBJECTS) -> Iterator[Item]:
    return Searches(bundles, Access.to_files(Deadline(60))).items(subjects, opened)


def test_without_a_place_to_look_at_nothing_is_known() -> None:
    with pytest.raises(Unavailable, match="nobody says where signatures of this image are"):
        list(found(Opened(MANIFEST, ())))


def test_files_are_a_place_to_look_at() -> None:
    (item,) = found(Opened(MANIFEST, ()), Bundles("a.json", b"{}"))
    assert isinstance(item, Candidate)


def test_a_layout_is_one_too_and_can_be_empty() -> None:
    opened = Opened(MANIFEST, (), open_blob=lambda _: None)  # type: ignore[arg-type,return-value]
    assert list(found(opened)) == []


def test_the_time_of_a_run_ends_the_search() -> None:
    access = Access.to_files(Deadline(-1))
    with pytest.raises(Unavailable, match="time limit"):
        list(Searches((Bundles("a.json", b"{}"),), access).items(SUBJECTS, Opened(MANIFEST, ())))
