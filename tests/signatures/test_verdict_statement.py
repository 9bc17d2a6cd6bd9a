from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from gate.errors import InvalidInput, Unavailable
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.rule import Finding
from gate.signatures.verdict_statement import DETAILS, SUMMARY, resource_uri, statements_of
from gate.verdict import Outcome, Report, Status, Undecided
from tests.kit.golden import assert_golden
from tests.kit.reports import (
    HOSTILE,
    failing,
    failing_report,
    passing_report,
    report,
    result,
    subject,
    verdict,
)

VERIFIER = "https://ci.example.com/image-gate"
SCHEMA = json.loads((Path(__file__).parents[2] / "gate" / "schemas" / "verdict.json").read_text())
FAILING = report(verdict(failing("no-shell", Finding("a shell"))))


def statement(judged: Report, kind: str) -> dict[str, Any]:
    """Return the one statement of a kind."""
    (found,) = (one for one in statements_of(judged, VERIFIER) if one.predicate_type == kind)
    read: dict[str, Any] = json.loads(found.content)
    assert read["_type"] == "https://in-toto.io/Statement/v1"
    assert read["predicateType"] == kind
    assert read["subject"] == [
        {"name": "registry.example.com/shop/api", "digest": {"sha256": found.subject.encoded}}
    ]
    return read


def test_the_summary_of_a_pass() -> None:
    assert statement(passing_report(), SUMMARY)["predicate"] == {
        "verifier": {"id": VERIFIER, "version": {"image-gate": "0.1.0"}},
        "timeVerified": "2026-11-23T12:00:00Z",
        "resourceUri": "pkg:oci/api?repository_url=registry.example.com/shop/api",
        "policy": {"uri": "urn:image-gate:policy:baseline", "digest": {"sha256": "1f2a9c" * 10 + "abcd"}},
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
    }


def test_the_summary_of_a_fail() -> None:
    predicate = statement(FAILING, SUMMARY)["predicate"]
    assert (predicate["verificationResult"], predicate["verifiedLevels"]) == ("FAILED", ["FAILED"])


@pytest.mark.parametrize("judged", [passing_report(), FAILING], ids=["pass", "fail"])
def test_the_details_are_as_their_schema_says(judged: Report) -> None:
    predicate = statement(judged, DETAILS)["predicate"]
    jsonschema.validate(predicate, SCHEMA)
    assert predicate["status"] == str(judged.status)
    assert [scanner["name"] for scanner in predicate["scanners"]] == ["trivy"]


def test_rules_are_told_with_what_they_found() -> None:
    (rule,) = statement(FAILING, DETAILS)["predicate"]["rules"]
    assert rule == {
        "rule": "no-shell",
        "outcome": "fail",
        "action": "deny",
        "severity": "high",
        "findings": 1,
        "excepted": 0,
        "reason": "",
    }


def test_each_platform_has_statements_of_its_own_digest() -> None:
    other = subject(digest=Digest("sha256", "5" * 64), platform=Platform("linux", "arm64"))
    both = report(verdict(result("no-shell")), verdict(failing("no-shell", Finding("x")), subject=other))
    found = statements_of(both, VERIFIER)
    assert [(one.platform, one.subject.encoded[:2], one.predicate_type) for one in found] == [
        ("linux/amd64", "9c", SUMMARY),
        ("linux/amd64", "9c", DETAILS),
        ("linux/arm64", "55", SUMMARY),
        ("linux/arm64", "55", DETAILS),
    ]
    results = [json.loads(one.content)["predicate"]["verificationResult"] for one in found[::2]]
    assert results == ["PASSED", "FAILED"]


@pytest.mark.parametrize(
    "judged",
    [
        report(verdict(result("no-shell", Outcome.UNKNOWN, reason="nobody knows"))),
        report(verdict(result("no-shell")), undecided=(Undecided("x", "linux/arm64", "not read"),)),
        report(
            verdict(result("no-shell")),
            undecided=(Undecided("x", "linux/arm64", "the policy requires it", status=Status.FAIL),),
        ),
        report(verdict(result("no-shell")), as_of=date(2027, 1, 1)),
        report(),
    ],
    ids=["unknown", "undecided", "missing", "another-day", "nothing"],
)
def test_what_is_not_wholly_known_has_no_statement(judged: Report) -> None:
    with pytest.raises(Unavailable):
        statements_of(judged, VERIFIER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ()}, "no name"),
        ({"names": tuple(map(Reference.parse, ("a.test/x", "a.test/y")))}, "several names"),
        ({"digest": subject().config_digest}, "no manifest"),
        ({"digest": Digest("sha512", "1" * 128)}, "no manifest"),
    ],
)
def test_what_others_could_not_name_is_not_attested(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        statements_of(report(verdict(result("no-shell"), subject=subject(**changes))), VERIFIER)


def test_hostile_texts_are_shown_and_secrets_are_not() -> None:
    mine = subject(reference=f"docker://me:secret@registry.example.com/{HOSTILE}")
    warned = result("no-shell", Outcome.UNKNOWN, reason=HOSTILE, action="warn")
    judged = report(verdict(warned, subject=mine))
    for one in statements_of(judged, VERIFIER):
        text = one.content.decode()
        assert "secret" not in text
        assert text.isprintable()


def test_two_names_of_one_repository_are_one_resource() -> None:
    names = tuple(map(Reference.parse, ("a.test/x:1", "a.test/x:2")))
    judged = report(verdict(result("no-shell"), subject=subject(names=names)))
    read = json.loads(statements_of(judged, VERIFIER)[0].content)
    assert read["predicate"]["resourceUri"] == resource_uri(Reference.parse("a.test/x@sha256:" + "1" * 64))


def test_the_details_as_verifiers_read_them() -> None:
    judged = replace(failing_report(), undecided=())
    (found, *_) = (one for one in statements_of(judged, VERIFIER) if one.predicate_type == DETAILS)
    text = json.dumps(json.loads(found.content), indent=1) + "\n"
    assert_golden("signatures/golden/verdict.json", text)
