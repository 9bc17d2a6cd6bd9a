from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gate.evidence import Identity
from gate.signatures import (
    Demand,
    Material,
    Refused,
    Signer,
    Trust,
    TrustedRoot,
    Window,
    bundle,
    legacy,
    trust,
)
from gate.signatures.simple_signing import claim_of
from gate.signatures.statement import statement_of
from gate.signatures.verify import verify
from tests.kit.sigstore import (
    DSSE_ENVELOPE,
    GITHUB_CLAIMS,
    ISSUER,
    NOW,
    SIMPLE_SIGNING,
    WORKFLOW,
    Signing,
    Sigstore,
    new_key,
    statement,
    trusted,
)
from tests.kit.transparency_log import b64, canonical

DIGEST = "sha256:" + "a" * 64
INSTANCE = Sigstore()
ROOTS = INSTANCE.roots()
KEY = new_key()
KEYS = (trusted(new_key(), "other.pub"), trusted(KEY))


def bundled(signing: Signing) -> Material:
    return bundle.from_bytes(INSTANCE.signature(DIGEST, signing))


@pytest.mark.parametrize("leaf_key", ["p256", "p384", "p521", "rsa", "ed25519"])
def test_a_certificate_for_any_kind_of_key_is_accepted(leaf_key: str) -> None:
    signer = verify(bundled(Signing(leaf_key=leaf_key)), Trust(roots=ROOTS))
    assert signer.identity == Identity(WORKFLOW, "uri", ISSUER)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa", "ed25519"])
def test_a_key_of_any_kind_is_accepted(kind: str) -> None:
    key = new_key(kind)
    signer = verify(bundled(Signing(key=key, log=0)), Trust((trusted(key),)))
    assert signer == Signer(key=trusted(key).fingerprint)


def test_what_the_log_of_version_1_promised_is_the_time_of_signing() -> None:
    material = bundled(Signing(claims=GITHUB_CLAIMS))
    signer = verify(material, Trust(roots=ROOTS))
    assert (signer.log, signer.log_index) == ("https://rekor.sigstore.test", material.entries[0].index)
    assert (signer.signed_at, signer.timestamped, signer.root) == (NOW, False, "sigstore.test.json")
    assert signer.identity is not None
    assert signer.identity.claims["source-repository-ref"] == "refs/heads/main"


def test_a_timestamp_is_the_time_of_signing_with_the_log_of_version_2() -> None:
    signer = verify(bundled(Signing(log=2, stamped=True)), Trust(roots=ROOTS))
    assert (signer.log, signer.signed_at, signer.timestamped) == ("https://log.sigstore.test", NOW, True)


