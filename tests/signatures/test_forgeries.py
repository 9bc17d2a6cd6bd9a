"""Every forgery is refused with its own reason; that good signatures are accepted is in `test_verify`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gate.signatures import Material, Refused, Trust, bundle, legacy, trust
from gate.signatures.verify import verify
from tests.kit.forgeries import DIGEST, FORGERIES, INSTANCE, OTHER, Bundle, Forgery, good, material_of
from tests.kit.sigstore import (
    DSSE_ENVELOPE,
    NOW,
    SIMPLE_SIGNING,
    Signing,
    body_1,
    bundle_of,
    new_key,
    statement,
    trusted,
)
from tests.kit.transparency_log import b64, canonical

ROOTS = Trust(roots=INSTANCE.roots())
KEY = new_key()
KEYS = Trust((trusted(KEY),), INSTANCE.roots())


@pytest.mark.parametrize(("reason", "forge"), FORGERIES, ids=[forge.__name__ for _, forge in FORGERIES])
def test_a_forgery_is_refused(reason: str, forge: Forgery) -> None:
    with pytest.raises(Refused) as refused:
        verify(bundle.from_bytes(canonical(forge())), ROOTS)
    assert reason in refused.value.message


# --- keys and authorities that were retired before the signature was made


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("certificateAuthorities", "the authority 'https://fulcio.sigstore.test' was not trusted at"),
        ("tlogs", "the key of the log 'https://rekor.sigstore.test' was not valid at the time of signing"),
        ("ctlogs", "the key of the certificate log 'https://ct.sigstore.test' was not valid at"),
        ("timestampAuthorities", "no timestamp authority was trusted at 2026-01-15 12:00:00"),
    ],
)
@pytest.mark.parametrize("validity", [{"end": "2026-01-15T11:59:59Z"}, {"start": "2026-01-15T12:00:01Z"}])
def test_what_was_not_in_force_vouches_for_nothing(name: str, reason: str, validity: dict[str, str]) -> None:
    document = INSTANCE.trusted_root()
    holder = document[name][0].get("publicKey", document[name][0])
    holder["validFor"] |= validity
    retired = Trust(roots=trust.from_bytes(canonical(document), "root.json"))
    with pytest.raises(Refused) as refused:
        verify(bundle.from_bytes(canonical(good(Signing(stamped=True)))), retired)
    assert reason in refused.value.message


# --- keys


KEYED: list[tuple[str, Callable[[], Material]]] = [
    (
        "it was made by none of the trusted keys, or over other bytes",
        lambda: bundle.from_bytes(canonical(good(Signing(key=new_key())))),
    ),
    (
        "it was made by none of the trusted keys, or over other bytes",
        lambda: bundle.from_bytes(canonical(hinting_at_a_trusted_key())),
    ),
    (
        "the log entry is for another key",
        lambda: bundle.from_bytes(canonical(logged_for_another_key())),
    ),
    (
        "it was made by none of the trusted keys, or over other bytes",
        lambda: legacy.from_layer(
            SIMPLE_SIGNING, b"{}", INSTANCE.legacy_signature(DIGEST, Signing(key=KEY))[1]
        ),
    ),
]


def hinting_at_a_trusted_key() -> Bundle:
    found = good(Signing(key=new_key()))
    material_of(found)["publicKey"] = material_of(good(Signing(key=KEY)))["publicKey"]
    return found


def logged_for_another_key() -> Bundle:
    signed = INSTANCE.sign(statement(DIGEST), Signing(key=KEY))
    other = INSTANCE.sign(statement(DIGEST), Signing(key=new_key()))
    body = body_1(signed)
    body["spec"]["signatures"][0]["verifier"] = b64(other.verifier)
    found = bundle_of(signed)
    material_of(found)["tlogEntries"] = [INSTANCE.logs[1].add(body, NOW)]
    return found


@pytest.mark.parametrize(("reason", "forge"), KEYED)
def test_a_forged_signature_of_a_key_is_refused(reason: str, forge: Callable[[], Material]) -> None:
    with pytest.raises(Refused) as refused:
        verify(forge(), KEYS)
    assert refused.value.message == reason


def test_a_certificate_is_not_trusted_for_its_key() -> None:
    signed = INSTANCE.sign(statement(DIGEST), Signing())
    only_its_key = Trust((trusted(signed.key),))
    with pytest.raises(Refused, match="no root is trusted that could vouch for it"):
        verify(bundle.from_bytes(canonical(bundle_of(signed))), only_its_key)


def test_a_key_is_not_trusted_because_there_are_roots() -> None:
    with pytest.raises(Refused, match="it was signed with a key, and no key is trusted"):
        verify(bundle.from_bytes(canonical(good(Signing(key=KEY)))), ROOTS)


# --- layers of older cosign

LAYERS: list[tuple[str, Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]]] = [
    (
        "the signature does not verify",
        lambda payload, notes: (payload.replace(b"sha256:a", b"sha256:b"), notes),
    ),
    (
        "the log entry is for other signed bytes",
        lambda payload, notes: (payload, notes | only("bundle", INSTANCE.legacy_signature(OTHER)[1])),
    ),
    (
        "the log entry is for another signature",
        lambda payload, notes: (payload, notes | only("bundle", INSTANCE.legacy_signature(DIGEST)[1])),
    ),
    (
        "the log's promise (signed entry timestamp) does not verify",
        lambda payload, notes: (payload, notes | promised_later(notes)),
    ),
    (
        "it is in no transparency log",
        lambda payload, notes: (payload, notes | {"dev.sigstore.cosign/bundle": ""}),
    ),
    (
        "the signature does not verify",
        lambda payload, notes: (payload, notes | only("certificate", INSTANCE.legacy_signature(DIGEST)[1])),
    ),
]


def only(name: str, notes: dict[str, str]) -> dict[str, str]:
    return {f"dev.sigstore.cosign/{name}": notes[f"dev.sigstore.cosign/{name}"]}


def promised_later(notes: dict[str, str]) -> dict[str, str]:
    found = json.loads(notes["dev.sigstore.cosign/bundle"])
    found["Payload"]["integratedTime"] += 1
    return {"dev.sigstore.cosign/bundle": json.dumps(found)}


@pytest.mark.parametrize(("reason", "forge"), LAYERS)
def test_a_forged_layer_is_refused(
    reason: str, forge: Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]
) -> None:
    payload, notes = forge(*INSTANCE.legacy_signature(DIGEST))
    with pytest.raises(Refused) as refused:
        verify(legacy.from_layer(SIMPLE_SIGNING, payload, notes), ROOTS)
    assert reason in refused.value.message


def test_the_timestamp_of_a_layer_with_an_envelope_is_over_the_envelope() -> None:
    envelope, notes = INSTANCE.legacy_attestation(statement(DIGEST), Signing(stamped=True))
    with pytest.raises(Refused, match="a timestamp does not verify"):
        verify(legacy.from_layer(DSSE_ENVELOPE, envelope + b" ", notes), ROOTS)
