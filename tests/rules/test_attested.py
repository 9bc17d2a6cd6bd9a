"""Any attestation, with conditions on what it says."""

from __future__ import annotations

from typing import Any

import pytest

from gate.errors import InvalidInput, Unavailable
from gate.evidence import Attestation, RefusedSignature
from gate.rule import Finding, Remark
from gate.rules.attested import AttestedOptions, check
from tests.kit.trees import messages, remarks
from tests.kit.vouched import INDEX, attestation, attestations, key, options, refused

REVIEW, TESTS = "https://example.com/review/v1", "https://example.com/tests/v1"
PASSED = {"type": TESTS, "conditions": [{"field": "/result", "equals": "pass"}]}


def run(
    *found: Attestation | RefusedSignature, missing: tuple[Unavailable, ...] = (), **given: Any
) -> list[Finding | Remark]:
    told = options(AttestedOptions, **{"required": [{"type": REVIEW}], **given})
    return list(check(attestations(told, *found, missing=missing), told))


def test_one_of_the_type_and_signer_passes() -> None:
    found = run(attestation(key("a"), REVIEW, {}))
    assert messages(found) == []
    assert remarks(found)[0].startswith("signed by the key sha256:")


@pytest.mark.parametrize("wanted", [REVIEW, REVIEW.removesuffix("1"), f"{REVIEW}0"])
def test_the_type_is_compared_as_a_whole(wanted: str) -> None:
    found = messages(run(attestation(key("a"), REVIEW, {}), required=[{"type": wanted}]))
    assert bool(found) is (wanted != REVIEW)


def test_none_and_none_that_counts() -> None:
    assert messages(run())[0].startswith(f"there are no attestations {REVIEW} of sha256:")
    (message,) = messages(run(attestation(key("b"), REVIEW, {}), refused("forged")))
    assert "which the policy does not list; forged" in message
    with pytest.raises(Unavailable, match="no network"):
        run(missing=(Unavailable("no network"),))


def test_each_one_that_is_required_must_be_there() -> None:
    both = [{"type": REVIEW}, PASSED]
    review, tests = attestation(key("a"), REVIEW, {}), attestation(key("a"), TESTS, {"result": "pass"})
    assert messages(run(review, tests, required=both)) == []
    assert len(messages(run(review, required=both))) == 1
    missing = [one.id for one in run(required=both) if isinstance(one, Finding)]
    assert missing == [f"{REVIEW} none", f"{TESTS} none"]


@pytest.mark.parametrize("predicate", [{}, {"result": "fail"}, {"result": True}, {"Result": "pass"}])
def test_conditions(predicate: dict[str, Any]) -> None:
    found = attestation(key("a"), TESTS, predicate)
    (message,) = messages(run(found, required=[PASSED]))
    assert "/result is " in message
    good = attestation(key("a"), TESTS, {"result": "pass"})
    assert messages(run(found, good, required=[PASSED])) == []


def test_what_meets_the_conditions_must_be_of_a_listed_signer() -> None:
    """One of ours that fails, and a stranger's that says what we want."""
    ours, strangers = attestation(key("a"), TESTS, {}), attestation(key("b"), TESTS, {"result": "pass"})
    assert messages(run(ours, strangers, required=[PASSED]))


def test_of_the_index() -> None:
    found = attestation(key("a"), REVIEW, {}, INDEX)
    assert messages(run(found)) == []
    assert messages(run(found, index=False))


def test_something_must_be_required() -> None:
    with pytest.raises(InvalidInput, match="an empty list"):
        run(required=[])