def test_the_earliest_of_several_times_is_reported() -> None:
    found = INSTANCE.bundle(statement(DIGEST), Signing(at=NOW, stamped=True))
    entry = found["verificationMaterial"]["tlogEntries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 60)
    entry["inclusionPromise"]["signedEntryTimestamp"] = b64(INSTANCE.logs[1].promise(entry))
    signer = verify(bundle.from_bytes(canonical(found)), Trust(roots=ROOTS))
    assert signer.signed_at == NOW


@pytest.mark.parametrize("signing", [Signing(), Signing(log=0, stamped=True), Signing(key=KEY)])
def test_layers_of_older_cosign_are_accepted(signing: Signing) -> None:
    material = legacy.from_layer(SIMPLE_SIGNING, *INSTANCE.legacy_signature(DIGEST, signing))
    without: frozenset[Demand] = frozenset() if signing.log else frozenset({"log"})
    signer = verify(material, Trust(KEYS, ROOTS, without))
    assert (signer.key != "") == (signing.key is not None)
    assert str(claim_of(material).digest) == DIGEST
    material = legacy.from_layer(DSSE_ENVELOPE, *INSTANCE.legacy_attestation(statement(DIGEST), signing))
    assert verify(material, Trust(KEYS, ROOTS, without)).signed_at == NOW
    assert str(statement_of(material).subjects[0].digest) == DIGEST


# --- demands


def root_without(*names: str) -> tuple[TrustedRoot, ...]:
    document = INSTANCE.trusted_root() | {name: [] for name in names}
    return trust.from_bytes(canonical(document), "laxer.json")


def test_a_root_of_timestamps_alone_demands_no_log() -> None:
    lax = root_without("tlogs", "ctlogs")
    signer = verify(bundled(Signing(log=0, stamped=True, sct=False)), Trust(roots=lax))
    assert (signer.log_index, signer.timestamped) == (None, True)


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        (Signing(log=0, stamped=True), "it is in no transparency log"),
        (Signing(sct=False), "the certificate is in no certificate log that is known: it has no SCT"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_laxer_root_lets_nobody_in_whom_a_stricter_one_vouches_for(
    signing: Signing, reason: str, order: int
) -> None:
    both = (*ROOTS, *root_without("tlogs", "ctlogs"))[::order]
    with pytest.raises(Refused, match=reason):
        verify(bundled(signing), Trust(roots=both))


@pytest.mark.parametrize("order", [1, -1])
def test_a_laxer_root_lets_no_key_do_without_a_log(order: int) -> None:
    both = (*ROOTS, *root_without("tlogs"))[::order]
    with pytest.raises(Refused, match="it is in no transparency log"):
        verify(bundled(Signing(key=KEY, log=0, stamped=True)), Trust(KEYS, both))


def test_a_signature_of_either_of_two_instances_is_accepted() -> None:
    other = Sigstore("other.test")
    both = Trust(roots=(*ROOTS, *other.roots()))
    assert verify(bundled(Signing()), both).root == "sigstore.test.json"
    assert verify(bundle.from_bytes(other.signature(DIGEST)), both).root == "other.test.json"


def test_what_all_roots_say_is_in_the_reason() -> None:
    both = Trust(roots=(*Sigstore("one.test").roots(), *Sigstore("two.test").roots()))
    with pytest.raises(Refused) as refused:
        verify(bundled(Signing()), both)
    reason = "its certificate was issued by 'CN=intermediate,O=sigstore.test'"
    assert refused.value.message.count(reason) == 2
    assert refused.value.message.startswith(f"one.test.json: {reason}")
    assert refused.value.hint.count("name its root under trusted-roots") == 1


def test_what_another_instance_signed_without_a_log_is_not_said_to_lack_one() -> None:
    """GitHub's own logs nothing: whoever was told to give up the log would be none the wiser."""
    unlogged = bundled(Signing(log=0, stamped=True, sct=False))
    with pytest.raises(Refused, match=r"issued by 'CN=.*', which is no authority of the root") as refused:
        verify(unlogged, Trust(roots=Sigstore("other.test").roots()))
    assert "log" not in refused.value.message


@pytest.mark.parametrize(
    ("signing", "given_up"), [(Signing(log=0, stamped=True), "log"), (Signing(sct=False), "sct")]
)
def test_a_demand_can_be_given_up_for_certificates(signing: Signing, given_up: Demand) -> None:
    material = bundled(signing)
    with pytest.raises(Refused):
        verify(material, Trust(roots=ROOTS))
    assert verify(material, Trust(roots=ROOTS, without=frozenset({given_up}))).identity


def test_a_certificate_never_does_without_a_time() -> None:
    with pytest.raises(Refused, match="nothing that is trusted attests when it was signed"):
        verify(bundled(Signing(log=2)), Trust(roots=ROOTS, without=frozenset({"log", "sct", "timestamp"})))


def test_a_key_needs_what_the_roots_demand_unless_it_is_given_up() -> None:
    bare = bundled(Signing(key=KEY, log=0))
    with pytest.raises(Refused, match="it is in no transparency log"):
        verify(bare, Trust(KEYS, ROOTS))
    with pytest.raises(Refused, match="nothing that is trusted attests when it was signed"):
        verify(bare, Trust(KEYS, ROOTS, frozenset({"log"})))
    assert verify(bare, Trust(KEYS, ROOTS, frozenset({"log", "timestamp"}))).signed_at is None
    assert verify(bare, Trust(KEYS)).key == KEYS[1].fingerprint


def test_an_entry_that_is_there_is_verified_though_none_is_demanded() -> None:
    found = INSTANCE.bundle(statement(DIGEST), Signing(key=KEY))
    found["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "1"
    with pytest.raises(Refused, match="not valid at the time of signing"):
        verify(bundle.from_bytes(canonical(found)), Trust(KEYS, ROOTS, frozenset({"log", "timestamp"})))


def test_an_entry_of_another_log_does_not_matter_where_none_is_demanded() -> None:
    material = bundle.from_bytes(Sigstore("other.test").signature(DIGEST, Signing(key=KEY)))
    signer = verify(material, Trust(KEYS, ROOTS, frozenset({"log", "timestamp"})))
    assert (signer.log_index, signer.signed_at) == (None, None)


def test_a_timestamp_does_not_count_where_a_root_has_no_authority_for_it() -> None:
    signer = verify(bundled(Signing(stamped=True)), Trust(roots=root_without("timestampAuthorities")))
    assert not signer.timestamped
    with pytest.raises(Refused, match="nothing that is trusted attests when it was signed"):
        verify(bundled(Signing(log=2, stamped=True)), Trust(roots=root_without("timestampAuthorities")))


def test_a_root_without_authorities_vouches_for_no_certificate() -> None:
    with pytest.raises(Refused, match="the root has no certificate authority"):
        verify(bundled(Signing()), Trust(roots=root_without("certificateAuthorities")))


def test_an_entry_of_which_the_log_said_nothing_is_refused() -> None:
    material = bundled(Signing(key=KEY))
    entry = replace(material.entries[0], promise=b"", proof=None)
    with pytest.raises(Refused, match="the log entry has neither a promise nor a proof"):
        verify(replace(material, entries=(entry,)), Trust(KEYS, ROOTS, frozenset({"timestamp"})))


def test_a_window_ends_with_its_last_second() -> None:
    document = INSTANCE.trusted_root()
    for name in ("tlogs", "ctlogs"):
        document[name][0]["publicKey"]["validFor"]["end"] = "2026-01-15T12:00:00Z"
    for name in ("certificateAuthorities", "timestampAuthorities"):
        document[name][0]["validFor"] = {"start": "2026-01-15T12:00:00Z", "end": "2026-01-15T12:00:00Z"}
    roots = trust.from_bytes(canonical(document), "ends.json")
    assert verify(bundled(Signing(stamped=True)), Trust(roots=roots)).signed_at == NOW


def test_windows() -> None:
    second = timedelta(seconds=1)
    window = Window(NOW, NOW + second)
    assert [window.covers(NOW + n * second) for n in (-1, 0, 1, 2)] == [False, True, True, False]
    assert Window(None).covers(NOW)
    assert Window(NOW).covers(None)
    assert not window.covers(None)
