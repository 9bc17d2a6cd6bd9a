"""A read-only HTTP server on the loopback interface that answers the paths it was given and keeps a log."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from samples.databases.oci_artifact import Served
from samples.images.layers import digest_of


class LoopbackServer(http.server.ThreadingHTTPServer):
    """Serves paths on a free port; `requests` holds "METHOD PATH" of everything that was asked.

    With a `status` everything is answered so.
    """

    daemon_threads = True

    def __init__(self, paths: Mapping[str, Served]) -> None:
        self.paths = paths
        self.requests: list[str] = []
        self.status: HTTPStatus | None = None
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def host(self) -> str:
        """Address and port, as they stand in a reference or a URL."""
        return f"127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append(f"{self.command} {path}")
        served = self.server.paths.get(path) if self.server.status is None else None
        code = "MANIFEST_UNKNOWN" if self.server.status is None else self.server.status.name.replace("_", "")
        answer = served or Served(
            "application/json", f'{{"errors":[{{"code":"{code}","message":"not here"}}]}}'.encode()
        )
        self.send_response(self.server.status or (HTTPStatus.OK if served else HTTPStatus.NOT_FOUND))
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Docker-Content-Digest", digest_of(answer.body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815 -- the name that the standard library calls

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- its name in the library
        """Keep quiet; the log is `requests`."""


@contextmanager
def serving(paths: Mapping[str, Served]) -> Iterator[LoopbackServer]:
    """Serve paths while the block runs."""
    server = LoopbackServer(paths)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
