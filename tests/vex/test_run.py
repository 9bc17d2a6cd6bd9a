"""A run with VEX documents: what they take away is in sight, and nobody but the policy decides which count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from gate.against import Earlier
from gate.cli.exits import Exit, run
from gate.errors import InvalidInput
from gate.pipeline import check
from gate.policy.policy import Policy
from gate.reporters import RenderOptions, reporter
from gate.reporters._document import report_schema
from gate.reporters._reading import read_report
from gate.scanners import RawFinding
from gate.verdict import Report, Status
from gate.vex.read import read_vex
from tests.kit import runs
from tests.kit.vex import CVE, LIBSSL, analysed, csaf, cyclonedx, flagged, openvex, statement
from tests.kit.vulnerabilities import opinion

POLICY = """\
schema: 1
scanners: {required: [grype, trivy]}
rules: {vulnerabilities: {at-most: {high: 1}}}
vex: {files: [v.json]}
"""
QUALIFIED = f"{LIBSSL}?arch=amd64&distro=debian-12"


def finding(name: str, *ids: str) -> runs.Scan:
    """A scanner that sees everything and finds this in one package."""
    honest = runs.seeing(name).scan
    found = tuple(
        RawFinding("deb", "libssl3", "3.0.9-1", QUALIFIED, opinion(scanner=name, id=id_)) for id_ in ids
    )
    return lambda target, settings, deadline: replace(honest(target, settings, deadline), findings=found)


Judge = Callable[..., Report]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Judge an image in whose libssl3 both scanners find these vulnerabilities, with the document `v.json`."""
    runs.passing_image(tmp_path / "image")
    monkeypatch.chdir(tmp_path)

    def judged(data: bytes, *ids: str, policy: str = POLICY, **settings: Any) -> Report:
        scanners = runs.seeing_scanners(**{name: finding(name, *ids) for name in ("grype", "trivy")})
        monkeypatch.setattr("gate.gathering._scanners", lambda: scanners)
        (tmp_path / "v.json").write_bytes(data)
        return check(["./image"], runs.policy(tmp_path, policy), runs.settings(tmp_path, **settings))

    return judged


def as_json(report: Report) -> Any:
    found = json.loads(reporter("json").render(report, RenderOptions()))
    jsonschema.Draft202012Validator(report_schema()).validate(found)
    return found


def as_text(report: Report, **options: Any) -> str:
    return reporter("text").render(report, RenderOptions(**options))


TWO = (CVE, "CVE-2023-2")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            openvex(statement(products=[{"@id": QUALIFIED}])),
            "not_affected, vulnerable_code_not_in_execute_path (Security <security@example.com> in v.json, 2026-05-01)",
        ),
        (
            cyclonedx(analysed()),
            "not_affected, code_not_reachable, no server (Security in v.json, 2026-05-01)",
        ),
        (
            csaf(flagged("package")),
            "not_affected, vulnerable_code_not_present (Supplier in v.json, 2026-05-01)",
        ),
    ],
    ids=["openvex", "cyclonedx", "csaf"],
)
def test_one_document_serves_both_scanners_and_what_it_takes_away_is_in_sight(
    data: bytes, says: str, judge: Judge
) -> None:
    report = judge(data, *TWO)
    (result,) = as_json(report)["verdicts"][0]["results"]
    assert [item["finding"]["id"] for item in result["vex"]] == [CVE]
    assert result["vex"][0]["finding"]["details"]["found_by"] == ["grype", "trivy"]
    assert (result["vex"][0]["document"], result["vex"][0]["origin"]) == ("v.json", "policy")
    assert [one["id"] for one in result["findings"]] == ["CVE-2023-2"]
    text = as_text(report, width=300)
    assert " TAKEN AWAY BY VEX\n vulnerabilities: CVE-2023-5363 /" not in text
    assert f"{CVE} in pkg:deb/debian/libssl3@3.0.9-1: {says}" in text
    assert "1 taken away by VEX" in text


def test_what_is_taken_away_is_not_counted_as_tolerated(judge: Judge) -> None:
    assert judge(openvex(), *TWO).status is Status.FAIL
    report = judge(openvex(statement()), *TWO)
    assert report.status is Status.PASS
    (result,) = report.verdicts[0].results
    assert [one.details["decided_by"] for one in result.findings] == ["at-most"]


