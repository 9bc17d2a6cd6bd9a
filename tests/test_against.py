"""What changed since an earlier report: said of the same image alone, and "fixed" only of what was looked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gate.against import SUDDEN_FALL, Earlier, compared
from gate.oci.descriptor import Digest
from gate.policy.policy import Policy
from gate.reporters._document import report_document
from gate.rule import Action, Finding, Location, Severity
from gate.verdict import Excepted, Outcome, Report, Status, Undecided, Verdict
from tests.kit.reports import (
    NOW,
    RUN,
    SCANNERS,
    failing,
    failing_report,
    hostile_report,
    report,
    result,
    subject,
    verdict,
    vulnerability,
)

POLICY = Policy.load("baseline", environment={})
DENYING = replace(POLICY, sudden_fall=Action.DENY)


def facts(before: Report, now: Report, policy: Policy = POLICY) -> Any:
    """What is told of the change, as JSON."""
    found = compared(now, Earlier("old.json", report_document(before)), policy)
    assert found.verdicts == now.verdicts
    return json.loads(json.dumps(found.run["against"]))


def cves(*names: str) -> list[Finding]:
    return [vulnerability(name, "openssl", ("1.0-2",)) for name in names]


def judged(*names: str, **changes: Any) -> Verdict:
    return verdict(
        failing("vulnerabilities", *cves(*names)) if names else result("vulnerabilities"), **changes
    )


def ids(items: list[dict[str, str]]) -> list[str]:
    return [item["id"] for item in items]


def test_fixed_and_new_are_told_apart() -> None:
    found = facts(report(judged("CVE-1", "CVE-2")), report(judged("CVE-2", "CVE-3")))
    (image,) = found["images"]
    assert (ids(image["fixed"]), ids(image["new"])) == (["CVE-1"], ["CVE-3"])
    assert image["accepted"] == image["not_told"] == image["fell"] == image["changed"] == []
    assert image["new"][0] == {
        "rule": "vulnerabilities",
        "id": "CVE-3",
        "package": "pkg:deb/debian/openssl",
        "path": "",
        "severity": "high",
        "message": "CVE-3 in openssl 1.0-1, fixed in 1.0-2",
    }
    assert (found["report"], found["changed"], found["only_before"], found["only_now"]) == (
        "old.json",
        [],
        [],
        [],
    )


def test_the_same_report_shows_no_change() -> None:
    for one in (failing_report(), hostile_report()):
        for image in facts(one, one)["images"]:
            assert not any(
                image[name] for name in ("new", "fixed", "accepted", "not_told", "fell", "changed")
            )


def test_a_new_layer_or_version_is_not_a_new_finding() -> None:
    finding = cves("CVE-1")[0]
    moved = replace(
        finding, location=Location("sha256:x", 7, None, "pkg:deb/debian/openssl@1.0-9?arch=arm64")
    )
    now = report(verdict(failing("vulnerabilities", moved)))
    (image,) = facts(report(judged("CVE-1")), now)["images"]
    assert image["new"] == image["fixed"] == []


@pytest.mark.parametrize(
    "now",
    [
        verdict(result("vulnerabilities", Outcome.UNKNOWN, reason="no scanner")),
        verdict(result("no-shell")),
    ],
    ids=["could not be decided", "did not run"],
)
def test_what_was_not_looked_for_is_not_fixed(now: Verdict) -> None:
    (image,) = facts(report(judged("CVE-1")), report(now))["images"]
    assert (image["fixed"], ids(image["not_told"])) == ([], ["CVE-1"])


def test_what_is_excepted_by_now_is_not_fixed_either() -> None:
    accepted = Excepted(cves("CVE-1")[0], "r", NOW.date())
    now = report(verdict(result("vulnerabilities", excepted=(accepted,))))
    (image,) = facts(report(judged("CVE-1")), now)["images"]
    assert (image["fixed"], ids(image["accepted"])) == ([], ["CVE-1"])
    assert facts(now, now)["images"][0]["accepted"] == []


def test_what_changed_beside_the_image_is_told() -> None:
    policy = {**RUN["policy"], "digest": "sha256:new"}  # type: ignore[dict-item]
    scanners = json.loads(json.dumps(SCANNERS))
    scanners["trivy"]["database"]["built"] = "2026-11-24T06:00:00Z"
    scanners["grype"] = {"version": "0.121.0"}
    changed = judged(evidence={"scanners": scanners}, subject=subject(digest=Digest("sha256", "1" * 64)))
    found = facts(report(judged()), report(changed, run={**RUN, "version": "9", "policy": policy}))
    assert found["changed"] == [
        {"what": "image-gate", "before": "0.1.0", "now": "9"},
        {"what": "policy digest", "before": RUN["policy"]["digest"], "now": "sha256:new"},  # type: ignore[index]
    ]
    assert [item["what"] for item in found["images"][0]["changed"]] == [
        "image digest",
        "grype version",
        "grype unavailable",
        "trivy database",
    ]


@pytest.mark.parametrize(
    ("before", "same"),
    [
        (subject(), True),
        (subject("another/way", names=subject().names), True),
        (subject("another/way", names=()), False),
        (subject(platform=replace(subject().platform, architecture="arm64")), False),
    ],
)
def test_only_the_same_image_for_the_same_platform_is_compared(before: Any, same: bool) -> None:
    found = facts(report(judged("CVE-1", subject=before)), report(judged()))
    assert len(found["images"]) == same
    assert len(found["only_before"]) == len(found["only_now"]) == (not same)


MANY = [f"CVE-{number}" for number in range(SUDDEN_FALL)]


@pytest.mark.parametrize(
    ("before", "now", "fell"),
    [
        (MANY, judged(), ["vulnerabilities"]),
        (MANY[1:], judged(), []),
        (MANY, judged("CVE-0"), []),
        (MANY, judged("CVE-new"), []),
        (
            MANY,
            verdict(result("vulnerabilities", excepted=(Excepted(cves("CVE-0")[0], "r", NOW.date()),))),
            [],
        ),
        (MANY, verdict(result("vulnerabilities", Outcome.UNKNOWN)), []),
        (MANY, verdict(result("no-shell")), []),
    ],
)
def test_a_sudden_fall_is_a_warning_that_the_policy_can_make_deny(
    before: list[str], now: Verdict, fell: list[str]
) -> None:
    old = report(judged(*before))
    (image,) = facts(old, report(now))["images"]
    assert image["fell"] == fell
    earlier = Earlier("old.json", report_document(old))
    warned, denied = (compared(report(now), earlier, policy) for policy in (POLICY, DENYING))
    assert warned.status is report(now).status
    assert (
        (denied.status is Status.UNKNOWN) is bool(fell)
        or now.status is Status.UNKNOWN
        or now.status is Status.FAIL
    )
    assert len(denied.undecided) == len(fell)


def test_a_comparison_never_makes_a_report_better() -> None:
    broken = report(judged(), undecided=(Undecided("x", "", "gone"),))
    for before in (report(judged(*MANY)), broken, failing_report()):
        for policy in (POLICY, DENYING):
            found = compared(broken, Earlier("old.json", report_document(before)), policy)
            assert found.status is Status.UNKNOWN
            assert found.undecided[0] == broken.undecided[0]


def test_names_that_are_none_are_no_match() -> None:
    odd = report_document(report(judged("CVE-1", subject=subject("another/way"))))
    odd.verdicts[0].subject.names[:] = ["NOT A NAME"]
    found = compared(report(judged()), Earlier("old.json", odd), POLICY)
    assert found.run["against"]["images"] == []  # type: ignore[index]


def test_another_image_is_compared_by_platform_whatever_it_is_called() -> None:
    other = report(judged("CVE-1", subject=subject("./other", names=())))
    found = compared(report(judged("CVE-2")), Earlier.of_image("u:secret@x.test/./other", other), POLICY)
    told = json.loads(json.dumps(found.run["against"]))
    assert (ids(told["images"][0]["fixed"]), ids(told["images"][0]["new"])) == (["CVE-1"], ["CVE-2"])
    assert (told["image"], told["report"]) == (True, "u:***@x.test/./other")
    arm = subject("./other", platform=replace(subject().platform, architecture="arm64"))
    found = compared(report(judged()), Earlier.of_image("o", report(judged(subject=arm))), POLICY)
    assert json.loads(json.dumps(found.run["against"]))["images"] == []


@pytest.mark.parametrize(("policy", "status"), [(POLICY, Status.PASS), (DENYING, Status.UNKNOWN)])
def test_an_image_that_was_not_judged_leaves_open_what_fell(policy: Policy, status: Status) -> None:
    other = Report((), (Undecided("./other", "", "nothing there"),), run=RUN)
    found = compared(report(judged()), Earlier.of_image("./other", other), policy)
    assert found.status is status
    assert found.run["against"]["not_judged"] == ["./other: nothing there"]  # type: ignore[index]


def test_a_vulnerability_that_is_called_otherwise_is_neither_fixed_nor_new() -> None:
    before = vulnerability("GHSA-a", "openssl", ())
    now = vulnerability("CVE-1", "openssl", (), aliases=["GHSA-a", "DSA-1"])
    another = vulnerability("CVE-2", "openssl", (), aliases=["DSA-1"])
    found = facts(
        report(verdict(failing("vulnerabilities", before))),
        report(verdict(failing("vulnerabilities", now, another))),
    )
    (image,) = found["images"]
    assert (image["fixed"], ids(image["new"])) == ([], ["CVE-2"])


def test_of_what_is_new_the_worst_comes_first_and_what_closes_the_gate_before_all() -> None:
    excepted = Excepted(vulnerability("CVE-0", "openssl", (), Severity.CRITICAL), "r", NOW.date())
    found = [
        vulnerability("CVE-1", "openssl", (), Severity.LOW),
        replace(vulnerability("CVE-2", "openssl", (), Severity.CRITICAL), action=Action.WARN),
        vulnerability("CVE-3", "openssl", (), Severity.CRITICAL),
        vulnerability("CVE-4", "openssl", (), Severity.HIGH),
    ]
    now = report(verdict(failing("vulnerabilities", *found, excepted=(excepted,))))
    (image,) = facts(report(judged()), now)["images"]
    assert ids(image["new"]) == ["CVE-3", "CVE-4", "CVE-1", "CVE-2", "CVE-0"]
