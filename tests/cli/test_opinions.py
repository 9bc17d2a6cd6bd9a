"""`image-gate explain CVE --report FILE`: from what `check` wrote, and from files that it did not write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.cli.exits import Exit, run
from gate.evidence import Opinion
from gate.pipeline import check
from gate.reporters import RenderOptions
from gate.reporters.json import render
from gate.scanners import RawFinding
from tests.kit import runs
from tests.kit.golden import assert_golden
from tests.kit.reports import HOSTILE
from tests.kit.vulnerabilities import opinion

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
POLICY = """\
schema: 1
scanners: {required: [grype, trivy]}
rules:
  vulnerabilities: {rated-by: {prefer: [vendor]}, known-exploited: deny}
exceptions:
  - {rule: vulnerabilities, id: CVE-2023-3, until: 2099-12-31, reason: x, package: libssl3}
"""
BY_TRIVY = (
    opinion(
        "high", aliases=("GHSA-a",), severities={"nvd": "high", "redhat": "low"}, scores={"nvd": 7.5},
        vectors={"nvd": VECTOR}, published="2023-10-25T18:17:43Z", url="https://example.com/1",
    ),
    opinion(id="CVE-2023-2"),
    opinion(id="CVE-2023-3"),
    opinion("low", id="CVE-2023-4"),
)  # fmt: skip
BY_GRYPE = (
    opinion(
        "medium", "grype", id="GHSA-a", aliases=("CVE-2023-5363",), severity_source="debian",
        severities={"debian": "medium", "nvd": "high"}, scores={"nvd": 7.5}, fixed_versions=("3.0.12-1",),
        fix_published="2023-11-01", known_exploited=True, epss=0.9,
    ),
    opinion(scanner="grype", id="CVE-2023-3"),
    opinion("low", "grype", id="CVE-2023-4"),
)  # fmt: skip

Write = Callable[..., Path]


def raw(given: Opinion) -> RawFinding:
    return RawFinding("deb", "libssl3", "3.0.9-1", "pkg:deb/debian/libssl3@3.0.9-1", given)


def finding(name: str, *opinions: Opinion) -> runs.Scan:
    """A scanner that sees everything and finds this."""
    honest = runs.seeing(name).scan
    return lambda target, settings, deadline: replace(
        honest(target, settings, deadline), findings=tuple(map(raw, opinions))
    )


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The JSON report of an image in which both scanners find something."""
    scanners = runs.seeing_scanners(trivy=finding("trivy", *BY_TRIVY), grype=finding("grype", *BY_GRYPE))
    monkeypatch.setattr("gate.gathering._scanners", lambda: scanners)
    monkeypatch.chdir(tmp_path)
    runs.passing_image(tmp_path / "image")
    found = check(["./image"], runs.policy(tmp_path, POLICY), runs.settings(tmp_path))
    path = tmp_path / "report.json"
    path.write_text(render(found, RenderOptions()))
    return path


