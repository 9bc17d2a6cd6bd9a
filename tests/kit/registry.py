"""A registry in memory on the loopback interface: the distribution protocol over real HTTP, with faults on demand.

    with serving_registry({"shop/api:1.4": image}, [Fault("layer", "reset", first=2)]) as registry:
        ... f"{registry.host}/shop/api:1.4" ...
        assert registry.count("layer") == 3

Every request is in `registry.calls`, with the server that got it (the registry itself, its token server, or the storage
that blobs are redirected to), so a test can say who saw which credentials.
"""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import struct
import sys
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from samples.images.builder import Image, Index
from tests.kit.registry_content import CALLS, KINDS, Behaviour, Call, Fault, Registry, Repository
from tests.kit.registry_protocol import INDEX_TYPES, PATH, RESET, WRITES, Answer, Answers, broken

__all__ = ["CALLS", "KINDS", "Behaviour", "Call", "Fault", "Registry", "serving_registry"]


class _Server(http.server.ThreadingHTTPServer):
    """One port; ends all its connections when it is closed."""

    daemon_threads = False

    def __init__(self, name: str, registry: Registry, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.registry = registry
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        if context is not None:
            # The handshake happens at the first read, in the connection's own thread.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection."""
        self._open.add(request)
        self.registry.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is what many tests are about; anything else is a mistake of the simulator."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.registry.errors.append(error)

    def end(self) -> None:
        """Stop, end every connection, and wait for their threads."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self._open):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- its name in the library
        """Keep quiet; the log is `Registry.calls`."""

    def do_GET(self) -> None:
        registry = self.server.registry
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("latin-1") if length else ""
        call = self._call()
        headers = {name.lower(): value for name, value in self.headers.items()}
        made = Call(self.server.name, self.server.host, call, self.command, self.path, headers, body)
        with registry.lock:
            registry.calls.append(made)
        answer = Answers(registry, self.server.name).to(made)
        self._send(made, answer, registry.fault(call, self.server.name))

    do_HEAD = do_GET  # noqa: N815 -- the name that the standard library calls
    do_POST = do_GET  # noqa: N815
    do_PUT = do_GET  # noqa: N815

    def _call(self) -> str:
        """Tell what is asked."""
        path = urllib.parse.urlsplit(self.path).path
        if self.command in WRITES and path != "/token":
            return "write"
        if path in ("/v2/", "/v2"):
            return "ping"
        match = PATH.fullmatch(path)
        if match is None:
            return "token" if path == "/token" else "other"
        held = self.server.registry.repositories.get(match["name"], Repository())
        rest = urllib.parse.unquote(match["rest"])
        if match["what"] == "manifests":
            manifest = held.manifests.get(held.tags.get(rest, rest))
            return "index" if manifest is not None and manifest.media_type in INDEX_TYPES else "manifest"
        if match["what"] == "blobs":
            return "config" if rest in held.configs else "layer"
        return match["what"]

    def _send(self, made: Call, answer: Answer, fault: Fault | None) -> None:
        """Send an answer, as it is or broken."""
        if fault is not None:
            answer = broken(made, answer, fault)
            if answer is RESET:
                return self._reset()
        body = answer.body if self.command != "HEAD" else b""
        kind = fault.kind if fault is not None else ""
        if kind in ("slow-head", "endless-head"):
            self._drip(
                b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 10_000, 1 if kind == "slow-head" else 0
            )
            return None
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if kind == "endless":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if kind == "slow":
            self._drip(body, 1)
        elif kind == "endless":
            self._drip(b" " * 65_536, 0)
        else:
            if kind.startswith("cut-"):
                body = body[: len(body) * int(kind[4:]) // 100]
                self.close_connection = True
            self._write(made, body)
        return None

    def _write(self, made: Call, body: bytes) -> None:
        """Write a body and count it."""
        registry = self.server.registry
        for start in range(0, len(body), 65_536):
            self.wfile.write(body[start : start + 65_536])
            with registry.lock:
                registry.sent[made.call] = registry.sent.get(made.call, 0) + len(body[start : start + 65_536])

    def _drip(self, data: bytes, pause: float) -> None:
        """Send a byte at a time with pauses, or without pauses the same again and again."""
        self.close_connection = True
        with suppress(OSError):
            if not pause:
                while not self.server.stopping.is_set():
                    self.wfile.write(data)
            for position in range(len(data)):
                self.wfile.write(data[position : position + 1])
                if self.server.stopping.wait(pause):
                    return

    def _reset(self) -> None:
        """End the connection with a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


@contextmanager
def serving_registry(
    images: Mapping[str, Image | Index] | None = None,
    faults: Iterable[Fault] = (),
    *,
    tls: ssl.SSLContext | None = None,
    **behaviour: Any,
) -> Iterator[Registry]:
    """Run a registry that holds `images` (`repository:tag`) while the block runs; `behaviour` are fields of `Behaviour`."""
    registry = Registry(faults, Behaviour(**behaviour))
    registry.scheme = "http" if tls is None else "https"
    for name, image in (images or {}).items():
        registry.add(name, image)
    elsewhere = {"token": registry.behaviour.token_elsewhere, "storage": registry.behaviour.blobs_elsewhere}
    names = ["registry", *(name for name, own in elsewhere.items() if own)]
    with ExitStack() as stack:
        for name in names:
            server = _Server(name, registry, tls)
            thread = threading.Thread(target=server.serve_forever, args=(0.005,))
            registry.hosts[name] = server.host
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.end)
        for name in elsewhere:
            registry.hosts.setdefault(name, registry.host)
        yield registry
    assert registry.errors == []
