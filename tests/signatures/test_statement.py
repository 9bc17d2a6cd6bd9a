from __future__ import annotations

import json
from typing import Any

import pytest

from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.signatures import Material, Refused
from gate.signatures.statement import PAYLOAD_TYPE, Statement, Subject, statement_of

HEX = "a" * 64
DIGEST = Digest("sha256", HEX)
GOOD: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "app", "digest": {"sha256": HEX}, "annotations": {"env": "prod", "n": 1}}],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {"buildDefinition": {}},
}


def read(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> Statement:
    return statement_of(Material("", b"", payload, payload_type))


def changed(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


@pytest.mark.parametrize("version", ["v0.1", "v1"])
def test_a_statement_is_read(version: str) -> None:
    kind = f"https://in-toto.io/Statement/{version}"
    assert read(changed(_type=kind)) == Statement(
        kind,
        (Subject(DIGEST, "app", {"env": "prod"}),),
        "https://slsa.dev/provenance/v1",
        {"buildDefinition": {}},
    )


def test_cosign_leaves_out_names_and_predicates() -> None:
    bare = read(changed(subject=[{"digest": {"sha256": HEX}}], predicate=None))
    assert (bare.subjects, bare.predicate) == ((Subject(DIGEST),), {})


def test_subjects_without_a_sha256_are_left_out() -> None:
    others = [{"digest": {"sha1": "b" * 40}}, {"uri": "git+https://example.com"}, {"digest": None}]
    assert read(changed(subject=others)).subjects == ()
    both = [{"digest": {"sha512": "c" * 128, "sha256": HEX}}]
    assert read(changed(subject=[*others, *both])).subjects == (Subject(DIGEST),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_type": "https://in-toto.io/Statement/v2"}, "is of an unknown type"),
        ({"_type": None}, "is of an unknown type"),
        ({"predicateType": ""}, "it has no predicateType"),
        ({"predicate": []}, "predicate is not an object"),
        ({"subject": {}}, "is an object, not a list"),
        ({"subject": [{"digest": {"sha256": HEX.upper()}}]}, "is not 64 lower-case hexadecimal digits"),
        ({"subject": [{"digest": {"sha256": 1}}]}, "is a number, not a string"),
        ({"subject": [{"digest": HEX}]}, "is a string, not an object"),
        ({"PredicateType": "x"}, "readers that ignore case see 'predicateType'"),
        ({"subject": [{}] * (LIMITS.statement_subjects + 1)}, "at most 10,000 are read"),
    ],
)
def test_other_statements_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(changed(**changes))
    assert reason in refused.value.message


def test_a_key_given_twice_is_refused() -> None:
    twice = changed().replace(b'"predicateType"', b'"predicateType": "x", "predicateType"')
    with pytest.raises(Refused, match="has the key 'predicateType' twice"):
        read(twice)


@pytest.mark.parametrize("payload_type", ["", "text/plain", "application/vnd.in-toto+json "])
def test_another_type_of_payload_is_no_statement(payload_type: str) -> None:
    with pytest.raises(Refused, match="is no in-toto statement"):
        read(changed(), payload_type)
