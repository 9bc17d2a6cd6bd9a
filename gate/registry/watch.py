"""Bound the wall clock of requests: a time limit per read does not end a server that sends a byte a second."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.registry.retries import Transient

_STEP = 0.1
"""Seconds between two looks at the clock, and at whether the run was stopped."""


class Watch:
    """One request with the moment at which it must be over; its socket is shut down then, which ends every read."""

    def __init__(self, watchman: Watchman, until: float) -> None:
        self.until = until
        self.over = False
        self._watchman = watchman
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def arm(self, connection: object) -> None:
        """Say which socket the request uses now."""
        with self._lock:
            if self.over:
                raise Transient("the answer takes too long")
            connection = getattr(connection, "socket", connection)  # what lies under TLS within TLS
            self._socket = connection if isinstance(connection, socket.socket) else None

    def cut(self) -> None:
        """End the request."""
        with self._lock:
            self.over = True
            if self._socket is not None:
                # Not SSLSocket's own `shutdown`, which would let a reader of another thread go on without TLS.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def end(self) -> None:
        """The request is done; its socket may go on to serve another one."""
        self._watchman.forget(self)
        with self._lock:
            self._socket = None


class Watchman:
    """Watches all requests of one client, in one thread that runs while there are any."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._watches: set[Watch] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._current = threading.local()

    def watch(self, seconds: float) -> Watch:
        """Start to watch a request of this thread, which may take `seconds` and no longer than the run."""
        self._deadline.check()
        watch = Watch(self, min(time.monotonic() + seconds, self._deadline.at))
        self._current.watch = watch
        with self._changed:
            if self._closed:
                raise Unavailable("the registry client is closed")
            self._watches.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="registry-watch", daemon=True)
                self._thread.start()
            self._changed.notify()
        return watch

    def arm(self, connection: object) -> None:
        """Say which socket the request of this thread uses."""
        watch: Watch | None = getattr(self._current, "watch", None)
        if watch is not None:
            watch.arm(connection)

    def forget(self, watch: Watch) -> None:
        """Stop to watch a request."""
        with self._changed:
            self._watches.discard(watch)

    def close(self) -> None:
        """End what still runs, and the thread."""
        with self._changed:
            self._closed = True
            left = list(self._watches)
            self._watches.clear()
            self._changed.notify()
        for watch in left:
            watch.cut()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        """Cut what is over its time, and everything once the run is stopped."""
        with self._changed:
            while not self._closed:
                now, stopped = time.monotonic(), self._deadline.cancelled.is_set()
                for watch in [watch for watch in self._watches if stopped or now >= watch.until]:
                    self._watches.discard(watch)
                    watch.cut()
                self._changed.wait(_STEP if self._watches else None)
