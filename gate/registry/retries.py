"""Try again what may go better the next time, a bounded number of times and never beyond the run's deadline."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS

T = TypeVar("T")

FIRST_PAUSE = 0.5
"""Seconds before the first new try; each further pause is twice as long."""

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say "not now"."""

_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)


class Transient(Unavailable):
    """A failure that may be gone at the next try; `after` is how many seconds the other side asks to wait."""

    def __init__(self, message: str, *, hint: str = "", after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.after = after


def persist(deadline: Deadline, attempt: Callable[[], T]) -> T:
    """Call `attempt` until it does not raise `Transient`, at most `LIMITS.retries` times again."""
    for tried in range(1, LIMITS.retries + 1):
        try:
            return attempt()
        except Transient as error:
            pause(deadline, error, tried)
    try:
        return attempt()
    except Transient as error:
        raise Unavailable(f"{error.message} (tried {LIMITS.retries + 1} times)", hint=error.hint) from None


def pause(deadline: Deadline, error: Transient, tried: int) -> None:
    """Wait before the next try; raises `Unavailable` at once where that would take longer than the run may."""
    seconds = max(error.after, FIRST_PAUSE * 2 ** (tried - 1))
    deadline.check()
    if seconds >= deadline.left:
        asked = f"; it asks to wait {error.after:,.0f} s" if error.after else ""
        raise Unavailable(
            f"{error.message}{asked}, and the time limit of the run comes before the next try",
            hint=error.hint or "run it again later, or allow more with --timeout",
        ) from None
    if deadline.cancelled.wait(seconds):
        deadline.check()


def retry_after(value: str, date: str) -> float:
    """Read `Retry-After`: seconds, or a moment, of which the server's own `Date` is subtracted; 0 where it says nothing."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
