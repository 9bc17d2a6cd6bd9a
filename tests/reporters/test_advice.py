"""What to fix first: the upgrades that clear most, and no guess where versions cannot be ordered."""

from __future__ import annotations

import pytest

from gate.reporters._advice import Upgrade, upgrades
from gate.rule import Finding, Severity
from gate.verdict import Outcome
from tests.kit.reports import failing, failing_report, result, verdict, vulnerability


def of(*findings: Finding) -> tuple[Upgrade, ...]:
    return upgrades(verdict(failing("vulnerabilities", *findings)))


def test_the_most_urgent_first_and_binary_packages_of_one_source_together() -> None:
    openssl, curl = upgrades(failing_report().verdicts[0])
    assert (openssl.package, openssl.to) == ("openssl", ("1.0-1+deb12u10",))
    assert openssl.cleared == {Severity.CRITICAL: 1, Severity.HIGH: 1}
    assert (curl.package, curl.to, curl.found_by) == ("curl", ("1.0-2",), ("trivy",))


def test_what_has_no_fix_is_no_advice() -> None:
    assert of(vulnerability("CVE-1", "zlib", ()), Finding("no details")) == ()


def test_an_unknown_result_is_no_advice() -> None:
    assert (
        upgrades(
            verdict(
                result("vulnerabilities", Outcome.UNKNOWN, findings=(vulnerability("CVE-1", "a", ("2",)),))
            )
        )
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