@pytest.mark.parametrize(
    "data",
    [
        openvex(statement(status="affected")),
        openvex(statement(status="under_investigation")),
        openvex(statement(justification=...)),
        openvex(statement(products=[{"@id": "pkg:deb/debian/openssl"}])),
        openvex(statement(), statement(status="affected")),
        openvex(statement(), timestamp="2099-01-01T00:00:00Z"),
        cyclonedx(analysed(analysis={"state": "exploitable"})),
    ],
)
def test_nothing_else_lets_it_pass(data: bytes, judge: Judge) -> None:
    report = judge(data, *TWO)
    assert report.status is Status.FAIL
    assert report.verdicts[0].results[0].vex == ()


def test_an_image_is_named_by_its_digests_or_by_its_name(judge: Judge, tmp_path: Path) -> None:
    (verdict,) = judge(openvex(), CVE).verdicts
    subject = verdict.subject
    name = "pkg:oci/api?repository_url=registry.example.com/shop/api"
    for product in (str(subject.digest), str(subject.config_digest), str(subject.resolved), name):
        for parts in ([], [{"@id": LIBSSL}]):
            given = [{"@id": product, "subcomponents": parts}]
            (result,) = judge(openvex(statement(products=given)), CVE).verdicts[0].results
            assert len(result.vex) == 1, (product, parts)


def test_refused_and_unused_statements_are_told(judge: Judge) -> None:
    unused = statement(vulnerability={"name": "CVE-2000-1"})
    elsewhere = statement(products=[{"@id": "sha256:" + "a" * 64}])
    bare = statement(justification=...)
    report = judge(openvex(statement(), unused, elsewhere, bare, bare), CVE)
    (document,) = as_json(report)["run"]["vex"]
    assert {name: document[name] for name in ("name", "statements", "used", "unused", "refused")} == {
        "name": "v.json",
        "statements": 3,
        "used": 1,
        "unused": 1,
        "refused": 2,
    }
    assert document["unused_statements"] == [{"number": 2, "ids": ["CVE-2000-1"], "status": "not_affected"}]
    text = as_text(report, width=200)
    refused = "statement 4 on CVE-2023-5363 does not count: it is not_affected without a justification"
    assert f"! VEX document v.json: {refused}\n" in text
    assert "! VEX document v.json: 1 more do not count\n" in text
    assert text.count("without a justification") == 1
    assert as_text(report, width=200, verbose=True).count("without a justification") == 2
    assert "! VEX document v.json: 1 statement takes nothing away here\n" in text


def test_what_a_run_could_not_judge_says_nothing_of_statements(judge: Judge) -> None:
    report = judge(openvex(statement()), policy=POLICY.replace("at-most: {high: 1}", "counts: both"))
    assert report.run["vex"][0]["unused"] == 1  # type: ignore[index]
    one = POLICY.replace("[grype, trivy]", "[grype]").replace("at-most: {high: 1}", "counts: both")
    report = judge(openvex(statement()), CVE, policy=one)
    assert report.status is Status.UNKNOWN
    assert report.run["vex"][0]["unused"] == 0  # type: ignore[index]


def test_documents_are_part_of_the_policy_and_its_digest(judge: Judge, tmp_path: Path) -> None:
    data = openvex(statement())
    (tmp_path / "v.json").write_bytes(data)
    policy = runs.policy(tmp_path, POLICY)
    assert policy.named_files == ("v.json",)
    assert policy.digest == f"sha256:{hashlib.sha256(POLICY.encode() + data).hexdigest()}"
    (tmp_path / "v.json").write_bytes(data + b"\n")
    assert runs.policy(tmp_path, POLICY).digest != policy.digest
    (tmp_path / "v.json").unlink()
    with pytest.raises(InvalidInput, match=r"the VEX document 'v\.json' cannot be read"):
        runs.policy(tmp_path, POLICY)


ALLOWING = POLICY.replace("{files: [v.json]}", "{command-line: true}")


