from __future__ import annotations

import json

import pytest

from gate.signatures import Refused, legacy
from tests.kit.sigstore import DSSE_ENVELOPE, SIMPLE_SIGNING, Signing, Sigstore, new_key, statement

INSTANCE = Sigstore()
DIGEST = "sha256:" + "a" * 64
STAMPED = Signing(stamped=True)
PREFIX = "dev.sigstore.cosign/"


def test_a_signature_is_read() -> None:
    payload, notes = INSTANCE.legacy_signature(DIGEST, STAMPED)
    material = legacy.from_layer(SIMPLE_SIGNING, payload, notes)
    assert (material.payload, material.payload_type, material.envelope) == (payload, "", b"")
    assert (len(material.certificates), len(material.timestamps)) == (3, 1)
    (entry,) = material.entries
    assert (entry.log_id, entry.proof, entry.kind) == (INSTANCE.logs[1].log_id, None, "")


def test_an_attestation_is_read() -> None:
    envelope, notes = INSTANCE.legacy_attestation(statement(DIGEST), STAMPED)
    material = legacy.from_layer(DSSE_ENVELOPE, envelope, notes)
    assert (material.payload, material.envelope) == (statement(DIGEST), envelope)
    assert material.payload_type == "application/vnd.in-toto+json"


def test_a_signature_of_a_key_needs_nothing_else() -> None:
    payload, notes = INSTANCE.legacy_signature(DIGEST, Signing(key=new_key(), log=0))
    assert list(notes) == ["dev.cosignproject.cosign/signature"]
    material = legacy.from_layer(SIMPLE_SIGNING, payload, notes)
    assert (material.certificates, material.entries, material.timestamps) == ((), (), ())


def test_an_empty_chain_is_none() -> None:
    payload, notes = INSTANCE.legacy_signature(DIGEST)
    assert len(legacy.from_layer(SIMPLE_SIGNING, payload, notes | {f"{PREFIX}chain": ""}).certificates) == 1


GOOD = INSTANCE.legacy_signature(DIGEST, STAMPED)[1]


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ({"dev.cosignproject.cosign/signature": ""}, "the layer's signature has 0 bytes"),
        ({"dev.cosignproject.cosign/signature": "QQ"}, "the layer's signature is not base64"),
        ({f"{PREFIX}certificate": "garbage"}, "the layer's certificate is not PEM that can be read"),
        ({f"{PREFIX}certificate": GOOD[f"{PREFIX}chain"]}, "is not one certificate but 2"),
        (
            {f"{PREFIX}certificate": "x" * 2_000_000},
            "the layer's certificate is longer than certificates are",
        ),
        ({f"{PREFIX}chain": GOOD[f"{PREFIX}chain"] * 6}, "has 12 certificates; at most 10 are read"),
        ({f"{PREFIX}bundle": "{"}, "the layer's log entry is not valid JSON"),
        ({f"{PREFIX}bundle": "{}"}, "the layer's log entry has no Payload"),
        ({f"{PREFIX}bundle": '{"Payload": {}}'}, "has no signed entry timestamp"),
        ({f"{PREFIX}rfc3161timestamp": "{}"}, "the layer's timestamp is empty"),
        ({f"{PREFIX}rfc3161timestamp": "[]"}, "the layer's timestamp is a list"),
    ],
)
def test_other_annotations_are_refused(notes: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        legacy.from_layer(SIMPLE_SIGNING, b"{}", GOOD | notes)
    assert reason in refused.value.message


@pytest.mark.parametrize("log_id", ["AB" * 32, "x", "ab " * 32])
def test_the_log_is_named_in_one_way(log_id: str) -> None:
    found = json.loads(GOOD[f"{PREFIX}bundle"])
    found["Payload"]["logID"] = log_id
    with pytest.raises(Refused, match="hexadecimal"):
        legacy.from_layer(SIMPLE_SIGNING, b"{}", GOOD | {f"{PREFIX}bundle": json.dumps(found)})


def test_another_layer_is_no_signature() -> None:
    with pytest.raises(Refused, match="is no signature"):
        legacy.from_layer("application/vnd.oci.image.layer.v1.tar", b"", {})
