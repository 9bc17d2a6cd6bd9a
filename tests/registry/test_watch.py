from __future__ import annotations

import socket
import threading
import time

import pytest

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.registry.retries import Transient
from gate.registry.watch import Watchman


def ends(reader: socket.socket) -> float:
    """Read until the socket ends, and return how long that took."""
    start = time.monotonic()
    reader.settimeout(10)
    assert reader.recv(1) == b""
    return time.monotonic() - start


def test_a_request_that_is_over_its_time_is_cut() -> None:
    watchman = Watchman(Deadline(60))
    near, far = socket.socketpair()
    with near, far:
        watch = watchman.watch(0.2)
        watchman.arm(near)
        assert ends(near) < 2
        assert watch.over
        with pytest.raises(Transient, match="too long"):
            watch.arm(near)
    watchman.close()


@pytest.mark.parametrize("how", ["deadline", "stopped", "closed"])
def test_and_by_the_end_of_the_run(how: str) -> None:
    deadline = Deadline(0.3 if how == "deadline" else 60)
    watchman = Watchman(deadline)
    near, far = socket.socketpair()
    with near, far:
        watchman.watch(50)
        watchman.arm(near)
        if how != "deadline":
            threading.Timer(0.2, deadline.cancelled.set if how == "stopped" else watchman.close).start()
        assert ends(near) < 2
    watchman.close()


def test_one_that_ended_is_left_alone() -> None:
    watchman = Watchman(Deadline(60))
    near, far = socket.socketpair()
    with near, far:
        watch = watchman.watch(0.5)
        watchman.arm(near)
        watch.end()
        time.sleep(0.8)
        far.sendall(b"x")
        assert near.recv(1) == b"x"
        assert not watch.over
    watchman.close()


def test_of_several_only_the_late_one_is_cut() -> None:
    watchman = Watchman(Deadline(60))
    near, far = socket.socketpair()
    other, end = socket.socketpair()
    with near, far, other, end:
        slow = watchman.watch(30)
        watchman.arm(other)
        watchman.watch(0.1)
        watchman.arm(near)
        assert ends(near) < 2
        assert not slow.over
    watchman.close()


def test_nothing_starts_after_the_end() -> None:
    with pytest.raises(Unavailable, match="time limit"):
        Watchman(Deadline(-1)).watch(1)
    watchman = Watchman(Deadline(60))
    watchman.close()
    with pytest.raises(Unavailable, match="closed"):
        watchman.watch(1)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    watchman = Watchman(Deadline(60))
    watchman.watch(1).end()
    assert threading.active_count() == before + 1
    watchman.close()
    assert threading.active_count() == before