def test_whoever_starts_a_run_takes_nothing_away_unless_the_policy_lets_them(judge: Judge) -> None:
    brought = read_vex(openvex(statement()), "mine.json", "command line")
    for policy in (POLICY, POLICY.replace("vex: {files: [v.json]}\n", "")):
        with pytest.raises(InvalidInput, match="does not let a run bring VEX documents") as caught:
            judge(openvex(), CVE, policy=policy, vex=(brought,))
        assert "command-line: true" in caught.value.hint
    report = judge(openvex(), CVE, "CVE-2023-2", policy=ALLOWING, vex=(brought,))
    assert report.status is Status.PASS
    assert report.verdicts[0].results[0].vex[0].claim.document.origin == "command line"
    told = "! VEX document mine.json is of this run (command line), not of the policy\n"
    assert told in as_text(report)
    assert "of this run" not in as_text(judge(openvex(statement()), CVE))


def test_the_option(judge: Judge, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    judge(openvex(statement()), *TWO, policy=ALLOWING)
    arguments = ["check", "./image", "--policy", "policy.yaml", "--no-cache", "--format", "json"]
    assert run([*arguments, "--vex", "v.json"]) is Exit.PASS
    (document,) = json.loads(capfd.readouterr().out)["run"]["vex"]
    assert (document["name"], document["origin"], document["used"]) == ("v.json", "command line", 1)
    assert run(arguments) is Exit.FAIL
    (tmp_path / "policy.yaml").write_text(POLICY.replace("vex: {files: [v.json]}\n", ""))
    capfd.readouterr()
    assert run([*arguments, "--vex", "v.json"]) is Exit.WRONG_REQUEST
    assert "does not let a run bring VEX documents" in capfd.readouterr().err
    assert run([*arguments, "--vex", "gone.json"]) is Exit.WRONG_REQUEST
    assert "the VEX document 'gone.json' cannot be read" in capfd.readouterr().err


def test_hostile_words_of_a_document_are_shown_safely(judge: Judge) -> None:
    odd = "\x1b[2J\n::error::x"
    report = judge(openvex(statement(impact_statement=odd), author=f"a{odd}"), CVE)
    for options in ({}, {"verbose": True}):
        text = as_text(report, **options)
        assert "\x1b" not in text
        assert "\n::error" not in text
    assert as_json(report)["verdicts"][0]["results"][0]["vex"][0]["author"] == f"a{odd}"


def test_a_policy_that_names_none_has_none(tmp_path: Path) -> None:
    policy = Policy.load("strict", environment={})
    assert (policy.vex, policy.vex_from_runs) == ((), False)


def test_a_finding_is_explained_by_what_takes_it_away(
    judge: Judge, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = judge(openvex(statement()), CVE)
    (tmp_path / "report.json").write_text(reporter("json").render(report, RenderOptions()))
    assert run(["explain", CVE, "--report", "report.json"]) is Exit.PASS
    assert "; not_affected as v.json has it (VEX)\n" in capfd.readouterr().out


def test_what_is_taken_away_is_compared_as_accepted_and_no_baseline_knows_it(
    judge: Judge, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = judge(openvex(), CVE, name="x.test/api:1")
    (tmp_path / "old.json").write_text(reporter("json").render(before, RenderOptions()))
    after = judge(openvex(statement()), CVE, name="x.test/api:1")
    (tmp_path / "new.json").write_text(reporter("json").render(after, RenderOptions()))
    earlier = Earlier("old.json", read_report("old.json"))
    again = judge(openvex(statement()), CVE, name="x.test/api:1", against=earlier)
    (image,) = again.run["against"]["images"]  # type: ignore[index]
    assert ([one["id"] for one in image["accepted"]], image["fixed"], image["new"]) == ([CVE], [], [])
    assert run(["baseline", "create", "new.json", "-o", "b.json"]) is Exit.PASS
    assert ": 0 findings of 1 image" in capfd.readouterr().out
    assert run(["baseline", "create", "old.json", "-o", "b.json"]) is Exit.PASS
    assert run(["baseline", "update", "new.json", "b.json"]) is Exit.PASS
    assert ": 0 fixed and taken out, 1 finding of 1 image" in capfd.readouterr().out
