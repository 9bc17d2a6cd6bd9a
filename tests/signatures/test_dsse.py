from __future__ import annotations

import json
from typing import Any

import pytest

from gate.signatures import Material, Refused, dsse

ENVELOPE: dict[str, Any] = {
    "payload": "aGVsbG8gd29ybGQ=",
    "payloadType": "http://example.com/HelloWorld",
    "signatures": [{"sig": "QQ==", "keyid": ""}],
}


def read(**changes: Any) -> dsse.Envelope:
    return dsse.from_bytes(json.dumps(ENVELOPE | changes).encode())


def test_the_encoding_is_the_one_of_the_specification() -> None:
    """The example of protocol.md."""
    envelope = read()
    material = Material("", envelope.signature, envelope.payload, envelope.payload_type)
    assert dsse.signed_bytes(material) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_those_of_bytes() -> None:
    assert dsse.signed_bytes(Material("", b"", "é".encode(), "ü")) == "DSSEv1 2 ü 2 é".encode()


def test_a_payload_without_a_type_is_signed_as_it_is() -> None:
    assert dsse.signed_bytes(Material("", b"", b"payload")) == b"payload"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payloadType": ""}, "does not say of what type its payload is"),
        ({"payloadType": None}, "does not say of what type its payload is"),
        ({"signatures": []}, "has 0 signatures; exactly one"),
        ({"signatures": [{"sig": "QQ=="}] * 2}, "has 2 signatures; exactly one"),
        ({"signatures": ["QQ=="]}, "is a string, not an object"),
        ({"payload": "aGVsbG8gd29ybGR="}, "also has another spelling"),
        ({"Payload": "QQ=="}, "readers that ignore case see 'payload'"),
    ],
)
def test_other_envelopes_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert reason in refused.value.message
