from __future__ import annotations

from datetime import date
from itertools import product

import msgspec
import pytest

from gate.rule import Action
from gate.verdict import Outcome, Report, Status, Undecided, Verdict
from tests.kit.reports import report, result, subject, verdict

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
DENY, WARN = Action.DENY, Action.WARN


@pytest.mark.parametrize(
    ("outcome", "action", "blocking", "closes", "warns"),
    [
        (PASS, DENY, False, False, False),
        (PASS, WARN, False, False, False),
        (PASS, DENY, True, False, False),
        (FAIL, DENY, False, True, False),
        (FAIL, WARN, False, False, True),
        (UNKNOWN, DENY, False, True, False),
        (UNKNOWN, WARN, False, False, True),
        (UNKNOWN, WARN, True, True, False),
        (UNKNOWN, DENY, True, True, False),
    ],
)
def test_what_a_result_does(
    outcome: Outcome, action: Action, blocking: bool, closes: bool, warns: bool
) -> None:
    found = result("a", outcome, action=action, blocking=blocking)
    assert (found.closes, found.warns) == (closes, warns)


@pytest.mark.parametrize(
    ("selected", "answered"),
    [
        ((), ()),
        (("a",), ()),
        ((), ("a",)),
        (("a",), ("b",)),
        (("a", "b"), ("a",)),
        (("a",), ("a", "b")),
        (("a", "b"), ("b", "a")),
        (("a",), ("a", "a")),
        (("a", "a"), ("a", "a")),
    ],
)
def test_a_verdict_has_one_result_for_each_selected_rule(
    selected: tuple[str, ...], answered: tuple[str, ...]
) -> None:
    """Silence is not success."""
    with pytest.raises(ValueError, match="a verdict needs one result for each"):
        Verdict(subject(), selected, tuple(result(name) for name in answered))


def test_a_verdict_cannot_be_made_incomplete_later() -> None:
    complete = verdict(result("a"), result("b"))
    with pytest.raises(ValueError):
        msgspec.structs.replace(complete, results=complete.results[:1])
    with pytest.raises(AttributeError):
        complete.results = ()  # type: ignore[misc]


CLOSING = (
    (result("x", FAIL, action=DENY), Status.FAIL),
    (result("x", UNKNOWN, action=DENY), Status.UNKNOWN),
    (result("x", UNKNOWN, action=WARN, blocking=True), Status.UNKNOWN),
    (result("x", FAIL, action=WARN), Status.PASS),
    (result("x", UNKNOWN, action=WARN), Status.PASS),
    (result("x", PASS), Status.PASS),
)
WORST = (Status.FAIL, Status.UNKNOWN, Status.PASS)


@pytest.mark.parametrize("pair", list(product(CLOSING, repeat=2)))
def test_the_status_of_a_verdict_is_the_worst_that_closes(pair: tuple[tuple, tuple]) -> None:  # type: ignore[type-arg]
    (one, first), (two, second) = pair
    found = verdict(msgspec.structs.replace(one, rule="a"), msgspec.structs.replace(two, rule="b"))
    assert found.status is min(first, second, key=WORST.index)


@pytest.mark.parametrize(
    "statuses", [s for count in range(4) for s in product(Status, repeat=count)], ids=str
)
@pytest.mark.parametrize("undecided", [False, True])
def test_the_status_of_a_report_is_the_worst_of_all(statuses: tuple[Status, ...], undecided: bool) -> None:
    """Fail before unknown before pass, and a run that judged nothing is unknown."""
    verdicts = [verdict(next(found for found, status in CLOSING if status is wanted)) for wanted in statuses]
    found = report(*verdicts, undecided=(Undecided("x", "", "why"),) if undecided else ())
    expected = [*statuses, *([Status.UNKNOWN] if undecided else [])] or [Status.UNKNOWN]
    assert found.status is min(expected, key=WORST.index)


def test_a_platform_that_is_required_and_not_there_fails() -> None:
    missing = Undecided("x", "linux/arm64", "why", status=Status.FAIL)
    assert report(verdict(result("a")), undecided=(missing,)).status is Status.FAIL
    assert Report((), (Undecided("y", "", "why"), missing)).status is Status.FAIL
    with pytest.raises(ValueError, match="what was not judged cannot pass"):
        Undecided("x", "", "why", status=Status.PASS)


def test_nothing_judged_is_unknown() -> None:
    assert Report(()).status is Status.UNKNOWN
    assert Report((), left_out={"x": {"linux/arm64": "left out"}}).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pass", Status.UNKNOWN), ("fail", Status.FAIL), ("unknown", Status.UNKNOWN)],
)
def test_a_report_as_of_another_day_is_never_a_pass(status: str, expected: Status) -> None:
    outcome = Outcome(status)
    judged = verdict(result("no-shell", outcome))
    assert judged.status.value == status
    assert Report((judged,), as_of=date(2026, 12, 31)).status is expected
