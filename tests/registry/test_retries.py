from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.limits import LIMITS
from gate.registry import NotFound
from gate.registry.retries import Transient, persist, retry_after

DATE = "Wed, 25 Nov 2026 10:00:00 GMT"


class Failing:
    """Fails so many times, then gives an answer."""

    def __init__(self, times: int, error: Callable[[], Exception]) -> None:
        self.left = times
        self.made = 0
        self._error = error

    def __call__(self) -> str:
        self.made += 1
        if self.left:
            self.left -= 1
            raise self._error()
        return "answer"


@pytest.mark.parametrize("times", range(LIMITS.retries + 1))
def test_what_is_gone_in_time_is_not_seen(times: int) -> None:
    failing = Failing(times, lambda: Transient("not now"))
    assert persist(Deadline(10), failing) == "answer"
    assert failing.made == times + 1


def test_what_stays_is_said_with_the_number_of_tries() -> None:
    failing = Failing(99, lambda: Transient("not now", hint="wait"))
    with pytest.raises(Unavailable, match=r"not now \(tried 4 times\)") as caught:
        persist(Deadline(10), failing)
    assert failing.made == LIMITS.retries + 1
    assert type(caught.value) is Unavailable  # so that nothing around it tries again
    assert caught.value.hint == "wait"


@pytest.mark.parametrize("error", [Unavailable, IntegrityError, NotFound, ValueError])
def test_anything_else_is_not_tried_again(error: type[Exception]) -> None:
    failing = Failing(1, lambda: error("no"))
    with pytest.raises(error):
        persist(Deadline(10), failing)
    assert failing.made == 1


def test_what_the_other_side_asks_to_wait_is_waited() -> None:
    failing = Failing(1, lambda: Transient("not now", after=0.2))
    start = time.monotonic()
    persist(Deadline(10), failing)
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("after", [11.0, 1e9, float("inf")])
def test_but_not_beyond_the_deadline(after: float) -> None:
    failing = Failing(1, lambda: Transient("not now", after=after))
    start = time.monotonic()
    with pytest.raises(Unavailable, match="asks to wait"):
        persist(Deadline(10), failing)
    assert time.monotonic() - start < 1
    assert failing.made == 1


def test_a_pause_does_not_run_into_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 5)
    with pytest.raises(Unavailable, match="the time limit of the run comes before the next try"):
        persist(Deadline(1), Failing(1, lambda: Transient("not now")))


def test_a_run_that_is_over_or_stopped_tries_no_more() -> None:
    with pytest.raises(Unavailable, match="time limit"):
        persist(Deadline(-1), Failing(1, lambda: Transient("not now")))
    stopped = Deadline(60)
    stopped.cancelled.set()
    with pytest.raises(Unavailable, match="stopped"):
        persist(stopped, Failing(1, lambda: Transient("not now", after=30)))


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("", "", 0),
        ("0", "", 0),
        (" 120 ", "", 120),
        ("1000000000", "", 1_000_000_000),
        ("1.5", DATE, 0),
        ("-5", DATE, 0),
        ("٣", DATE, 0),
        ("Wed, 25 Nov 2026 10:00:30 GMT", DATE, 30),
        ("Wed, 25 Nov 2026 09:00:00 GMT", DATE, 0),
        ("Wed, 25 Nov 2026 10:00:30 GMT", "", 0),
        ("Wed, 25 Nov 2026 10:00:30 GMT", "yesterday", 0),
        ("Wed, 25 Nov 2026 10:00:30", DATE, 0),
        ("soon", DATE, 0),
        ("9" * 30, DATE, 0),
        ("Wed, 99 Nov 2026 10:00:30 GMT", DATE, 0),
    ],
)
def test_how_long_to_wait_is_read(value: str, date: str, seconds: float) -> None:
    assert retry_after(value, date) == seconds
