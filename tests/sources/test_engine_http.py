"""An engine that fails: every fault ends in time, says what happened, and is never taken for an image."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker.transport  # noqa: F401 -- imported here, so that no measured time includes it
import pytest

from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.limits import LIMITS, Limits
from gate.sources import SourceSettings, engine_client
from gate.sources.engine_address import Address
from gate.sources.engine_client import find_engine
from gate.sources.engine_http import EngineHttp, NoEngine, NotInEngine, Refused
from samples.images.builder import build_image, encode
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from tests.kit import engine
from tests.kit.engine import EngineServer, classic, running
from tests.kit.hostile_images import SETTINGS
from tests.sources.engine import access_to, opened

NAME = "registry.example.com/shop/api:1.4"
IMAGE = build_image([layer_of({"etc/motd": file("hello\n" * 40_000)}, Compression.NONE)], SETTINGS)
HELD = classic(IMAGE, NAME)
ERROR = (
    encode(
        {"errorDetail": {"message": "content digest is not there"}, "error": "content digest is not there"}
    )
    + b"\r\n"
)


@pytest.fixture
def server() -> Iterator[EngineServer]:
    """An engine that holds one image."""
    with running(engine.DOCKER_20, HELD) as found:
        yield found


def failure(
    server: EngineServer, seconds: float = 20, *, wanted: type[Unavailable] = Unavailable
) -> Unavailable:
    """Open the image, which must fail, and not pass the deadline by more than two seconds."""
    started = time.monotonic()
    with pytest.raises(wanted) as error, opened(NAME, access_to(server.address, seconds=seconds)):
        pass
    assert time.monotonic() - started < seconds + 2
    assert len(str(error.value)) < 1_500
    return error.value


@pytest.mark.parametrize("end", ["/version", "/info", "/json", "/get"])
@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 429, 500, 502, 503])
def test_every_answer_that_is_an_error(status: int, end: str, server: EngineServer) -> None:
    server.behaviour.faults[end] = engine.answering({"message": "not today"}, status)
    error = failure(server)
    assert not isinstance(error, NoEngine)
    if (end, status) == ("/json", 404):
        assert isinstance(error, NotInEngine)
    else:
        assert isinstance(error, Refused)
        assert error.message == f"the engine answered {status}: not today"
    assert len([path for path in server.requests if path.endswith(end)]) == 1  # nothing is asked twice


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"message":1}', b"[1]", b"\xff", b"x" * 100_000], ids=lambda b: repr(b[:9])
)
def test_an_error_that_is_no_message(body: bytes, server: EngineServer) -> None:
    server.behaviour.faults["/info"] = engine.answering(body, 500)
    assert failure(server).message == "the engine answered 500: something that is no message"


def test_a_long_message_is_cut(server: EngineServer) -> None:
    server.behaviour.faults["/info"] = engine.answering({"message": "x" * 10_000}, 500)
    assert failure(server).message.endswith("x" * 500)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("end", ["/json", "/get"])
def test_a_transfer_that_is_cut(share: float, chunked: bool, end: str, server: EngineServer) -> None:
    server.behaviour.faults[end] = engine.cut(share, chunked=chunked)
    assert failure(server).message.startswith(f"the engine at {server.address} broke off")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["/version", "/info", "/json", "/get"])
@pytest.mark.parametrize("share", [-1, 0, 0.5])
def test_a_silent_engine_ends_with_the_run(share: float, end: str, server: EngineServer) -> None:
    server.behaviour.faults[end] = engine.silent_after(share)
    assert failure(server, 0.5).message == "the time limit of 0.5 s is over"


def test_a_silent_engine_ends_before_the_run(server: EngineServer, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {name: getattr(LIMITS, name) for name in Limits.__struct_fields__} | {"engine_silence": 0.3}
    monkeypatch.setattr(engine_client, "LIMITS", Limits(**changed))
    server.behaviour.faults["/get"] = engine.silent_after(0.5)
    assert failure(server, 5).message == f"the engine at {server.address} stopped answering"


@pytest.mark.slow
@pytest.mark.parametrize("end", ["/info", "/json", "/get"])
def test_an_engine_that_drips_ends_with_the_run(end: str, server: EngineServer) -> None:
    """Each byte comes in time, and all of them never."""
    server.behaviour.faults[end] = engine.dripping()
    assert failure(server, 0.7).message == "the time limit of 0.7 s is over"


def test_a_run_that_is_stopped(server: EngineServer) -> None:
    access = access_to(server.address)
    server.behaviour.faults["/get"] = engine.dripping()
    threading.Timer(0.3, access.deadline.cancelled.set).start()
    with pytest.raises(Unavailable, match="the run was stopped"), opened(NAME, access):
        pass


@pytest.mark.parametrize("end", ["/version", "/info", "/json"])
def test_an_endless_answer(end: str, server: EngineServer) -> None:
    server.behaviour.faults[end] = engine.endless(b" " * 262_144)
    assert "16,777,217 bytes; at most 16,777,216 are read" in failure(server).message


def test_an_export_that_ends_too_early(server: EngineServer) -> None:
    server.behaviour.faults["/get"] = engine.followed_by(b"", 0.5)
    assert isinstance(failure(server), IntegrityError)


def test_the_endless_body_of_a_redirect(server: EngineServer) -> None:
    server.behaviour.faults["/info"] = engine.endless(b" " * 262_144, 307)
    assert failure(server).message == "the engine answered 307: something that is no message"


@pytest.mark.parametrize("end", ["/json", "/info"])
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"Id":1,"Id":2}', b"\xff", b"[" * 100_000])
def test_garbage_for_an_answer(body: bytes, end: str, server: EngineServer) -> None:
    server.behaviour.faults[end] = engine.answering(body)
    failure(server)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"{}", b'{"ApiVersion":"latest"}', b'{"ApiVersion":1.41}']
)
def test_something_else_that_listens(body: bytes, server: EngineServer) -> None:
    server.behaviour.faults["/version"] = engine.answering(body)
    error = failure(server)
    assert error.message.startswith(f"what listens at {server.address} is no container engine: ")
    assert not error.blocks


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.999, 1.0])
def test_what_the_engine_says_went_wrong_midway(share: float, server: EngineServer) -> None:
    """Docker writes its error into the stream that has begun, with a status that says all is well."""
    server.behaviour.faults["/get"] = engine.followed_by(ERROR, share)
    error = failure(server)
    assert error.message == "the engine could not export the image: content digest is not there"
    assert not error.blocks


@pytest.mark.parametrize(
    "more", [b'{"errorDetail":{}', b'{"errorDetail":{},"error":1}', b'{"errorDetail":}', b"x", ERROR + b"x"]
)
def test_what_follows_an_export_and_is_no_error(more: bytes, server: EngineServer) -> None:
    server.behaviour.faults["/get"] = engine.followed_by(more)
    assert isinstance(failure(server), IntegrityError)


def test_the_version_of_the_api_is_one_that_both_speak() -> None:
    for kind, spoken in ((engine.DOCKER_20, "/v1.41/"), (engine.DOCKER_29, "/v1.52/")):
        with running(kind) as server, find_engine(SourceSettings(engine=server.address), Deadline(5)):
            assert server.requests == ["/version", f"{spoken}info"]
    newer = engine.Kind("40.0", "1.99", "1.53", "x", ())
    with running(newer) as server:
        assert "answered 400: client version 1.52 is too old" in failure(server).message


# --- reaching an engine ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["gone.sock", "file", "file/engine.sock", "left.sock"])
def test_nobody_listens(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))
    with pytest.raises(NoEngine, match="no engine listens at unix://"):
        find_engine(SourceSettings(engine=str(tmp_path / place)), Deadline(5))


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached: AF_UNIX path too long"):
        find_engine(SourceSettings(engine=f"{tmp_path}/{'x' * 200}"), Deadline(5))


def test_no_engine_at_a_port() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(NoEngine, match=f"no engine answers at tcp://127.0.0.1:{port}"):
            find_engine(SourceSettings(engine=f"tcp://127.0.0.1:{port}"), Deadline(5))


@contextmanager
def at_port(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen at a port of the loopback interface, and talk to one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        talk(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n"], ids=["nothing", "ssh", "half"]
)
def test_no_engine_but_something_at_a_port(greeting: bytes) -> None:
    with at_port(lambda client: client.sendall(greeting)) as host:
        with pytest.raises(Unavailable) as error:
            find_engine(SourceSettings(engine=f"tcp://{host}"), Deadline(5))
        assert not isinstance(error.value, NoEngine)


def test_a_certificate_is_verified() -> None:
    with at_port(lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as host:
        with pytest.raises(Unavailable, match="could not be met over TLS") as error:
            find_engine(SourceSettings(engine=f"https://{host}"), Deadline(5))
        assert not isinstance(error.value, NoEngine)


def test_neither_proxies_nor_logins_of_the_environment(
    server: EngineServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[bytes] = []

    def listen(client: socket.socket) -> None:
        seen.append(client.recv(65_536))
        client.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NO_PROXY", raising=False)
    with at_port(listen) as host, pytest.raises(Refused):
        find_engine(SourceSettings(engine=f"tcp://{host}"), Deadline(5))
    (request,) = seen
    assert request.startswith(b"GET /version HTTP/1.1\r\n")
    assert b"authorization" not in request.lower()
    with find_engine(SourceSettings(engine=server.address), Deadline(5)) as found:
        assert found.name == "Docker"


def test_an_engine_that_may_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may use every socket, so what the system answers others is simulated."""
    _deny(monkeypatch)
    (tmp_path / "engine.sock").write_text("")
    with pytest.raises(Unavailable, match="may not be used by this user") as error:
        find_engine(SourceSettings(engine=str(tmp_path / "engine.sock")), Deadline(5))
    assert not isinstance(error.value, NoEngine)
    assert "group `docker`" in error.value.hint


