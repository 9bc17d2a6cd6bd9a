from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evidence import Attestation, Signer
from gate.oci.descriptor import Digest
from gate.signatures.admission import Decision, Expected, decide
from gate.signatures.verdict_statement import DETAILS, SUMMARY

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = "a" * 64
RESOURCE = "pkg:oci/api?repository_url=registry.example.com/shop/api"
VERIFIER = "https://ci.example.com/image-gate"
EXPECTED = Expected(VERIFIER, RESOURCE, f"sha256:{POLICY}", DAY, NOW)


def summary(verified: datetime | str = NOW, result: object = "PASSED", **changes: Any) -> Attestation:
    """Return a signed summary that admits the image, but for `changes`."""
    time = verified if isinstance(verified, str) else verified.strftime("%Y-%m-%dT%H:%M:%SZ")
    predicate: dict[str, object] = {
        "verifier": {"id": VERIFIER},
        "timeVerified": time,
        "resourceUri": RESOURCE,
        "policy": {"digest": {"sha256": POLICY}},
        "verificationResult": result,
    }
    digest = Digest("sha256", "1" * 64)
    kind = changes.pop("predicate_type", SUMMARY)
    found = {name: value for name, value in (predicate | changes).items() if value is not None}
    return Attestation(Signer(key="sha256:x"), f"sha256:{time}", "here", digest, False, {}, kind, found)


def decided(*found: Attestation) -> Decision:
    return decide(found, EXPECTED)


def test_a_pass_admits() -> None:
    passed = summary(NOW - timedelta(hours=2))
    assert decided(passed) == Decision(passed, NOW - timedelta(hours=2))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (summary(verifier={"id": "https://evil.test"}), "its verifier is 'https://evil.test', not"),
        (summary(verifier={"id": f"{VERIFIER}/"}), "its verifier is"),
        (summary(verifier=VERIFIER), "its verifier is not stated"),
        (summary(verifier=None), "its verifier is not stated"),
        (summary(resourceUri=f"{RESOURCE}2"), "it is about"),
        (summary(resourceUri=None), "it is about not stated"),
        (summary(policy={"digest": {"sha256": "b" * 64}}), "under the policy 'bbb"),
        (summary(policy={"digest": {"sha512": POLICY}}), "under the policy not stated"),
        (summary(policy={"digest": {"sha256": f"sha256:{POLICY}"}}), "under the policy 'sha256:"),
        (summary(policy=[POLICY]), "under the policy not stated"),
        (summary("yesterday"), "does not say when"),
        (summary("2026-13-01T00:00:00Z"), "does not say when"),
        (summary("2026-11-23T12:00:00"), "does not say when"),
        (summary(timeVerified=None), "does not say when"),
        (summary(timeVerified=1_800_000_000), "does not say when"),
        (
            summary(NOW - DAY - timedelta(minutes=1)),
            "it was verified 24 h 01 min ago, and 24 h 00 min are allowed",
        ),
        (summary(NOW + timedelta(minutes=6)), "in the future"),
        (summary(result="FAILED"), "ended with 'FAILED'"),
        (summary(result="passed"), "ended with 'passed'"),
        (summary(result=True), "ended with not stated"),
        (summary(result=None), "ended with not stated"),
    ],
)
def test_each_wrong_part_has_its_own_reason(wrong: Attestation, reason: str) -> None:
    found = decided(wrong)
    assert found.summary is None
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def test_only_summaries_count() -> None:
    assert decided(summary(predicate_type=DETAILS)) == Decision(None)
    assert decided() == Decision(None)


def test_a_clock_that_is_a_little_ahead_does_no_harm() -> None:
    assert decided(summary(NOW + timedelta(minutes=4))).summary is not None


@pytest.mark.parametrize("newer", [timedelta(hours=1), timedelta(0)], ids=["later", "at-the-same-time"])
def test_a_later_failure_is_not_outweighed_by_an_earlier_pass(newer: timedelta) -> None:
    passed, failed = summary(NOW - timedelta(hours=2)), summary(NOW - timedelta(hours=2) + newer, "FAILED")
    for found in ((passed, failed), (failed, passed)):
        assert decided(*found).summary is None


def test_a_later_pass_outweighs_an_earlier_failure() -> None:
    passed, failed = summary(NOW - timedelta(hours=1)), summary(NOW - timedelta(hours=2), "FAILED")
    assert decided(failed, passed).summary == passed


def test_what_others_say_of_other_policies_does_not_matter() -> None:
    passed = summary(NOW - timedelta(hours=1))
    other = summary(NOW, "FAILED", policy={"digest": {"sha256": "b" * 64}})
    assert decided(other, passed).summary == passed


PREDICATES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["PASSED", VERIFIER, RESOURCE, POLICY]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "digest", "sha256", "x"]), inner),
)


@given(
    st.dictionaries(
        st.sampled_from(["verifier", "timeVerified", "resourceUri", "policy"]), PREDICATES, min_size=1
    )
)
def test_no_predicate_of_another_shape_admits_or_breaks_anything(changes: dict[str, Any]) -> None:
    if changes.get("resourceUri") == RESOURCE:
        del changes["resourceUri"]
        changes["policy"] = None
    assert decided(summary(**changes)).summary is None
