from __future__ import annotations

import json
from typing import Any

import pytest

from gate.oci.descriptor import Digest
from gate.signatures import Material, Refused
from gate.signatures.simple_signing import Claim, claim_of

DIGEST = Digest("sha256", "a" * 64)


def payload(*, optional: Any = None, **critical: Any) -> bytes:
    good = {
        "identity": {"docker-reference": "registry.example.com/app"},
        "image": {"docker-manifest-digest": str(DIGEST)},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": good | critical, "optional": optional}).encode()


def read(data: bytes) -> Claim:
    return claim_of(Material("", b"", data))


def test_a_claim_is_read() -> None:
    found = read(payload(optional={"env": "prod"}))
    assert found == Claim(DIGEST, "registry.example.com/app", {"env": "prod"})
    assert read(payload(identity=None)) == Claim(DIGEST, "")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (payload(type="something else"), "is of an unknown type 'something else'"),
        (payload(type=None), "is of an unknown type ''"),
        (payload(image={}), "the signed digest '' is not a digest"),
        (payload(image=None), "has no image"),
        (payload(image={"Docker-Manifest-Digest": str(DIGEST)}), "readers that ignore case"),
        (payload(optional=[]), "optional part is not an object"),
        (b"{}", "has no critical"),
        (payload().replace(b'"image"', b'"image": {}, "image"'), "has the key 'image' twice"),
    ],
)
def test_other_payloads_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(data)
    assert reason in refused.value.message


def test_a_statement_is_no_claim() -> None:
    with pytest.raises(Refused, match="is no simple signing payload"):
        claim_of(Material("", b"", payload(), "application/vnd.in-toto+json"))
    with pytest.raises(Refused, match="is no simple signing payload"):
        claim_of(Material("", b"", payload(), message_digest=DIGEST))
