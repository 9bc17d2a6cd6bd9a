"""`check --against`: why it passed yesterday, from the report of yesterday, or what another image has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Program

RULES = "schema: 1\nrules: {no-shell: {}, no-setuid: {}, non-root: {}}\n"


@pytest.fixture
def program(inside: Program) -> Program:
    """The program without a process of its own; tests/cli/test_check.py runs it as users do."""
    return inside


@pytest.fixture
def rules(place: Path) -> Path:
    (place / "rules.yaml").write_text(RULES)
    return place


def check(program: Program, image: str, *more: str) -> tuple[int, str]:
    arguments = ("check", f"./{image}", "--policy", "rules.yaml", "--as", "x.test/shop/api:1")
    done = program(*arguments, "--output", "json=report.json", *more)
    return done.returncode, done.stdout


def test_the_report_is_read_before_the_new_one_takes_its_place(rules: Path, program: Program) -> None:
    assert check(program, "bad")[0] == 1
    status, text = check(program, "bad", "--against", "report.json")
    assert status == 1
    assert " SINCE report.json OF 20" in text
    assert " nothing changed\n" in text
    status, text = check(program, "good", "--against", "report.json")
    assert status == 0
    assert " ./good (linux/amd64): was fail, is pass; " in text
    assert "   ~ image digest: sha256:" in text
    assert "   - fixed: non-root " in text
    (rules / "rules.yaml").write_text(RULES + "# changed\n")
    status, text = check(program, "bad", "--against", "report.json")
    assert status == 1
    assert " ~ policy digest: sha256:" in text
    assert "   + new: no-shell " in text
    assert json.loads((rules / "report.json").read_text())["run"]["against"]["images"][0]["new"]


def test_a_sudden_fall_closes_the_gate_where_the_policy_says_so(rules: Path, program: Program) -> None:
    check(program, "bad")
    report = json.loads((rules / "report.json").read_text())
    shell = next(one for one in report["verdicts"][0]["results"] if one["rule"] == "no-shell")
    shell["findings"] = [
        {**shell["findings"][0], "location": {**shell["findings"][0]["location"], "path": f"/{number}"}}
        for number in range(10)
    ]
    (rules / "old.json").write_text(json.dumps(report))
    status, text = check(program, "good", "--against", "old.json")
    assert status == 0
    assert "! no-shell found much before and nothing now: see that it still looks\n" in text
    (rules / "rules.yaml").write_text(RULES + "sudden-fall: deny\n")
    status, text = check(program, "good", "--against", "old.json")
    assert status == 3
    assert "no-shell had 10 findings or more before and has none" in text


@pytest.mark.parametrize("content", [None, "", "{}", '{"schema": 1, "schema": 1}'])
def test_what_is_no_report_is_a_wrong_request(content: str | None, rules: Path, program: Program) -> None:
    if content is not None:
        (rules / "old.json").write_text(content)
    done = program("check", "./good", "--policy", "rules.yaml", "--against", "old.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "old.json" in done.stderr


def test_another_image_is_judged_for_comparison_alone(rules: Path, program: Program) -> None:
    status, text = check(program, "good", "--against", "./bad")
    assert status == 0
    assert " AGAINST ./bad\n" in text
    assert " ./good (linux/amd64): was fail, is pass; " in text
    assert "   ~ image digest: sha256:" in text
    assert "   - fixed: non-root " in text
    assert "policy digest" not in text
    report = json.loads((rules / "report.json").read_text())
    assert [verdict["subject"]["reference"] for verdict in report["verdicts"]] == ["./good"]
    assert report["run"]["against"]["image"] is True
    status, text = check(program, "bad", "--against", "oci:good")
    assert status == 1
    assert "   + new: no-shell " in text


def test_an_image_that_cannot_be_judged_is_said_to_be_and_counts_where_the_policy_asks(
    rules: Path, program: Program
) -> None:
    (rules / "broken").mkdir()
    (rules / "broken" / "oci-layout").write_text("{}")
    status, text = check(program, "good", "--against", "./broken")
    assert status == 0
    assert " ! could not be judged for comparison: ./broken: " in text
    assert " ! not in what it is compared with: ./good (linux/amd64)\n" in text
    (rules / "rules.yaml").write_text(RULES + "sudden-fall: deny\n")
    status, text = check(program, "good", "--against", "./broken")
    assert status == 3
    assert "could not be compared with ./broken" in text


def test_a_report_may_be_called_anything(rules: Path, program: Program) -> None:
    check(program, "bad")
    (rules / "yesterday").write_text("\n " + (rules / "report.json").read_text())
    assert " SINCE ./yesterday OF 20" in check(program, "bad", "--against", "./yesterday")[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "is an image name, and there is a file or layout of that name here"),
        ("./gone", "there is nothing at './gone'"),
        ("gone.json", "the report 'gone.json' cannot be read"),
        ("Not A Name", "'Not A Name'"),
    ],
)
def test_what_is_neither_report_nor_image_is_a_wrong_request(
    text: str, words: str, rules: Path, program: Program
) -> None:
    (rules / "yesterday").write_text("{}")
    done = program("check", "./good", "--policy", "rules.yaml", "--against", text)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_the_policy_says_where_the_other_image_may_come_from_as_well(rules: Path, program: Program) -> None:
    (rules / "rules.yaml").write_text(RULES + "sources: {from: [file]}\n")
    done = program("check", "./good", "--policy", "rules.yaml", "--against", "docker://alpine:3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "docker://alpine:3" in done.stderr