def told(name: str, path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """What is said of a finding."""
    assert run(["explain", name, "--report", str(path)]) is Exit.PASS
    return capfd.readouterr().out


def test_golden(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert_golden("cli/golden/explain-finding.txt", told("CVE-2023-5363", report, capfd))


@pytest.mark.parametrize("name", ["GHSA-a", "ghsa-A", "cve-2023-5363"])
def test_an_alias_will_do(name: str, report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(name, report, capfd) == told("CVE-2023-5363", report, capfd)


def test_what_one_scanner_has_and_why_the_other_has_not(
    report: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = told("CVE-2023-2", report, capfd)
    assert "\n  grype does not have it: it saw the package as 3.0.22-1~deb12u2\n" in out
    assert "high, as trivy from nvd has it (rated by: highest, because no preferred source rates it)" in out


def test_what_is_excepted_and_what_does_not_count(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "; excepted until 2099-12-31\n" in told("CVE-2023-3", report, capfd)
    out = told("CVE-2023-4", report, capfd)
    assert "  not counted by the rule vulnerabilities, or the rule was not asked\n" in out
    assert out.endswith("  They agree on severity, fix and exploitation.\n")


def test_what_is_not_in_the_report(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "CVE-1999-1", "--report", str(report)]) is Exit.WRONG_REQUEST
    assert "has no finding 'CVE-1999-1' among 4 of scanners" in capfd.readouterr().err


def test_without_a_report_the_message_asks_for_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "CVE-2023-5363"]) is Exit.WRONG_REQUEST
    assert "--report report.json" in capfd.readouterr().err
    assert run(["explain", "no-shel"]) is Exit.WRONG_REQUEST
    assert "--report" not in capfd.readouterr().err


def test_a_rule_is_a_rule_also_where_a_report_is_named(
    report: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGE_GATE_REPORT", str(report))
    assert run(["explain", "no-shell"]) is Exit.PASS
    assert capfd.readouterr().out.startswith("no-shell (")


def test_an_image_is_checked_and_tells_the_same(
    report: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The options of `check` come from variables; what the policy makes of the image is no matter of explaining it."""
    monkeypatch.setenv("IMAGE_GATE_POLICY", "policy.yaml")
    monkeypatch.setenv("IMAGE_GATE_CACHE_DIR", str(report.parent / "cache"))
    expected = told("CVE-2023-5363", report, capfd)
    assert run(["explain", "ghsa-a", "--image", "./image"]) is Exit.PASS
    assert capfd.readouterr().out == expected
    assert run(["explain", "CVE-1999-1", "--image", "./image"]) is Exit.WRONG_REQUEST
    assert "./image has no finding 'CVE-1999-1' among 4 of scanners" in capfd.readouterr().err


def test_a_report_and_an_image_contradict_each_other(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = ["explain", "CVE-2023-5363", "--image", "./image", "--report", str(report)]
    assert run(told) is Exit.WRONG_REQUEST
    assert "choose one" in capfd.readouterr().err


def changed(report: Path, change: Callable[[Any], object]) -> Path:
    document = json.loads(report.read_text())
    change(document)
    report.write_text(json.dumps(document))
    return report


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": 1}',
        '{"schema": 1, "verdicts": [1]}',
        '{"schema": 1, "schema": 1}',
        "\udc80",
    ],
)
def test_what_is_no_report_is_refused(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert run(["explain", "CVE-1", "--report", str(path)]) is Exit.WRONG_REQUEST
    assert "--output json=" in capfd.readouterr().err


def test_a_file_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "CVE-1", "--report", str(tmp_path / "gone.json")]) is Exit.WRONG_REQUEST
    assert "cannot be read: No such file" in capfd.readouterr().err


def test_a_report_in_which_nothing_was_judged(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = changed(report, lambda document: document["verdicts"][0].update(evidence={}))
    assert run(["explain", "CVE-1", "--report", str(path)]) is Exit.WRONG_REQUEST
    assert "among 0 of scanners" in capfd.readouterr().err


def test_what_a_report_holds_cannot_act_on_the_terminal(
    report: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hostile = HOSTILE.encode("utf-8", "replace").decode()

    def poison(document: Any) -> None:
        for found in document["verdicts"][0]["evidence"]["vulnerabilities"]["found"]:
            found.update(
                package=hostile,
                version=hostile,
                aliases=[hostile],
                path=hostile,
                not_found_by={hostile: hostile},
            )
            for given in found["opinions"]:
                given.update({name: hostile for name, value in given.items() if isinstance(value, str)})
                given.update(severities={hostile: hostile}, vectors={hostile: hostile}, fixed=[hostile])
        for found in document["verdicts"][0]["results"][0]["findings"]:
            found["details"]["rated_by"] = {"scanner": hostile, "source": hostile, "rule": hostile}

    out = told("CVE-2023-2", changed(report, poison), capfd)
    assert all(line.isprintable() for line in out.splitlines())
    assert "::error" not in out


def test_a_severity_that_nobody_gave_has_no_source(report: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def unrate(document: Any) -> None:
        for found in document["verdicts"][0]["results"][0]["findings"]:
            found.update(severity="unknown", action="warn")
            found["details"].update(
                rated_by={"rule": "highest", "scanner": "", "source": ""}, denied_from="2026-12-01"
            )

    out = told("CVE-2023-2", changed(report, unrate), capfd)
    assert "\n  unknown; warns under the rule vulnerabilities (threshold), denied from 2026-12-01 on\n" in out


def test_it_reads_what_the_strictest_reading_of_json_accepts(
    report: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    twice = report.read_text().replace('"schema": 1,', '"schema": 1, "schema": 1,', 1)
    report.write_text(twice)
    assert run(["explain", "CVE-2023-2", "--report", str(report)]) is Exit.WRONG_REQUEST
    assert "twice" in capfd.readouterr().err


def test_the_report_holds_every_joined_finding(report: Path) -> None:
    document: Mapping[str, Any] = json.loads(report.read_text())
    known = document["verdicts"][0]["evidence"]["vulnerabilities"]
    assert (known["agreed"], known["alone"]) == (3, {"grype": 0, "trivy": 1})
    assert [found["id"] for found in known["found"]] == [
        "CVE-2023-2",
        "CVE-2023-3",
        "CVE-2023-4",
        "CVE-2023-5363",
    ]
