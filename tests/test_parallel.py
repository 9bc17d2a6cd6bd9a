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


def test_a_signal_does_not_wait_for_what_waits_for_a_server() -> None:
    cut, stopped = threading.Event(), threading.Event()

    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parallel(2, {"a": interrupted, "b": lambda: bool(cut.wait(30))}, stopped)
    assert not cut.is_set()
    assert stopped.is_set()
    cut.set()


def test_an_error_waits_for_what_runs() -> None:
    begun, ended, stopped = threading.Event(), threading.Event(), threading.Event()

    def failing() -> None:
        assert begun.wait(30)
        raise ValueError("broken")

    def ending() -> None:
        begun.set()
        assert stopped.wait(30)
        ended.set()

    with pytest.raises(ValueError, match="broken"):
        in_parallel(2, {"a": failing, "b": ending}, stopped)
    assert ended.is_set()


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
