"""A proxy on the loopback interface that connects to one server, whatever it is asked for, and notes what it was told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Proxy:
    """Where it is, and the heads of the requests that it got."""

    host: str
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxy_to(
    server: str, *, tls: ssl.SSLContext | None = None, answer: str = "200 Connection established"
) -> Iterator[Proxy]:
    """Run a proxy until the block ends; it leads to `server` (`HOST:PORT`) where it answers 200."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = Proxy(f"127.0.0.1:{listening.getsockname()[1]}")
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with suppress(OSError):
                client = connection if tls is None else tls.wrap_socket(connection, server_side=True)
                with client:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        received = client.recv(1)
                        if not received:
                            return
                        head += received
                    proxy.heads.append(head.decode("ascii"))
                    client.sendall(f"HTTP/1.1 {answer}\r\nX-Proxy: yes\r\n\r\n".encode())
                    if answer.startswith("2"):
                        _join(client, server)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.settimeout(10)
                    threads.append(threading.Thread(target=serve, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield proxy
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _join(client: socket.socket, server: str) -> None:
    """Pass on what either side says, until one of them ends."""
    host, _, port = server.rpartition(":")
    with socket.socket() as far:
        far.settimeout(10)
        far.connect((host, int(port)))  # an address: tests may have replaced the resolver

        def back() -> None:
            with suppress(OSError):
                while data := far.recv(65_536):
                    client.sendall(data)
                client.shutdown(socket.SHUT_RDWR)

        returning = threading.Thread(target=back)
        returning.start()
        with suppress(OSError):
            while data := client.recv(65_536):
                far.sendall(data)
        with suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        returning.join()
