"""`image-gate report` and `image-gate verdict`: from the JSON report alone, what `check` wrote and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.reporters import RenderOptions, formats
from gate.reporters.json import render
from gate.verdict import Report
from tests.cli.conftest import Program
from tests.kit.reports import failing_report, passing_report, report

OUTPUTS = tuple(formats())


def written(found: Report, folder: Path) -> Path:
    path = folder / "report.json"
    path.write_text(render(found, RenderOptions()))
    return path


def test_every_format_is_the_same_as_check_wrote_it(place: Path, inside: Program) -> None:
    (place / "Dockerfile").write_text("# from\nFROM debian:12\nUSER root\n")
    outputs = [f"--output={name}=first.{name}" for name in OUTPUTS]
    done = inside("check", "oci:bad", "--policy", "policy.yaml", "--dockerfile", "Dockerfile", *outputs)
    assert done.returncode == 1
    again = [f"--output={name}=second.{name}" for name in OUTPUTS]
    done = inside("report", "first.json", "--dockerfile", "Dockerfile", *again)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name in OUTPUTS:
        assert (place / f"second.{name}").read_text() == (place / f"first.{name}").read_text(), name
    assert (
        "::error file=Dockerfile,line=3,title=image-gate%3A non-root" in (place / "first.github").read_text()
    )


def test_a_format_for_standard_output(tmp_path: Path, inside: Program) -> None:
    path = written(failing_report(), tmp_path)
    assert json.loads(inside("report", str(path), "--format", "json").stdout) == json.loads(path.read_text())
    assert inside("report", str(path)).stdout.splitlines()[-1].startswith("exit 1: fail")
    done = inside("report", str(path), "--format", "github", "--output", f"junit={tmp_path}/x.xml")
    assert done.stdout.startswith("::error ")
    assert (tmp_path / "x.xml").exists()


def test_a_report_can_be_written_over_the_one_it_is_made_of(tmp_path: Path, inside: Program) -> None:
    path = written(passing_report(), tmp_path)
    before = path.read_text()
    assert inside("report", str(path), "--output", f"json={path}").returncode == 0
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("of", "code"), [(passing_report, 0), (failing_report, 1), (report, 3)], ids=["pass", "fail", "unknown"]
)
def test_the_verdict_is_repeated(
    of: Callable[[], Report], code: int, tmp_path: Path, program: Program
) -> None:
    done = program("verdict", str(written(of(), tmp_path)))
    assert (done.returncode, done.stderr) == (code, "")
    assert program("report", str(written(of(), tmp_path))).returncode == 0


def test_the_verdict_is_one_line_for_each_image(tmp_path: Path, inside: Program) -> None:
    done = inside("verdict", str(written(failing_report(), tmp_path)))
    assert [line[:6] for line in done.stdout.splitlines()] == ["✗ FAIL", "✓ PASS", "? UNKN", "✗ FAIL"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"outcome": "fail"', '"outcome": "pass"'), "contradicts itself"),
        (lambda text: text.replace('"action": "deny"', '"action": "warn"'), "contradicts itself"),
        (lambda text: text[: len(text) // 2], ""),
        (lambda _: "{}", "no report"),
        (lambda _: "", ""),
    ],
    ids=["outcome", "action", "cut", "other", "empty"],
)
def test_a_report_that_was_changed_gives_no_verdict(
    change: Callable[[str], str], said: str, tmp_path: Path, inside: Program
) -> None:
    path = written(failing_report(), tmp_path)
    path.write_text(change(path.read_text()))
    for command in ("verdict", "report"):
        done = inside(command, str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_a_verdict_that_is_not_there_is_none(tmp_path: Path, inside: Program) -> None:
    done = inside("verdict", str(tmp_path / "missing.json"))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("path", ["missing", "../Dockerfile", ".", "latin-1"])
def test_a_dockerfile_that_cannot_be_pointed_at_is_refused(
    path: str, tmp_path: Path, inside: Program
) -> None:
    (tmp_path.parent / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "latin-1").write_bytes(b"FROM x\n# \xfc\n")
    done = inside("report", str(written(passing_report(), tmp_path)), "--dockerfile", path)
    assert done.returncode == 2
    assert "--dockerfile" in done.stderr
