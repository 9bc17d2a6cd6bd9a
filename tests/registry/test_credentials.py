from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gate.deadline import Deadline
from gate.registry import Login, RegistrySettings
from gate.registry.credentials import Credential, Credentials, Found

HOST = "registry.example.com"


def auths(**hosts: str) -> str:
    """Return a configuration with `user:password` by host, whose dots are written as underscores."""
    entries = {
        host.replace("_", "."): {"auth": base64.b64encode(pair.encode()).decode()}
        for host, pair in hosts.items()
    }
    return json.dumps({"auths": entries})


def found(
    registry: str = HOST,
    login: Login | None = None,
    mirror: bool = False,
    repository: str = "",
    **environment: str,
) -> Found:
    """Look for the credential of a registry."""
    settings = RegistrySettings(login=login, environment=environment)
    return Credentials(settings, Deadline(30)).of(registry, repository, mirror=mirror)


def told(*arguments: Any, **named: Any) -> str:
    """Return `user:password` or `user:password@token`, and where it comes from."""
    credential = found(*arguments, **named).credential
    if credential is None:
        return ""
    token = f"@{credential.identity_token}" if credential.identity_token else ""
    return f"{credential.username}:{credential.password}{token} from {credential.source}"


@pytest.fixture
def docker(tmp_path: Path) -> str:
    """Docker's configuration of `fu:fp` for the registry, and its folder."""
    (tmp_path / "config.json").write_text(auths(registry_example_com="fu:fp"))
    return str(tmp_path)


def test_nobody_says_anything() -> None:
    assert found() == Found(None)


def test_which_place_comes_first(docker: str) -> None:
    login = Login("lu", "lp", (HOST,))
    variable = auths(registry_example_com="vu:vp")
    job: dict[str, Any] = {
        "CI_REGISTRY": HOST,
        "CI_REGISTRY_USER": "ju",
        "CI_REGISTRY_PASSWORD": "jp",
        "CI_JOB_TOKEN": "jt",
    }
    assert told(login=login, DOCKER_AUTH_CONFIG=variable, DOCKER_CONFIG=docker, **job).startswith("lu:lp")
    assert told(DOCKER_AUTH_CONFIG=variable, DOCKER_CONFIG=docker, **job) == "vu:vp from DOCKER_AUTH_CONFIG"
    assert told(DOCKER_CONFIG=docker, **job) == "fu:fp from Docker's configuration"
    assert told(**job) == "ju:jp from CI_REGISTRY_PASSWORD"
    assert told(CI_REGISTRY=HOST, CI_JOB_TOKEN="jt") == "gitlab-ci-token:jt from CI_JOB_TOKEN"


def test_the_login_is_for_the_registries_it_was_given_for() -> None:
    login = Login("lu", "lp", (HOST,))
    assert told(login=login)
    assert not told("docker.io", login=login)
    assert not told(f"{HOST}:5000", login=login)
    assert not told("evil.example.org", login=Login("lu", "lp"))
    assert not told(login=login, mirror=True)


