"""The moment at which a run gives up."""

from __future__ import annotations

import threading
import time

from gate.errors import Unavailable


class Deadline:
    """The moment at which a run gives up, and the way to stop it before. Shared by all threads of a run."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.cancelled = threading.Event()
        self._seconds = seconds

    @property
    def left(self) -> float:
        """Seconds that are left; not positive once the time is over."""
        return self.at - time.monotonic()

    def check(self, *_: object) -> None:
        """Raise `Unavailable` once the time is over or the run was stopped; made to be called between reads."""
        if self.cancelled.is_set():
            raise Unavailable("the run was stopped")
        if self.left < 0:
            raise Unavailable(
                f"the time limit of {self._seconds:g} s is over", hint="allow more with --timeout"
            )
