"""`image-gate baseline`: what is known does not count, what is new does, and what could not be told is never known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samples.images.builder import Settings, build_image
from samples.images.catalogue import bad
from samples.images.entries import program as executable
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from samples.images.programs import static_program
from tests.cli.conftest import Program

NAME = "registry.example.com/shop/api"
TODAY = datetime.now(UTC).date()
RULES = "schema: 1\nrules: {no-shell: {}, no-setuid: {}, non-root: {}}\n"
BASELINE = f"baseline: {{file: baseline.json, until: {TODAY}}}\n"


@pytest.fixture
def program(inside: Program) -> Program:
    """The program without a process of its own; tests/cli/test_check.py runs it as users do."""
    return inside


@pytest.fixture
def images(place: Path) -> Path:
    """The images `bad`, `more` (with one program more that is a finding), and the policies `rules` and `known`."""
    now = datetime.now(UTC).replace(microsecond=0)
    more = layer_of({"opt/helper": executable(static_program("helper"), 0o4755)})
    write_directory(oci_layout({"": build_image([*bad(now).layers, more], Settings(now))}), place / "more")
    (place / "rules.yaml").write_text(RULES)
    (place / "known.yaml").write_text(RULES + BASELINE)
    return place


def check(program: Program, image: str, policy: str, name: str = f"{NAME}:1") -> tuple[int, Any]:
    done = program(
        "check",
        f"./{image}",
        "--policy",
        policy,
        "--as",
        name,
        "--format",
        "json",
        "--output",
        "json=report.json",
    )
    return done.returncode, json.loads(done.stdout)


def created(program: Program) -> Any:
    done = program("baseline", "create", "report.json", "-o", "baseline.json")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_known_passes_as_known_and_what_is_new_fails(images: Path, program: Program) -> None:
    status, report = check(program, "bad", "rules.yaml")
    assert status == 1
    found = sum(len(result["findings"]) for result in report["verdicts"][0]["results"])
    assert created(program) == f"baseline.json: {found} findings of 1 image\n"
    status, report = check(program, "bad", "known.yaml", f"{NAME}:2")
    assert status == 0
    results = report["verdicts"][0]["results"]
    assert sum(len(result["excepted"]) for result in results) == found
    assert all(item["baseline"] for result in results for item in result["excepted"])
    status, report = check(program, "more", "known.yaml")
    assert status == 1
    (new,) = [one for result in report["verdicts"][0]["results"] for one in result["findings"]]
    assert new["location"]["path"] == "/opt/helper"
    text = program("check", "./bad", "--policy", "known.yaml", "--as", NAME).stdout
    assert f"{found} known" in text
    assert "rules passed" not in text


def test_another_image_and_one_without_a_name_are_said_and_fail(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    status, report = check(program, "bad", "known.yaml", "registry.example.com/shop/web:1")
    assert status == 1
    assert report["run"]["policy"]["baseline"]["not_for"] == ["./bad (linux/amd64)"]
    done = program("check", "./bad", "--policy", "known.yaml")
    assert done.returncode == 1
    assert "says nothing of ./bad (linux/amd64)" in done.stdout


def test_one_that_has_ended_covers_nothing(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    (images / "known.yaml").write_text(RULES + BASELINE.replace(str(TODAY), str(TODAY - timedelta(days=1))))
    done = program("check", "./bad", "--policy", "known.yaml", "--as", NAME)
    assert done.returncode == 1
    assert "and covers nothing any more" in done.stdout


def test_no_option_and_no_variable_brings_one_in(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    arguments = ("check", "./bad", "--policy", "rules.yaml", "--as", NAME)
    assert program(*arguments, "--baseline", "baseline.json").returncode == 2
    assert program(*arguments, variables={"IMAGE_GATE_BASELINE": "baseline.json"}).returncode == 1


def test_content_that_contradicts_its_digest_is_never_known(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    layer = max((images / "bad" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    layer.write_bytes(data)
    status, report = check(program, "bad", "known.yaml")
    assert status != 0
    assert report["status"] != "pass"
    done = program("baseline", "create", "report.json", "-o", "again.json")
    assert done.returncode == 2
    assert not (images / "again.json").exists()


def test_updating_takes_out_what_is_fixed_and_adds_nothing(images: Path, program: Program) -> None:
    check(program, "more", "rules.yaml")
    created(program)
    before = json.loads((images / "baseline.json").read_text())
    check(program, "bad", "known.yaml")
    done = program("baseline", "update", "report.json", "baseline.json")
    assert done.returncode == 0
    assert ": 1 fixed and taken out, " in done.stdout
    after = json.loads((images / "baseline.json").read_text())
    gone = [one for one in before["images"][0]["findings"] if one not in after["images"][0]["findings"]]
    assert [one["path"] for one in gone] == ["/opt/helper"]
    assert after["created"] == before["created"]
    check(program, "more", "known.yaml")
    assert ": 0 fixed" in program("baseline", "update", "report.json", "baseline.json").stdout
    assert json.loads((images / "baseline.json").read_text()) == after
    check(program, "good", "rules.yaml", "registry.example.com/other:1")
    program("baseline", "update", "report.json", "baseline.json")
    assert json.loads((images / "baseline.json").read_text()) == after


def test_what_a_report_does_not_tell_stays_known(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    before = (images / "baseline.json").read_text()
    report = json.loads((images / "report.json").read_text())
    for result in report["verdicts"][0]["results"]:
        result |= {"outcome": "unknown", "findings": []}
    (images / "report.json").write_text(json.dumps(report))
    assert program("baseline", "update", "report.json", "baseline.json").returncode == 0
    assert (images / "baseline.json").read_text() == before
    done = program("baseline", "create", "report.json", "-o", "other.json")
    assert "! ./bad (linux/amd64): no-setuid, no-shell, non-root could not be decided" in done.stdout


def test_what_could_not_be_told_is_never_known(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    report = json.loads((images / "report.json").read_text())
    results = report["verdicts"][0]["results"]
    (shells,) = (result for result in results if result["rule"] == "no-shell")
    for finding in shells["findings"]:
        finding["unknown"] = True
    (images / "report.json").write_text(json.dumps(report))
    created(program)
    known = json.loads((images / "baseline.json").read_text())["images"][0]["findings"]
    assert {one["rule"] for one in known} == {result["rule"] for result in results} - {"no-shell"}


def test_a_finding_counts_as_fixed_when_no_tag_of_the_image_has_it(images: Path, program: Program) -> None:
    check(program, "more", "rules.yaml")
    created(program)
    report = json.loads((images / "report.json").read_text())
    second = json.loads(json.dumps(report["verdicts"][0]))
    for result in second["results"]:
        result["findings"] = []
    report["verdicts"].append(second)
    (images / "report.json").write_text(json.dumps(report))
    assert ": 0 fixed" in program("baseline", "update", "report.json", "baseline.json").stdout


def test_it_is_shown_by_image(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    lines = program("baseline", "show", "baseline.json").stdout.splitlines()
    assert lines[0].startswith(f"made from a report of {TODAY}: ")
    assert lines[1] == f"{NAME} (linux/amd64)"
    assert any("no-shell: " in line and "/bash" in line for line in lines[2:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": {}}, "does not say when it was made"),
        ({"run": {"started": "soon"}}, "does not say when it was made"),
        ({"verdicts": []}, "judges no image"),
        ({"schema": 2}, "is no report of image-gate"),
        ({"status": "fine"}, "is no report of image-gate"),
        ({"verdicts": [{}]}, "is no report of image-gate"),
    ],
)
def test_what_is_no_dated_report_of_images_is_refused(
    changes: dict[str, Any], message: str, images: Path, program: Program
) -> None:
    check(program, "bad", "rules.yaml")
    report = json.loads((images / "report.json").read_text())
    (images / "report.json").write_text(json.dumps({**report, **changes}))
    done = program("baseline", "create", "report.json", "-o", "baseline.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (images / "baseline.json").exists()


def test_images_that_were_not_judged_or_have_no_name_are_refused(images: Path, program: Program) -> None:
    program("check", "./bad", "--policy", "rules.yaml", "--output", "json=report.json")
    done = program("baseline", "create", "report.json", "-o", "baseline.json")
    assert (done.returncode, "has no name" in done.stderr) == (2, True)
    (images / "more" / "index.json").write_text("{}")
    check(program, "more", "rules.yaml")
    done = program("baseline", "create", "report.json", "-o", "baseline.json")
    assert (done.returncode, "was not judged" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "x" * 100])
def test_files_that_are_none_are_refused(content: str | None, images: Path, program: Program) -> None:
    if content is not None:
        (images / "x.json").write_text(content)
    check(program, "bad", "rules.yaml")
    for arguments in (
        ["create", "x.json", "-o", "y.json"],
        ["update", "report.json", "x.json"],
        ["show", "x.json"],
    ):
        done = program("baseline", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
    assert not (images / "y.json").exists()


def test_an_older_report_updates_nothing(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    created(program)
    report = json.loads((images / "report.json").read_text())
    report["run"]["started"] = "2020-01-01T00:00:00+00:00"
    (images / "report.json").write_text(json.dumps(report))
    done = program("baseline", "update", "report.json", "baseline.json")
    assert (done.returncode, "is older than the baseline" in done.stderr) == (2, True)


def test_a_vulnerability_that_is_called_otherwise_stays_known(images: Path, program: Program) -> None:
    check(program, "bad", "rules.yaml")
    report = json.loads((images / "report.json").read_text())
    shell = next(one for one in report["verdicts"][0]["results"] if one["rule"] == "no-shell")
    found = {**shell["findings"][0], "id": "GHSA-a", "details": {"aliases": ["DSA-1", "GO-1"]}}

    def write(*findings: Any) -> None:
        shell["findings"] = findings
        (images / "report.json").write_text(json.dumps(report))

    write(found)
    created(program)
    known = json.loads((images / "baseline.json").read_text())["images"][0]["findings"]
    assert [one["aliases"] for one in known if one["id"] == "GHSA-a"] == [["GO-1"]]
    write({**found, "id": "CVE-1", "details": {"aliases": ["GO-1"]}})
    assert ": 0 fixed" in program("baseline", "update", "report.json", "baseline.json").stdout
    write({**found, "id": "CVE-1", "details": {"aliases": ["GO-2"]}})
    assert ": 1 fixed" in program("baseline", "update", "report.json", "baseline.json").stdout


def test_it_is_compared_with_a_report(images: Path, program: Program) -> None:
    check(program, "more", "rules.yaml")
    created(program)
    report = json.loads((images / "report.json").read_text())
    results = {one["rule"]: one for one in report["verdicts"][0]["results"]}
    gone = results["no-setuid"]["findings"].pop()
    results["no-shell"]["findings"][0] |= {"severity": "critical"}
    results["non-root"] |= {"outcome": "unknown", "findings": []}
    (images / "newer.json").write_text(json.dumps(report))
    done = program("baseline", "show", "baseline.json", "--against", "newer.json")
    marks = {(line[:2], line.split(": ")[0].split()[-1]) for line in done.stdout.splitlines()[2:]}
    assert marks == {("- ", "no-setuid"), ("+ ", "no-shell"), ("? ", "non-root")}
    assert gone["location"]["path"] in done.stdout
    assert "+ critical    no-shell: " in done.stdout
    done = program("baseline", "show", "baseline.json", "--against", "report.json")
    assert len(done.stdout.splitlines()) == 2
