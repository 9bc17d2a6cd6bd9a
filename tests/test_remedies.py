"""What to fix first: what clears most, no guess where versions cannot be ordered, and every finding in one place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.remedies import BaseUpgrade, Upgrade, remedies
from gate.rule import Finding, Location, Severity
from gate.verdict import Outcome
from tests.kit.reports import based_report, failing, failing_report, result, verdict, vulnerability


def of(*findings: Finding) -> tuple[Upgrade, ...]:
    return remedies(verdict(failing("vulnerabilities", *findings))).upgrades


def test_the_most_urgent_first_and_binary_packages_of_one_source_together() -> None:
    openssl, curl = remedies(failing_report().verdicts[0]).upgrades
    assert (openssl.package, openssl.to) == ("openssl", ("1.0-1+deb12u10",))
    assert openssl.cleared == {Severity.CRITICAL: 1, Severity.HIGH: 1}
    assert (curl.package, curl.to, curl.found_by) == ("curl", ("1.0-2",), ("trivy",))


def test_what_has_no_fix_is_no_advice() -> None:
    assert of(vulnerability("CVE-1", "zlib", ()), Finding("no details")) == ()


def test_an_unknown_result_is_no_advice() -> None:
    assert (
        remedies(
            verdict(
                result("vulnerabilities", Outcome.UNKNOWN, findings=(vulnerability("CVE-1", "a", ("2",)),))
            )
        ).upgrades
        == ()
    )


@pytest.mark.parametrize(
    ("kind", "installed", "fixed", "expected"),
    [
        ("maven", "2.12.0", [("2.15.0", "2.3.1", "2.12.2"), ("2.16.0", "2.12.3")], ("2.12.3",)),
        ("deb", "1.0-1", [("1.0-1+deb12u9",), ("1.0-1+deb12u10",)], ("1.0-1+deb12u10",)),
        ("deb", "1:1.0-1", [("1:1.0-2~bpo1",), ("1:1.0-2",)], ("1:1.0-2",)),
        ("npm", "4.17.4", [("4.17.19",), ("4.17.21",), ("4.17.5",)], ("4.17.21",)),
        ("apk", "1.2.3-r0", [("1.2.3-r1",), ("1.2.3-r10",), ("1.2.3-r9",)], ("1.2.3-r10",)),
        ("pypi", "3.0", [("1.0",), ("2.0",)], ("2.0",)),
        ("unheard-of", "1", [("2",), ("3",)], ("2", "3")),
        ("npm", "1.0.0", [("not a version",), ("2.0.0",)], ("2.0.0", "not a version")),
        ("npm", "1.0.0", [("2.0.0",), ("9" * 500,)], ("2.0.0", "9" * 500)),
        ("unheard-of", "1", [("2", "2"), ("2",)], ("2",)),
    ],
)
def test_the_target_clears_every_finding(
    kind: str, installed: str, fixed: list[tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    findings = [
        vulnerability(f"CVE-{n}", "x", versions, type=kind, version=installed)
        for n, versions in enumerate(fixed)
    ]
    (upgrade,) = of(*findings)
    assert upgrade.to == expected


def test_a_fix_that_the_rule_chose_is_taken() -> None:
    (upgrade,) = of(vulnerability("CVE-1", "x", ("9", "5"), fix="5"))
    assert upgrade.to == ("5",)


def test_the_path_is_told_where_it_is_one() -> None:
    def at(path: str, name: str, kind: str = "npm") -> Finding:
        found = vulnerability(name, "ws", ("8.17.1",), type=kind)
        return Finding(found.message, type(found.location)(path=path), id=name, details=found.details)

    assert of(at("/app/a.json", "CVE-1"), at("/app/a.json", "CVE-2"))[0].path == "/app/a.json"
    assert of(at("/app/a.json", "CVE-1"), at("/app/b.json", "CVE-2"))[0].path == ""
    assert of(at("/var/lib/dpkg/status", "CVE-1", "deb"))[0].path == ""


def test_binary_packages_of_one_source_are_one_upgrade_as_the_image_itself_says() -> None:
    found = failing(
        "vulnerabilities",
        vulnerability("CVE-1", "libssl3", ("2",)),
        vulnerability("CVE-1", "openssl", ("2",)),
        vulnerability("CVE-2", "curl", ("2",)),
    )
    sources = {"deb": {"libssl3": "openssl"}}
    openssl, curl = sorted(
        remedies(verdict(found, evidence={"source_packages": sources})).upgrades,
        key=lambda one: -len(one.findings),
    )
    assert (openssl.package, openssl.cleared) == ("openssl", {Severity.HIGH: 1})
    assert curl.package == "curl"


def test_what_comes_from_the_base_is_cleared_there() -> None:
    found = remedies(based_report().verdicts[0])
    assert found.base is not None
    assert found.base.name == "docker.io/library/debian:12"
    assert (found.base.packages, found.base.cleared) == (("openssl",), {Severity.HIGH: 1})
    assert [upgrade.package for upgrade in found.upgrades] == ["curl"]
    assert {stays.rule: dict(stays.counts) for stays in found.stays} == {
        "max-age": {Severity.MEDIUM: 1},
        "no-shell": {Severity.HIGH: 2},
        "vulnerabilities": {Severity.HIGH: 1},
    }


def test_the_base_is_named_with_what_its_tag_names_now() -> None:
    (before,) = based_report().verdicts
    outdated = failing(
        "base-outdated", Finding("built on …", details={"base": "debian:12", "now": "sha256:77ab"})
    )
    found = remedies(verdict(*before.results, outdated, bases=before.bases))
    assert found.base is not None
    assert found.base.digest == "sha256:77ab"
    assert "base-outdated" not in {stays.rule for stays in found.stays}


def test_a_rule_that_could_not_be_decided_stays() -> None:
    stays = {one.rule: one for one in remedies(failing_report().verdicts[0]).stays}
    assert stays["non-root"].closes
    assert stays["non-root"].counts == {}
    assert not stays["eol-distribution"].closes
    assert stays["vulnerabilities"].counts == {Severity.HIGH: 1}


FINDINGS = st.builds(
    lambda name, package, fixed, base, severity: replace(
        vulnerability(name, package, fixed, severity), location=Location(base=base)
    ),
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3", ""]),
    st.sampled_from(["openssl", "libssl3", "curl", ""]),
    st.lists(st.sampled_from(["2", "3", "x"]), max_size=2).map(tuple),
    st.sampled_from([True, False, None]),
    st.sampled_from(list(Severity)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(FINDINGS, max_size=12), st.booleans())
def test_every_finding_is_cleared_by_one_step_or_stays(findings: list[Finding], based: bool) -> None:
    bases = based_report().verdicts[0].bases if based else ()
    found = remedies(verdict(failing("vulnerabilities", *findings), result("non-root"), bases=bases))
    steps: list[BaseUpgrade | Upgrade] = [*([found.base] if found.base else []), *found.upgrades]
    told = [finding for step in steps for finding in step.findings]
    told += [finding for stays in found.stays for finding in stays.findings]
    assert sorted(map(id, told)) == sorted(map(id, findings))
    assert all(sum(step.cleared.values()) <= len(step.findings) for step in steps)
    assert sum(sum(stays.counts.values()) for stays in found.stays) == sum(
        len(one.findings) for one in found.stays
    )
