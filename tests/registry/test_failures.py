from __future__ import annotations

import http.client
import socket
import ssl
import time

import pytest

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.registry.address import Url
from gate.registry.connections import ProxyFailed
from gate.registry.failures import failure_of
from gate.registry.retries import Transient
from gate.registry.watch import Watch, Watchman

URL = Url.parse("https://registry.example.com:5000/v2/?token=hunter2", "x")


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "transient", "message"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), True, "breaks: Connection reset by peer"),
        (http.client.IncompleteRead(b"hunter2"), True, "breaks off"),
        (http.client.RemoteDisconnected("hunter2"), True, "breaks off"),
        (http.client.BadStatusLine("hunter2"), True, "breaks off"),
        (ValueError("hunter2"), True, "breaks off"),
        (socket.timeout("x"), True, "takes too long"),  # noqa: UP041 -- the name that libraries still use
        (untrusted(), False, "cannot be verified: self-signed certificate"),
        (tls("WRONG_VERSION_NUMBER"), True, "fails: wrong version number"),
        (tls(""), True, "fails: it ends"),
        (ProxyFailed("it answers 403"), True, "the proxy does not lead"),
    ],
)
def test_what_a_failure_means(error: Exception, transient: bool, message: str) -> None:
    watch = Watch(Watchman(Deadline(60)), time.monotonic() + 60)
    found = failure_of(error, URL, watch)
    assert isinstance(found, Unavailable)
    assert isinstance(found, Transient) == transient
    assert message in str(found)
    assert "registry.example.com:5000" in str(found)
    assert "hunter2" not in str(found)


def test_what_to_do_about_a_registry_without_tls() -> None:
    watch = Watch(Watchman(Deadline(60)), time.monotonic() + 60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with client, accepted, pytest.raises(ssl.SSLError) as caught:
            ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    assert "plain_http" in failure_of(caught.value, URL, watch).hint
    assert "plain_http" not in failure_of(tls("UNEXPECTED_EOF"), URL, watch).hint


def test_whatever_breaks_after_its_time_took_too_long() -> None:
    watch = Watch(Watchman(Deadline(60)), time.monotonic())
    watch.cut()
    assert "takes too long" in str(failure_of(ConnectionResetError(104, "reset"), URL, watch))
