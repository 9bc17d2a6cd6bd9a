from __future__ import annotations

import json
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.oci.reference import Reference
from gate.registry import HostSettings, Login
from gate.registry.authentication import TOKEN_HOSTS
from tests.kit.certificates import Authority
from tests.kit.hostile_images import CLEAN_IMAGE, DIRTY_IMAGE
from tests.kit.pulls import login_of, pull
from tests.kit.registry import Fault, Registry, serving_registry
from tests.registry.conftest import Client, Names

IMAGES = {"shop/api:1.4": CLEAN_IMAGE}


def name_of(registry: Registry) -> str:
    return f"{registry.host}/shop/api:1.4"


def pulled(registry: Registry, **settings: Any) -> bool:
    """Whether the image can be pulled with these settings."""
    return list(pull(name_of(registry), **settings).images) == [CLEAN_IMAGE.manifest.digest]


def as_docker(registry: Registry, folder: Path, entry: dict[str, str]) -> dict[str, str]:
    """Write Docker's configuration with an entry for the registry; returns the environment that leads to it."""
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: entry}}))
    return {"DOCKER_CONFIG": str(folder)}


def query(target: str) -> dict[str, str]:
    """Return the query of what was asked."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))


def test_nobody_asks() -> None:
    with serving_registry(IMAGES) as registry:
        assert pulled(registry, login=login_of(registry))
        assert registry.credentials("registry") == set()


def test_basic() -> None:
    with serving_registry(IMAGES, auth="basic") as registry:
        assert pulled(registry, login=login_of(registry))
        assert len(registry.credentials("registry")) == 1
        assert registry.count("manifest") == 2  # the first asked for the login


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_without_a_login_the_error_says_what_to_do(auth: str) -> None:
    with serving_registry(IMAGES, auth=auth) as registry:
        with pytest.raises(Unavailable, match="401 Unauthorized") as caught:
            pulled(registry)
        assert "docker login" in caught.value.hint


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_wrong_login_is_sent_once(auth: str) -> None:
    with serving_registry(IMAGES, auth=auth) as registry:
        wrong = Login("robot", "hunter2", (registry.host,))
        with pytest.raises(Unavailable, match="401 Unauthorized") as caught:
            pulled(registry, login=wrong)
        assert "hunter2" not in str(caught.value)
        sent = [call for call in registry.calls if call.authorization]
        assert len(sent) == 1


def test_a_token_for_nobody() -> None:
    with serving_registry(IMAGES, auth="bearer", anonymous=True) as registry:
        assert pulled(registry)
        assert registry.credentials("token") == set()
        assert registry.count("token") == 1


def test_what_every_job_is_given_may_be_refused_for_a_public_image() -> None:
    """A job of GitHub that may not read packages is refused a token for those that everybody may read."""
    with serving_registry(IMAGES, auth="bearer", anonymous=True) as registry:
        environment = {"CI_REGISTRY": registry.host, "CI_JOB_TOKEN": "hunter2"}
        assert pulled(registry, environment=environment)
        told = [call.authorization[:5] for call in registry.calls if call.call == "token"]
        assert told == ["Basic", ""]
    with serving_registry(IMAGES, auth="bearer") as registry:
        environment = {"CI_REGISTRY": registry.host, "CI_JOB_TOKEN": "hunter2"}
        with pytest.raises(Unavailable, match=r"CI_JOB_TOKEN was refused: .*401") as caught:
            pulled(registry, environment=environment)
        assert "hunter2" not in str(caught.value)


def test_a_login_that_somebody_gave_is_never_left_out() -> None:
    with serving_registry(IMAGES, auth="bearer", anonymous=True) as registry:
        with pytest.raises(Unavailable, match="401"):
            pulled(registry, login=Login("robot", "hunter2", (registry.host,)))
        assert registry.count("token") == 1


def test_a_token_for_a_login() -> None:
    with serving_registry(IMAGES, auth="bearer") as registry:
        assert pulled(registry, login=login_of(registry))
        (call,) = (call for call in registry.calls if call.call == "token")
        assert query(call.target) == {"service": registry.host, "scope": "repository:shop/api:pull"}
        assert call.authorization.startswith("Basic ")
        told = {call.authorization[:6] for call in registry.calls if call.call not in ("token", "ping")}
        assert told == {"", "Bearer"}


@pytest.mark.parametrize("where", ["entry", "helper"])
def test_an_identity_token(where: str, tmp_path: Path) -> None:
    with serving_registry(IMAGES, auth="bearer", identity_token="the-identity") as registry:
        environment = as_docker(registry, tmp_path, {"identitytoken": "the-identity"})
        if where == "helper":
            (tmp_path / "config.json").write_text('{"credsStore": "test"}')
            helper = tmp_path / "docker-credential-test"
            helper.write_text('#!/bin/sh\necho \'{"Username":"<token>","Secret":"the-identity"}\'\n')
            helper.chmod(0o755)
            environment["PATH"] = f"{tmp_path}:/bin:/usr/bin"
        assert pulled(registry, environment=environment)
        (call,) = (call for call in registry.calls if call.call == "token")
        assert call.method == "POST"
        assert dict(urllib.parse.parse_qsl(call.body)) == {
            "grant_type": "refresh_token", "client_id": "image-gate", "service": registry.host,
            "scope": "repository:shop/api:pull", "refresh_token": "the-identity",
        }  # fmt: skip
        assert "the-identity" not in call.target
        assert call.authorization == ""


def test_a_registry_that_takes_no_identity_token(tmp_path: Path) -> None:
    with serving_registry(IMAGES, auth="basic") as registry:
        environment = as_docker(registry, tmp_path, {"identitytoken": "hunter2"})
        with pytest.raises(Unavailable, match="takes no identity token"):
            pulled(registry, environment=environment)
        assert registry.credentials("registry") == set()


def test_one_token_for_all_calls_of_a_repository_and_one_for_each_repository(client: Client) -> None:
    images = {"shop/api:1.4": CLEAN_IMAGE, "shop/web:1.4": DIRTY_IMAGE}
    with serving_registry(images, auth="bearer") as registry:
        reader = client(login=login_of(registry))
        for repository in ("shop/api", "shop/web", "shop/api"):
            reader.manifest(Reference.parse(f"{registry.host}/{repository}:1.4"))
            assert list(reader.tags(Reference.parse(f"{registry.host}/{repository}"))) == ["1.4"]
        scopes = [query(call.target)["scope"] for call in registry.calls if call.call == "token"]
        assert scopes == ["repository:shop/api:pull", "repository:shop/web:pull"]


def test_threads_share_a_token(client: Client) -> None:
    with serving_registry(IMAGES, auth="bearer") as registry:
        reader = client(login=login_of(registry))
        name = Reference.parse(name_of(registry))
        threads = [threading.Thread(target=reader.manifest, args=(name,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert registry.count("token") == 1


def test_a_token_that_is_no_longer_good(client: Client) -> None:
    with serving_registry(IMAGES, auth="bearer") as registry:
        reader = client(login=login_of(registry))
        name = Reference.parse(name_of(registry))
        reader.manifest(name)
        registry.revoke()
        reader.manifest(name)
        assert registry.count("token") == 2


@pytest.mark.parametrize("seconds", [0, -1, 1, None, 10**9])
def test_how_long_a_token_is_good_for(seconds: int | None, client: Client) -> None:
    with serving_registry(IMAGES, auth="bearer", expires_in=seconds) as registry:
        reader = client(login=login_of(registry))
        for _ in range(3):
            reader.manifest(Reference.parse(name_of(registry)))
        assert registry.count("token") == (3 if seconds == 1 else 1)


def test_a_login_that_a_redirect_asks_for_is_none_of_ours() -> None:
    fault = Fault("layer", "401", server="storage")
    with serving_registry(IMAGES, [fault], auth="bearer", blobs_elsewhere=True) as registry:
        with pytest.raises(Unavailable, match="401"):
            pulled(registry, login=login_of(registry))
        assert registry.count("token") == 1
        assert registry.credentials("storage") == set()


# --- token servers (R4) ------------------------------------------------------------------------------------------


def test_another_port_is_another_server() -> None:
    with serving_registry(IMAGES, auth="bearer", token_elsewhere=True) as registry:
        with pytest.raises(Unavailable) as caught:
            pulled(registry, login=login_of(registry))
        assert registry.credentials("token") == set()
        assert f"add it to token_hosts of {registry.host!r}" in str(caught.value)


def test_but_it_is_asked_as_nobody() -> None:
    with serving_registry(IMAGES, auth="bearer", token_elsewhere=True, anonymous=True) as registry:
        assert pulled(registry, login=login_of(registry))
        assert registry.credentials("token") == set()


@pytest.mark.parametrize("how", ["configuration", "gitlab"])
def test_a_token_server_that_is_known(how: str) -> None:
    with serving_registry(IMAGES, auth="bearer", token_elsewhere=True) as registry:
        host, _, port = registry.hosts["token"].rpartition(":")
        settings: dict[str, Any] = {"hosts": {registry.host: HostSettings(token_hosts=(f"{host}:{port}",))}}
        if how == "gitlab":
            settings = {
                "environment": {"CI_REGISTRY": registry.host, "CI_SERVER_HOST": host, "CI_SERVER_PORT": port}
            }
        assert pulled(registry, login=login_of(registry), **settings)
        assert len(registry.credentials("token")) == 1


@pytest.mark.parametrize("registry_name", ["registry.example.com", ""])
def test_the_server_of_gitlab_is_for_its_registry_alone(registry_name: str) -> None:
    with serving_registry(IMAGES, auth="bearer", token_elsewhere=True) as registry:
        host, _, port = registry.hosts["token"].rpartition(":")
        environment = {"CI_REGISTRY": registry_name, "CI_SERVER_HOST": host, "CI_SERVER_PORT": port}
        with pytest.raises(Unavailable, match="401"):
            pulled(registry, login=login_of(registry), environment=environment)
        assert registry.credentials("token") == set()


def test_the_shipped_table_is_short_and_of_public_registries() -> None:
    assert TOKEN_HOSTS["docker.io"] == "auth.docker.io"
    assert TOKEN_HOSTS["registry.gitlab.com"] == "gitlab.com"
    assert len(TOKEN_HOSTS) < 10


@pytest.mark.parametrize(
    ("realm", "message"),
    [
        ("", "not an address"),
        ("token", "not an address"),
        ("/token", "not an address"),
        ("file:///etc/passwd", "not an address"),
        ("http://me@127.0.0.1/", "not an address"),
        ("http://169.254.169.254/token", "without TLS"),
        ("https://169.254.169.254/token", "never contacted"),
        ("https://metadata.example.com/token", "never contacted"),
        ("http://registry.example.com/token", "without TLS"),
        ("https://[fd00:ec2::254]/token", "never contacted"),
    ],
)
def test_a_realm_that_is_not_asked(realm: str, message: str, names: Names) -> None:
    names["metadata.example.com"] = "169.254.169.254"
    challenge = f'Bearer realm="{realm}",service="x"'
    with serving_registry(IMAGES, auth="bearer", challenge=challenge) as registry:
        with pytest.raises(Unavailable) as caught:
            pulled(registry, login=login_of(registry))
        assert message in str(caught.value) or "never contacted" in str(caught.value)
        assert registry.credentials("registry") == set()


@pytest.mark.parametrize(
    "realm", ["https://10.0.0.5/token", "https://inside.example.com/token", "https://127.0.0.2/token"]
)
def test_a_public_registry_has_no_private_token_server(realm: str, public: Names) -> None:
    public |= {"registry.example.com": "127.0.0.1", "inside.example.com": "10.0.0.5"}
    with serving_registry(IMAGES, auth="bearer", realm=realm) as registry:
        host = f"registry.example.com:{registry.host.rpartition(':')[2]}"
        with pytest.raises(Unavailable, match=r"a (private|loopback) address"):
            pull(f"{host}/shop/api:1.4", hosts={host: HostSettings(plain_http=True)})


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_no_credentials_without_tls(auth: str, public: Names) -> None:
    public["registry.example.com"] = "127.0.0.1"
    with serving_registry(IMAGES, auth=auth) as registry:
        port = registry.host.rpartition(":")[2]
        host = f"registry.example.com:{port}"
        registry.behaviour.realm = f"http://{host}/token"
        settings: dict[str, Any] = {
            "login": Login("robot", "the-password", (host,)),
            "hosts": {host: HostSettings(plain_http=True)},
        }
        with pytest.raises(Unavailable, match=r"only sent over TLS|without TLS"):
            pull(f"{host}/shop/api:1.4", **settings)
        assert registry.credentials("registry") == set()


def test_no_token_server_without_tls_for_a_registry_with_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        serving_registry(
            IMAGES, auth="bearer", tls=authority.server(), realm="http://127.0.0.1:9/token"
        ) as registry,
        pytest.raises(Unavailable, match="a token server without TLS"),
    ):
        pulled(registry, login=login_of(registry), ca_file=str(authority.ca_file))


def test_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving_registry(IMAGES, auth="bearer", tls=authority.server()) as registry:
        assert pulled(registry, login=login_of(registry), ca_file=str(authority.ca_file))


def test_a_token_server_that_redirects_is_not_followed() -> None:
    with serving_registry(IMAGES, [Fault("token", "redirect-loop")], auth="bearer") as registry:
        with pytest.raises(Unavailable, match="307"):
            pulled(registry, login=login_of(registry))
        assert registry.count("token") == 1


@pytest.mark.parametrize(
    "challenge", [" ", "Negotiate", "Digest realm=x", "Bearer", 'Bearer realm="x', "Basic realm=x,realm=y"]
)
def test_challenges_that_cannot_be_met(challenge: str) -> None:
    with serving_registry(IMAGES, auth="bearer", challenge=challenge) as registry:
        with pytest.raises(Unavailable):
            pulled(registry, login=login_of(registry))
        assert registry.credentials("registry") == set()


def test_bearer_is_taken_before_basic() -> None:
    with serving_registry(IMAGES, auth="bearer") as registry:
        registry.behaviour.challenge = f'Basic realm="x", Bearer realm="http://{registry.host}/token"'
        assert pulled(registry, login=login_of(registry))
        assert all(call.authorization[:5] != "Basic" for call in registry.calls if call.call != "token")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{}", b'{"token":""}', b'{"token":5}', b'{"token":"a b"}', b'{"token":"a\\nX-Evil: 1"}',
        b'{"token":"a","token":"b"}', b'{"access_token":null}', b'{"token":"\xc3\xa4"}', b'{"token":"' + b"a" * 70_000 + b'"}',
        b" " * (1024 * 1024 + 1), b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_token(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.kit.registry_protocol.Answers._token",
        lambda *_: __import__("tests.kit.registry_protocol", fromlist=["Answer"]).Answer(200, body, {}),
    )
    with serving_registry(IMAGES, auth="bearer") as registry:
        with pytest.raises(Unavailable, match="answers with no token") as caught:
            pulled(registry, login=login_of(registry))
        assert not caught.value.blocks
        assert registry.credentials("registry") == {
            value for value in registry.credentials("registry") if value[:5] == "Basic"
        }


def test_a_registry_that_repeats_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was told must not come back into a log."""
    from tests.kit import registry_protocol
    from tests.kit.registry_content import Call

    def echo(_: object, made: Call) -> registry_protocol.Answer:
        if made.call == "ping":
            return registry_protocol.Answer(200)
        message = f"you said {made.authorization} and the-password"
        if not made.authorization:
            return registry_protocol.Answer(401, b"", {"WWW-Authenticate": "Basic realm=x"})
        return registry_protocol._error(403, message)

    monkeypatch.setattr("tests.kit.registry_protocol.Answers.to", echo)
    with serving_registry(IMAGES) as registry:
        with pytest.raises(Unavailable, match="403 Forbidden") as caught:
            pulled(registry, login=login_of(registry))
        assert "you said Basic *** and ***" in str(caught.value)


def test_a_problem_with_credentials_is_said_where_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "gone"}')
    environment = {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}
    with serving_registry(IMAGES) as registry:
        assert pulled(registry, environment=environment)
    with serving_registry(IMAGES, auth="bearer", anonymous=True) as registry:
        assert pulled(registry, environment=environment)
    with (
        serving_registry(IMAGES, auth="bearer") as registry,
        pytest.raises(Unavailable, match="docker-credential-gone is not on the PATH"),
    ):
        pulled(registry, environment=environment)