def test_podmans_files(tmp_path: Path) -> None:
    def put(path: str, pair: str) -> str:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(auths(registry_example_com=pair))
        return str(tmp_path / path)

    home = {"HOME": str(tmp_path)}
    put(".config/containers/auth.json", "cu:cp")
    assert told(**home) == "cu:cp from Podman's configuration"
    put("run/containers/auth.json", "ru:rp")
    run = {**home, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert told(**run) == "ru:rp from Podman's configuration"
    assert told(**home, XDG_RUNTIME_DIR="").startswith("cu:cp")
    put(".docker/config.json", "du:dp")
    assert told(**run) == "du:dp from Docker's configuration"
    assert told(**run, REGISTRY_AUTH_FILE=put("named.json", "nu:np")) == "nu:np from REGISTRY_AUTH_FILE"
    assert told(
        **run, REGISTRY_AUTH_FILE=put("n.json", "x:y"), DOCKER_AUTH_CONFIG=auths(registry_example_com="v:w")
    ).startswith("v:w")
    assert told(**run, REGISTRY_AUTH_FILE=str(tmp_path / "gone")).startswith("du:dp")
    assert "REGISTRY_AUTH_FILE: there is nothing" in found(REGISTRY_AUTH_FILE=str(tmp_path / "gone")).problem


@pytest.mark.parametrize(
    ("repository", "user"),
    [("shop/api", "api"), ("shop/api/v2", "api"), ("shop/apis", "shop"), ("shop", "shop"), ("tools", "all"), ("", "all")],
)  # fmt: skip
def test_the_entry_for_the_most_of_a_name(repository: str, user: str) -> None:
    entries = {"": "all", "/shop": "shop", "/shop/api": "api"}
    text = auths(**{f"{HOST}{start}": f"{name}:p" for start, name in entries.items()})
    assert told(repository=repository, DOCKER_AUTH_CONFIG=text).startswith(f"{user}:p")


def test_where_no_entry_is_for_a_name_the_first_counts_as_docker_has_it() -> None:
    text = auths(**{f"{HOST}/group": "g:p", f"{HOST}/other": "o:p"})
    assert told(repository="shop/api", DOCKER_AUTH_CONFIG=text).startswith("g:p")


def test_docker_is_looked_for_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(auths(registry_example_com="hu:hp"))
    assert told(HOME=str(tmp_path)).startswith("hu:hp")
    assert not told(HOME=str(tmp_path), DOCKER_CONFIG=str(tmp_path / "elsewhere"))
    assert not told(HOME="")


@pytest.mark.parametrize(
    ("registry", "environment"),
    [
        ("registry.example.org", {"CI_REGISTRY": HOST, "CI_JOB_TOKEN": "x"}),
        ("registry.example.com:443", {"CI_REGISTRY": HOST, "CI_JOB_TOKEN": "x"}),
        (HOST, {"CI_JOB_TOKEN": "x"}),
        (HOST, {"CI_REGISTRY": HOST}),
        (HOST, {"CI_REGISTRY": HOST, "CI_REGISTRY_USER": "u"}),
        (HOST, {"GITHUB_TOKEN": "x", "GITHUB_ACTOR": "y"}),
        ("ghcr.io.evil.example.org", {"GITHUB_TOKEN": "x", "GITHUB_ACTOR": "y"}),
        ("ghcr.io", {"GITHUB_TOKEN": "x"}),
        ("ghcr.io", {"GITHUB_ACTOR": "x"}),
        ("", {"CI_REGISTRY": "", "GITHUB_TOKEN": "x"}),
    ],
)
def test_no_credential_of_a_job_for_another_registry(registry: str, environment: dict[str, Any]) -> None:
    assert found(registry, **environment) == Found(None)


def test_the_jobs_own_for_ghcr() -> None:
    assert told("ghcr.io", GITHUB_TOKEN="t", GITHUB_ACTOR="me") == "me:t from GITHUB_TOKEN"


def test_what_cannot_be_read_is_said_and_the_next_place_asked(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    result = found(DOCKER_AUTH_CONFIG="[]", DOCKER_CONFIG=str(tmp_path))
    assert result.credential is None
    assert result.problem.count("not JSON of the form") == 2
    job: dict[str, Any] = {"CI_REGISTRY": HOST, "CI_JOB_TOKEN": "jt"}
    assert found(DOCKER_AUTH_CONFIG="[]", **job).credential is not None


def test_a_configuration_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    assert "cannot be read" in found(DOCKER_CONFIG=str(tmp_path)).problem
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "config.json").write_bytes(b"\xff")
    assert "cannot be read" in found(DOCKER_CONFIG=str(tmp_path / "bytes")).problem


def test_each_registry_is_looked_for_once(docker: str) -> None:
    credentials = Credentials(RegistrySettings(environment={"DOCKER_CONFIG": docker}), Deadline(30))
    first = credentials.of(HOST)
    (Path(docker) / "config.json").unlink()
    assert first.credential is not None
    assert credentials.of(HOST) == first


def test_no_secret_is_ever_shown() -> None:
    credential = Credential("user", "hunter2", "hunter3", "here")
    login = Login("user", "hunter2", (HOST,))
    shown = f"{credential} {credential!r} {login} {login!r} {Found(credential)!r} {RegistrySettings(login=login)!r}"
    assert "hunter" not in shown
    assert "user" in shown
