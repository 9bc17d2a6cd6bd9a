from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.registry.docker_config import Entry, credentials_of

HOST = "registry.example.com"
Helper = Callable[..., dict[str, str]]


def encoded(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def read(
    configuration: Any, registry: str = HOST, environment: dict[str, str] | None = None, seconds: float = 30
) -> Entry | None:
    return read_all(configuration, registry, environment, seconds).get("")


def read_all(
    configuration: Any, registry: str = HOST, environment: dict[str, str] | None = None, seconds: float = 30
) -> dict[str, Entry]:
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    return credentials_of(text, registry, environment or {}, Deadline(seconds))


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """Install a credential helper that runs some lines of shell; returns the environment to find it."""

    def install(script: str, name: str = "docker-credential-test") -> dict[str, str]:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"PATH": f"{tmp_path}:/bin:/usr/bin"}

    return install


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        (HOST, HOST),
        (f"https://{HOST}", HOST),
        (f"https://{HOST}/v1/", HOST),
        (f"http://{HOST}/v2/", HOST),
        (f"{HOST}:5000", f"{HOST}:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_an_entry_by_what_docker_calls_it(key: str, registry: str) -> None:
    assert read({"auths": {key: encoded("me:a:b")}}, registry) == ("me", "a:b", "")


@pytest.mark.parametrize(
    "key", ["registry.example.org", f"{HOST}:5000", f"{HOST}.evil.example.org", f"x{HOST}", "", "docker.io"]
)
def test_no_entry_of_another_registry(key: str) -> None:
    assert read({"auths": {key: encoded("me:secret")}}) is None


def test_an_entry_of_the_very_name_comes_first() -> None:
    configuration = {"auths": {f"https://{HOST}/v1/": encoded("a:b"), HOST: encoded("c:d")}}
    assert read(configuration) == ("c", "d", "")


def test_entries_for_some_of_a_registry_as_podman_writes_them(helper: Helper) -> None:
    entries = {
        HOST: encoded("all:p"), f"{HOST}/shop": encoded("shop:p"), f"{HOST}/shop/api/": encoded("api:p"), f"{HOST}/v2": encoded("v2:p"),
        f"https://{HOST}/any/path": encoded("url:p"), "quay.io/shop": encoded("other:p"),
    }  # fmt: skip
    expected = {"": ("all", "p", ""), "shop": ("shop", "p", ""), "shop/api": ("api", "p", "")}
    assert read_all({"auths": entries}) == expected
    environment = helper(ANSWER)
    expected[""] = (f"get-{HOST}", "s", "")
    assert read_all({"auths": entries, "credsStore": "test"}, environment=environment) == expected


def test_other_forms_of_entries() -> None:
    assert read({"auths": {HOST: {"identitytoken": "t"}}}) == ("", "", "t")
    assert read({"auths": {HOST: {**encoded("me:x"), "identitytoken": "t"}}}) == ("", "", "t")
    assert read({"auths": {HOST: {"username": "me", "password": "p"}}}) == ("me", "p", "")
    assert read({"auths": {HOST: {}}}) is None
    assert read({}) is None
    assert read({"auths": {}}) is None


def test_a_broken_entry_spoils_only_its_own_registry() -> None:
    configuration = {"auths": {"other.example.com": {"auth": "!"}, HOST: encoded("me:p")}}
    assert read(configuration) == ("me", "p", "")
    with pytest.raises(Unavailable, match="its entry for the registry cannot be read"):
        read(configuration, "other.example.com")


@pytest.mark.parametrize("auth", ["!", "bm9jb2xvbg==", "w7/Dvw", 5, None, ["x"], "é"])
def test_an_entry_that_cannot_be_read(auth: object) -> None:
    with pytest.raises(Unavailable, match="cannot be read") as caught:
        read({"auths": {HOST: {"auth": auth}}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "5", '"x"', "[" * 100_000, " " * 5_000_000])
def test_what_is_no_configuration(text: str) -> None:
    with pytest.raises(Unavailable, match="not JSON"):
        read(text)


@pytest.mark.parametrize("configuration", [{"auths": ["x"]}, {"auths": "x"}, {"auths": {HOST: "x"}}])
def test_what_is_of_another_form(configuration: object) -> None:
    with pytest.raises(Unavailable):
        read(configuration)


ANSWER = 'read server; echo "{\\"Username\\":\\"$1-$server\\",\\"Secret\\":\\"s\\"}"'


def test_a_helper_of_the_registry(helper: Helper) -> None:
    environment = helper(ANSWER)
    assert read({"credHelpers": {HOST: "test"}}, environment=environment) == (f"get-{HOST}", "s", "")
    assert read({"credHelpers": {"other.example.com": "test"}}, environment=environment) is None


def test_the_store_for_all_and_the_helper_before_it(helper: Helper) -> None:
    environment = helper(ANSWER)
    helper('echo \'{"Username":"other","Secret":"s"}\'', "docker-credential-other")
    assert read({"credsStore": "test"}, environment=environment) == (f"get-{HOST}", "s", "")
    both = {"credsStore": "test", "credHelpers": {HOST: "other"}}
    assert read(both, environment=environment) == ("other", "s", "")


def test_docker_hub_is_asked_for_under_its_old_address(helper: Helper) -> None:
    environment = helper(ANSWER)
    expected = ("get-https://index.docker.io/v1/", "s", "")
    assert read({"credsStore": "test"}, "docker.io", environment) == expected
    assert read({"credHelpers": {"docker.io": "test"}}, "docker.io", environment) == expected


def test_an_identity_token_of_a_helper(helper: Helper) -> None:
    environment = helper('echo \'{"Username":"<token>","Secret":"t"}\'')
    assert read({"credsStore": "test"}, environment=environment) == ("", "", "t")


@pytest.mark.parametrize(
    "script",
    ["echo 'credentials not found in native keychain'; exit 1", 'echo \'{"Username":"","Secret":""}\''],
)
def test_a_helper_that_has_nothing(script: str, helper: Helper) -> None:
    environment = helper(script)
    assert read({"credsStore": "test"}, environment=environment) is None
    entry = {"credsStore": "test", "auths": {HOST: encoded("me:p")}}
    assert read(entry, environment=environment) == ("me", "p", "")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo hunter2; exit 1", "ended with 1"),
        ("echo hunter2", "no credentials"),
        ("echo '[]'", "no credentials"),
        ('echo \'{"Username":"u"}\'', "no credentials"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_a_helper_that_fails_is_said_without_what_it_printed(
    script: str, message: str, helper: Helper
) -> None:
    environment = helper(script)
    with pytest.raises(Unavailable, match=message) as caught:
        read({"credsStore": "test"}, environment=environment)
    assert "hunter2" not in str(caught.value)
    entry = {"credsStore": "test", "auths": {HOST: encoded("me:p")}}
    assert read(entry, environment=environment) == ("me", "p", "")


def test_a_helper_that_hangs_is_given_up(helper: Helper) -> None:
    environment = helper("exec sleep 60")
    start = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        read({"credsStore": "test"}, environment=environment, seconds=0.3)
    assert time.monotonic() - start < 5


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="docker-credential-test is not on the PATH"):
        read({"credsStore": "test"}, environment={"PATH": str(tmp_path)})


def test_a_helper_that_cannot_be_started(helper: Helper, tmp_path: Path) -> None:
    environment = helper("")
    (tmp_path / "docker-credential-test").write_text("#!/does/not/exist\n")
    with pytest.raises(Unavailable, match="cannot be started"):
        read({"credsStore": "test"}, environment=environment)


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "-x", "", ["x"], {"a": 1}, 5])
def test_a_helper_that_is_no_name(name: object) -> None:
    configuration = {"credHelpers": {HOST: name}}
    if not name:
        assert read(configuration) is None
        return
    with pytest.raises(Unavailable, match="cannot be one"):
        read(configuration)


def test_no_library_is_imported_where_there_is_no_entry() -> None:
    """As for most public images: it takes longer than reading many of those."""
    code = (
        "import sys; from gate.deadline import Deadline; from gate.registry.docker_config import credentials_of\n"
        'text = \'{"auths": {"https://index.docker.io/v1/": {"auth": "x"}}}\'\n'
        'assert credentials_of(text, "registry.example.com", {}, Deadline(30)) == {}\n'
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"docker", "requests", "urllib3"} & set(done.stdout.split())