def _deny(monkeypatch: pytest.MonkeyPatch, but: str = "") -> None:
    class Denied(socket.socket):
        def connect(self, address: object) -> None:
            if str(address) != but:
                raise PermissionError(13, "Permission denied")
            super().connect(but)

    monkeypatch.setattr("gate.sources.engine_client.socket.socket", Denied)


def _defaults(monkeypatch: pytest.MonkeyPatch, *sockets: str) -> None:
    monkeypatch.setattr(engine_client, "addresses", lambda _: tuple(Address(socket=path) for path in sockets))


def test_the_first_that_listens_is_used(
    server: EngineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _defaults(monkeypatch, str(tmp_path / "gone.sock"), str(server.socket_path), str(tmp_path / "other.sock"))
    with find_engine(SourceSettings(), Deadline(5)) as found:
        assert (found.name, found.version, found.store) == ("Docker", "20.10.24+dfsg1", "classic")


def test_one_that_is_closed_to_us_is_no_answer_where_another_listens(
    server: EngineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed.sock").write_text("")
    _defaults(monkeypatch, str(tmp_path / "closed.sock"), str(server.socket_path))
    _deny(monkeypatch, but=str(server.socket_path))
    with find_engine(SourceSettings(), Deadline(5)) as found:
        assert found.name == "Docker"


def test_one_that_is_closed_to_us_is_not_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed.sock").write_text("")
    _deny(monkeypatch)
    _defaults(monkeypatch, str(tmp_path / "gone.sock"), str(tmp_path / "closed.sock"))
    with pytest.raises(Unavailable, match="may not be used") as error:
        find_engine(SourceSettings(), Deadline(5))
    assert not isinstance(error.value, NoEngine)


def test_a_folder_that_is_closed_to_us_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Podman's package makes one on every host, for root alone, whether an engine runs or not."""
    _deny(monkeypatch)
    _defaults(monkeypatch, str(tmp_path / "gone.sock"), str(tmp_path / "none.sock"))
    with pytest.raises(NoEngine, match="no container engine is running here"):
        find_engine(SourceSettings(), Deadline(5))


def test_a_deadline_that_is_over_asks_nothing(server: EngineServer) -> None:
    with pytest.raises(Unavailable, match="time limit of 0 s"):
        EngineHttp(Address(socket=str(server.socket_path)), Deadline(0)).get("/version", 5)
    assert server.requests == []
