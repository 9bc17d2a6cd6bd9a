"""Do several things at a time, in threads, until one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")


_GRACE = 1.0
"""Seconds that a signal leaves to what runs: what reads files ends at its next read."""


def in_parallel(threads: int, calls: Mapping[K, Callable[[], T]], stopped: threading.Event) -> dict[K, T]:
    """Return what calls return, several at a time.

    The first error in their order is raised. By then what has not begun never does, and what runs has found `stopped` set and
    ended; a signal waits for that only a moment, because what waits for a server ends when its client is closed on the way out.
    """
    if threads == 1:
        return {key: call() for key, call in calls.items()}
    from concurrent.futures import Future, ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(threads)
    started: dict[K, Future[T]] = {}
    ending = True
    try:
        for key, call in calls.items():
            started[key] = pool.submit(call)
        return {key: future.result() for key, future in started.items()}
    except Exception:
        stopped.set()
        raise
    except BaseException:
        stopped.set()
        begun = [future for future in started.values() if not future.cancel()]
        ending = not wait(begun, timeout=_GRACE).not_done
        raise
    finally:
        pool.shutdown(wait=ending, cancel_futures=True)
