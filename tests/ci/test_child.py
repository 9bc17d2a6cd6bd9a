"""What came of a check is held against its report: an exit code alone is no pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.ci.child import EXIT_CODES, Order, Outcome, _outcome, failed_rules, warnings, without_verdict
from gate.errors import InvalidInput, Unavailable
from gate.reporters import RenderOptions, reporter
from gate.rule import Action, Finding
from gate.verdict import Outcome as RuleOutcome
from gate.verdict import Report, Status
from tests.kit.reports import failing, failing_report, passing_report, report, result, verdict

REPORTS = {Status.PASS: passing_report(), Status.FAIL: failing_report(), Status.UNKNOWN: Report(())}


def written(folder: Path, given: Report) -> Path:
    """Write a report as a check does."""
    path = folder / "image-gate.json"
    path.write_text(reporter("json").render(given, RenderOptions()))
    return path


@pytest.mark.parametrize("status", [Status.PASS, Status.FAIL])
def test_code_and_report_agree(tmp_path: Path, status: Status) -> None:
    found = _outcome(EXIT_CODES[status], written(tmp_path, REPORTS[status]), ())
    assert (found.status, found.code) == (status, EXIT_CODES[status])


@pytest.mark.parametrize("code", [0, 1, 2, 3, -9, 137, 77])
@pytest.mark.parametrize("status", [Status.PASS, Status.FAIL, None])
def test_only_a_pass_by_both_is_one(tmp_path: Path, code: int, status: Status | None) -> None:
    path = tmp_path / "image-gate.json" if status is None else written(tmp_path, REPORTS[status])
    found = _outcome(code, path, ())
    passes = code == 0 and status is Status.PASS
    assert (found.code == 0) == passes
    assert (found.status is Status.PASS) == passes


def test_a_report_that_was_changed_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, failing_report())
    path.write_text(path.read_text().replace('"status": "fail"', '"status": "pass"', 1))
    found = _outcome(0, path, ("before",))
    assert (found.code, found.report) == (3, None)
    assert found.complaints[0] == "before"
    assert "no report of image-gate" in found.complaints[1] or "contradicts itself" in found.complaints[1]


def test_an_end_by_a_signal_is_told(tmp_path: Path) -> None:
    assert "ended with -9" in _outcome(-9, tmp_path / "none", ()).complaints[0]


def test_the_reason_names_what_closes_the_gate() -> None:
    given = report(verdict(failing("no-shell", Finding("a shell")), result("max-age", RuleOutcome.PASS)))
    assert Outcome(1, given, ()).reason == "fail: no-shell"
    assert Outcome(0, passing_report(), ()).reason == "pass"
    assert Outcome(1, failing_report(), ()).reason.endswith(", vulnerabilities, 2 images not judged")
    assert Outcome(3, None, ()).reason.startswith("unknown: there is no verdict")


def test_what_only_warns_is_counted_and_closes_nothing() -> None:
    warned = failing("max-age", Finding("old"), action=Action.WARN)
    given = report(verdict(warned, failing("no-shell", Finding("a shell"))), verdict(warned))
    assert failed_rules(given) == {"no-shell"}
    assert warnings(given) == 2


def test_the_arguments_of_an_order() -> None:
    order = Order(("--policy=audit",), "strict", {"json": Path("/r/a.json")}, ("--verbose",))
    assert order.arguments == [
        *("check", "--format=text", "--output=json=/r/a.json", "--policy=strict", "--verbose", "--"),
        "--policy=audit",
    ]


@pytest.mark.parametrize(
    ("error", "code"), [(InvalidInput("no", hint="do"), 2), (Unavailable("no", hint="do"), 3)]
)
def test_a_check_that_cannot_start_says_why(
    error: InvalidInput | Unavailable, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = without_verdict(error)
    assert (found.code, found.complaints) == (code, ("image-gate: no", "  → do"))
    assert capsys.readouterr().out == "image-gate: no\n  → do\n"
