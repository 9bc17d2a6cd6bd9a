"""Do several things at a time, in threads, until one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")


def in_parallel(threads: int, calls: Mapping[K, Callable[[], T]], stopped: threading.Event) -> dict[K, T]:
    """Return what calls return, several at a time.

    The first error in their order is raised. By then what has not begun never does, and what runs finds `stopped` set.
    """
    if threads == 1:
        return {key: call() for key, call in calls.items()}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        try:
            started = {key: pool.submit(call) for key, call in calls.items()}
            return {key: future.result() for key, future in started.items()}
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
