"""A proxy before a registry that lets so many bytes a second through, all connections together, and counts.

    python -m benchmarks.throttle UPSTREAM BYTES_PER_SECOND

prints its address, and when its input ends the requests for blobs and the bytes of bodies that it answered with, as JSON.
"""

from __future__ import annotations

import http.client
import http.server
import json
import sys
import threading
import time

_CHUNK = 64 * 1024


class _Rate:
    """Lets bytes through at a rate; whoever comes waits for those before."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = time.monotonic()
        self._lock = threading.Lock()
        self.bytes = 0

    def take(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now - 0.05) + size / self._rate
            wait = self._free - now
            self.bytes += size
        if wait > 0:
            time.sleep(wait)


class _Proxy(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.rate = _Rate(rate)
        self.blobs = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def do_GET(self) -> None:
        """Pass a request on, and the answer back at the rate."""
        if self.command == "GET" and "/blobs/" in self.path:
            self.server.blobs += 1
        connection = http.client.HTTPConnection(self.server.upstream)
        connection.putrequest(self.command, self.path, skip_accept_encoding=True)
        for name, value in self.headers.items():  # one by one: skopeo sends several of the name Accept
            if name.lower() != "host":
                connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as response:
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            while data := response.read(_CHUNK):
                self.server.rate.take(len(data))
                self.wfile.write(data)
        connection.close()

    do_HEAD = do_GET  # noqa: N815 -- the name that the standard library calls

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- its name in the library
        """Keep quiet."""


def main(upstream: str, rate: str) -> None:
    """Serve until the input ends."""
    server = _Proxy(upstream, float(rate))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    print(json.dumps({"blobs": server.blobs, "bytes": server.rate.bytes}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
