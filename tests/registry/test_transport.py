from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate import __version__
from gate.errors import Unavailable
from gate.registry import HostSettings
from gate.registry.address import Reach, Url
from gate.registry.messages import Request
from gate.registry.retries import Transient
from gate.registry.transport import Transport
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.registry.conftest import Names, Sender

IMAGES = {"shop/api:1.4": CLEAN_IMAGE}
SECRET = "Bearer the-secret"


def at(registry: Registry, path: str = "/v2/", host: str = "") -> Url:
    """Return an address of a registry."""
    return Url.parse(f"{registry.scheme}://{host or registry.host}{path}", "x")


@contextmanager
def answering(answer: bytes | Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer every connection with these bytes, or as a function does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                connection, _ = server.accept()
                with connection:
                    if over.is_set():
                        return
                    connection.settimeout(10)
                    try:
                        connection.recv(65_536)
                        if callable(answer):
                            answer(connection)
                        else:
                            connection.sendall(answer)
                    except OSError:
                        pass  # the client went away

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            over.set()
            socket.create_connection(server.getsockname()).close()
            thread.join()


def test_what_is_said_to_a_server(transport: Sender) -> None:
    with serving_registry() as registry:
        transport().send(Request(at(registry), {"Accept": "a/b"}, SECRET)).close()
        (call,) = registry.calls
    assert dict(call.headers) == {
        "host": registry.host,
        "user-agent": f"image-gate/{__version__}",
        "accept-encoding": "identity",
        "accept": "a/b",
        "authorization": SECRET,
    }


def test_nothing_comes_from_the_surroundings(
    transport: Sender, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """No login of a .netrc, no proxy or trust that the caller did not pass on."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    for name, value in {
        "HOME": str(tmp_path),
        "NETRC": str(tmp_path / ".netrc"),
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    with serving_registry() as registry:
        assert transport().send(Request(at(registry))).body(100) == b"{}"
        assert registry.credentials("registry") == set()


def test_connections_serve_on(transport: Sender) -> None:
    with serving_registry(IMAGES) as registry:
        sender = transport()
        for _ in range(5):
            sender.send(Request(at(registry))).body(100)
            sender.send(Request(at(registry))).discard()
        assert registry.connections == 1


def test_the_body_is_bounded(transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("ping", "endless")]) as registry:
        assert len(transport().send(Request(at(registry))).body(1_000)) == 1_001


def test_nothing_is_decoded(transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("ping", "encoded")]) as registry:
        answer = transport().send(Request(at(registry)))
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.body(10).startswith(b"\x1f\x8b")


@pytest.mark.parametrize("kind", ["slow", "slow-head"])
def test_a_byte_a_second_is_not_waited_for(kind: str, transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("manifest", kind)]) as registry:
        start = time.monotonic()
        request = Request(at(registry, "/v2/shop/api/manifests/1.4"), seconds=0.3)
        with pytest.raises(Transient, match="takes too long"):
            transport().send(request).body(10_000)
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("kind", ["slow", "slow-head"])
def test_nor_beyond_the_run(kind: str, transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("manifest", kind)]) as registry:
        start = time.monotonic()
        with pytest.raises(Unavailable, match="time limit"):
            transport(0.3).send(Request(at(registry, "/v2/shop/api/manifests/1.4"))).body(10_000)
        assert time.monotonic() - start < 2


def test_a_stopped_run_ends_what_is_being_read(transport: Sender) -> None:
    with serving_registry(IMAGES, [Fault("manifest", "slow")]) as registry:
        sender = transport(60)
        threading.Timer(0.2, sender.deadline.cancelled.set).start()
        start = time.monotonic()
        with pytest.raises(Unavailable, match="stopped"):
            sender.send(Request(at(registry, "/v2/shop/api/manifests/1.4"))).body(10_000)
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbo",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nbody!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nbody!",
    ],
)
def test_what_is_not_http_is_our_error(answer: bytes, transport: Sender) -> None:
    with answering(answer) as address, pytest.raises(Transient):
        transport().send(Request(Url.parse(address, "x"))).body(1_000)


PIECES = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ", b"307 X\r\n", b"401 X\r\n", b"100 X\r\n\r\n", b"Content-Length: ", b"5\r\n", b"-1\r\n", b"9" * 30,
    b"Transfer-Encoding: chunked\r\n", b"Location: /v2/\r\n", b"Location: //[\r\n", b"Connection: close\r\n", b"Set-Cookie: a=b\r\n", b"\r\n",
    b"\n", b"\r\n\r\n", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"\x00", b"\xff\xfe", b": ", b" : x\r\n", b"\tfolded\r\n",
)  # fmt: skip


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=12))
def test_whatever_a_server_sends_is_an_answer_or_our_error(transport: Sender, pieces: list[bytes]) -> None:
    with answering(b"".join(pieces)) as address, suppress(Unavailable):
        transport(5).send(Request(Url.parse(address, "x"), seconds=1)).body(1_000)


def test_a_server_that_answers_continue_without_end(transport: Sender) -> None:
    def on_and_on(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    with answering(on_and_on) as address, pytest.raises(Transient):
        transport().send(Request(Url.parse(address, "x"), seconds=0.3))


def test_trailers_without_end(transport: Sender) -> None:
    def on_and_on(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        while True:
            connection.sendall(b"X: y\r\n")

    start = time.monotonic()
    with answering(on_and_on) as address, pytest.raises(Transient):
        transport().send(Request(Url.parse(address, "x"), seconds=0.3)).body(1_000)
    assert time.monotonic() - start < 3


def test_a_body_that_ends_with_the_connection(transport: Sender) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\nbody") as address:
        answer = transport().send(Request(Url.parse(address, "x")))
        assert answer.length is None
        assert answer.body(100) == b"body"


def test_plain_http_only_where_it_is_allowed(transport: Sender) -> None:
    sender = transport(hosts={"registry.example.com": HostSettings(plain_http=True)})
    for text, allowed in {
        "http://127.0.0.1/": True, "http://localhost:5000/": True, "http://[::1]/": True, "https://registry.example.org/": True,
        "http://registry.example.com/": True, "http://registry.example.com:80/": True, "http://registry.example.com:5000/": False,
        "http://registry.example.org/": False, "http://10.0.0.1/": False,
    }.items():  # fmt: skip
        url = Url.parse(text, "x")
        if allowed:
            sender.check_scheme(url, "the place")
        else:
            with pytest.raises(Unavailable, match="plain_http"):
                sender.check_scheme(url, "the place")


def test_settings_under_any_name_of_a_host(transport: Sender) -> None:
    own = HostSettings(ca_file="x")
    for key, authority in [
        ("docker.io", "registry-1.docker.io"),
        ("docker.io", "docker.io"),
        ("registry.example.com:443", "registry.example.com"),
        ("registry.example.com", "registry.example.com:443"),
    ]:
        assert transport(hosts={key: own}).host_settings(authority) == own
    assert (
        transport(hosts={"docker.io": own}).host_settings("registry-1.docker.io.example.org")
        == HostSettings()
    )


# --- proxies -----------------------------------------------------------------------------------------------------


def test_through_a_proxy(transport: Sender, names: Names) -> None:
    """The proxy resolves names, so addresses are checked only where they are literal."""
    with serving_registry(IMAGES) as proxy:
        sender = transport(
            proxy=f"http://me:hunter2@{proxy.host}",
            hosts={"registry.example.com": HostSettings(plain_http=True)},
        )
        url = Url.parse("http://registry.example.com/v2/", "x")
        answer = sender.send(Request(url, {}, SECRET))
        assert answer.body(100) == b"{}"
        (call,) = proxy.calls
        assert call.target == "http://registry.example.com/v2/"
        assert call.headers["proxy-authorization"].startswith("Basic ")
        assert sender.proxied == {"registry.example.com"}
        assert sender.reach(url) is Reach.PUBLIC
    assert names == {}


def test_a_proxy_that_does_not_let_us_through(transport: Sender) -> None:
    with serving_registry(IMAGES) as proxy:
        sender = transport(proxy=f"http://me:hunter2@{proxy.host}")
        with pytest.raises(Unavailable, match="proxy does not lead") as caught:
            sender.send(Request(Url.parse("https://registry.example.com/v2/", "x"), {}, SECRET))
        assert "hunter2" not in str(caught.value)
        assert all(SECRET not in call.headers.values() for call in proxy.calls)


@pytest.mark.parametrize(
    "location", ["https://10.0.0.5/", "https://169.254.169.254/", "https://127.0.0.1:1/"]
)
def test_literal_addresses_are_checked_behind_a_proxy_too(
    location: str, transport: Sender, names: Names
) -> None:
    with serving_registry(IMAGES, redirect={"ping": location}) as proxy:
        sender = transport(
            proxy=f"http://{proxy.host}", hosts={"registry.example.com": HostSettings(plain_http=True)}
        )
        with pytest.raises(Unavailable, match="address"):
            sender.send(Request(Url.parse("http://registry.example.com/v2/", "x")))
        assert len(proxy.calls) == 1
    assert names == {}


def test_no_request_shows_its_secrets() -> None:
    request = Request(
        Url.parse("https://registry.example.com/?token=hunter2", "x"), {}, "Basic hunter2", {"a": "hunter2"}
    )
    assert "hunter2" not in repr(request)


def test_one_transport_for_many_threads(transport: Sender) -> None:
    with serving_registry(IMAGES) as registry:
        sender = transport()
        failed: list[BaseException] = []

        def ask() -> None:
            try:
                for _ in range(10):
                    assert sender.send(Request(at(registry))).body(100) == b"{}"
            except BaseException as error:  # noqa: BLE001 -- shown below
                failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert registry.count("ping") == 80


def test_a_closed_transport_sends_nothing(transport: Sender) -> None:
    with serving_registry(IMAGES) as registry:
        sender: Transport = transport()
        sender.close()
        with pytest.raises(Unavailable, match="closed"):
            sender.send(Request(at(registry)))
        assert registry.calls == []
