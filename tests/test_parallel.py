"""Several things at a time."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from gate.parallel import in_parallel


def test_calls_in_parallel_give_results_by_name() -> None:
    for threads in (1, 3):
        calls = {name: partial(str.upper, name) for name in "abc"}
        assert in_parallel(threads, calls, threading.Event()) == {"a": "A", "b": "B", "c": "C"}


def test_calls_in_parallel_are_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    assert len(in_parallel(2, dict.fromkeys("ab", both.wait), threading.Event())) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_what_has_not_begun_never_does_after_an_error(threads: int) -> None:
    begun: list[str] = []
    stopped = threading.Event()

    def call(name: str) -> None:
        begun.append(name)
        if name == "a":
            raise ValueError(name)
        stopped.wait(10)

    with pytest.raises(ValueError, match="a"):
        in_parallel(threads, {name: partial(call, name) for name in "abcdefgh"}, stopped)
    assert len(begun) <= threads + 1
