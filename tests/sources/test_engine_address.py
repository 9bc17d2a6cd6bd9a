from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.registry import RegistrySettings
from gate.sources import SourceSettings
from gate.sources.engine_address import Address, Tls, addresses

NO_FILES = Tls("", "", "")


def found(environment: Mapping[str, str], engine: str = "") -> tuple[Address, ...]:
    """The places to look at."""
    return addresses(SourceSettings(RegistrySettings(environment=environment), engine=engine))


def context(folder: Path, name: str, host: str, *files: str, **more: Any) -> Path:
    """Write a Docker context, and the files of its keys."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity / "meta.json"
    meta.parent.mkdir(parents=True)
    body = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    meta.write_text(json.dumps({**body, **more}))
    keys(folder / "contexts" / "tls" / identity / "docker", *files)
    return meta


def keys(folder: Path, *files: str) -> Path:
    """Write files of keys, if any."""
    for name in files:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_without_anything_said_the_default_sockets_are_tried() -> None:
    """Docker's before Podman's; those of root, and of the user."""
    assert [str(place) for place in found({"XDG_RUNTIME_DIR": "/run/user/7"})] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]
    assert found({})[1] == Address(socket=f"/run/user/{os.getuid()}/docker.sock")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:///run/x.sock", Address(socket="/run/x.sock")),
        ("/run/x.sock", Address(socket="/run/x.sock")),
        ("tcp://127.0.0.1", Address(host="127.0.0.1:2375")),
        ("tcp://docker:2375/", Address(host="docker:2375")),
        ("http://docker:80", Address(host="docker:80")),
        ("https://docker", Address(host="docker:2376", tls=NO_FILES)),
        ("tcp://[::1]:2375", Address(host="[::1]:2375")),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    for environment, engine, said_by in (
        ({"DOCKER_HOST": text}, "", "DOCKER_HOST"),
        ({"DOCKER_HOST": "unix:///other", "DOCKER_CONTEXT": "other"}, text, "the settings"),
    ):
        (place,) = found(environment, engine)
        assert place == Address(expected.socket, expected.host, expected.tls, said_by)


@pytest.mark.parametrize(
    "text",
    [
        "x", "unix://", "unix://relative", "tcp://", "tcp://:2375", "tcp://a b", "tcp://a:123456", "tcp://a/path", "tcp://a?x=1",
        "tcp://a#b", "ftp://a", "tcp://user:secret@a:2375", "tcp://user@a", "file:///etc/passwd", "tcp://a\n", "tcp://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        found({"DOCKER_HOST": text})
    assert "secret" not in str(error.value)
    assert "DOCKER_HOST" in error.value.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ssh://user@host", "ssh -L"),
        ("npipe:////./pipe/docker_engine", "WSL"),
        ("fd://", "the socket itself"),
    ],
)
def test_what_is_not_spoken_here(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=f"over {text.partition(':')[0]}://") as error:
        found({"DOCKER_HOST": text})
    assert hint in error.value.hint


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        (place,) = found({}, text or "x")
    except InvalidInput:
        return
    assert bool(place.socket) != bool(place.host)
    assert "@" not in place.host


@pytest.mark.parametrize("variable", ["DOCKER_TLS_VERIFY", "DOCKER_TLS"])
def test_tls_of_the_environment(variable: str, tmp_path: Path) -> None:
    folder = keys(tmp_path / "keys", "ca.pem", "cert.pem", "key.pem")
    all_three = Tls(*(str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem")))
    said = {"DOCKER_HOST": "tcp://docker", variable: "1"}
    assert found(said)[0].tls == NO_FILES
    assert found({**said, "DOCKER_CERT_PATH": str(folder)})[0].tls == all_three
    assert found({**said, "DOCKER_CONFIG": str(folder)})[0].tls == all_three
    assert found({**said, "DOCKER_CERT_PATH": str(tmp_path / "gone")})[0].tls == NO_FILES
    assert str(found(said)[0]) == "tcp://docker:2376"
    assert found({"DOCKER_HOST": "tcp://docker", "DOCKER_CERT_PATH": str(folder)})[0].tls is None


def test_half_a_pair_of_keys(tmp_path: Path) -> None:
    folder = keys(tmp_path / "keys", "ca.pem", "cert.pem")
    with pytest.raises(InvalidInput, match=r"only one of cert\.pem and key\.pem"):
        found({"DOCKER_HOST": "tcp://docker", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)})


def test_contexts(tmp_path: Path) -> None:
    context(tmp_path, "remote", "tcp://build.example.com:2376", "ca.pem")
    context(tmp_path, "desktop", "unix:///home/me/.docker/desktop/docker.sock")
    (tmp_path / "config.json").write_text('{"auths": {}, "currentContext": "desktop"}')
    said = {"DOCKER_CONFIG": str(tmp_path)}
    (place,) = found(said)
    assert (place.socket, place.said_by) == (
        "/home/me/.docker/desktop/docker.sock", "the current Docker context 'desktop'",
    )  # fmt: skip
    (place,) = found({**said, "DOCKER_CONTEXT": "remote"})
    assert (place.host, place.said_by) == (
        "build.example.com:2376", "the Docker context 'remote' (DOCKER_CONTEXT)",
    )  # fmt: skip
    assert place.tls is not None
    assert place.tls.authority.endswith("/docker/ca.pem")
    assert found({**said, "DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "remote"})[0].socket == "/x"
    assert len(found({**said, "DOCKER_CONTEXT": "default"})) == 4


def test_the_folder_of_docker_is_below_the_home(tmp_path: Path) -> None:
    context(tmp_path / ".docker", "remote", "unix:///x")
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "remote"}')
    assert found({"HOME": str(tmp_path)})[0].socket == "/x"
    assert len(found({"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none")})) == 4


@pytest.mark.parametrize("name", ["gone", "../../x", "a/b", "-x", "é", "x" * 3_000])
def test_a_context_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the Docker context") as error:
        found({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": name})
    assert len(str(error.value)) < 500
    with pytest.raises(InvalidInput, match="cannot be found"):
        found({"DOCKER_CONTEXT": name})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"Endpoints": []}', '{"Endpoints": {}}', '{"Endpoints": {"docker": {"Host": 1}}}', '{"a":1,"a":2}',
     '{"Endpoints": {"docker": {}}}', '{"Endpoints": {"Docker": {"Host": "unix:///x"}}}', "\0"],
)  # fmt: skip
def test_a_context_that_is_damaged(text: str, tmp_path: Path) -> None:
    context(tmp_path, "remote", "unix:///x").write_text(text)
    with pytest.raises(InvalidInput):
        found({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "remote"})


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"currentContext": 1}', '{"CurrentContext": "x"}', "x" * 5_000_000]
)
def test_settings_of_docker_that_are_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidInput) as error:
        found({"DOCKER_CONFIG": str(tmp_path)})
    assert "DOCKER_HOST" in error.value.hint


def test_settings_of_docker_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        found({"DOCKER_CONFIG": str(tmp_path)})
