from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from jsonschema import Draft202012Validator

from gate.configuration import Configuration, load, user_file
from gate.configuration.file import configuration_schema
from gate.errors import InvalidInput
from gate.policy.document import parse
from gate.registry import HostSettings

ROOT = Path(__file__).parent.parent.parent
HEAD = "schema: 1\n"
Load = Callable[[str], Configuration]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a configuration from its text; errors call the file `c.yaml`. The files `a.pem` and `b.pem` lie beside it."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.pem", "b.pem"):
        (tmp_path / name).touch()

    def loaded(text: str) -> Configuration:
        Path("c.yaml").write_text(text, encoding="utf-8")
        return load(Path("c.yaml"), {})

    return loaded


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    found: dict[str, Any] = json.loads((ROOT / "gate/schemas/configuration.json").read_bytes())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def accepts(schema: Draft202012Validator, text: str) -> bool:
    return bool(schema.is_valid(parse(text.encode(), "c.yaml").plain()))


def test_everything_that_can_be_said(read: Load, schema: Draft202012Validator, tmp_path: Path) -> None:
    text = (
        HEAD
        + """\
registries:
  docker.io: {mirrors: [Mirror.example.com:5000/docker, other.example.com]}
  Registry.Example.com:443:
    token-hosts: [LOGIN, 'gitlab.example.com:08443', index.docker.io]
    ca-file: a.pem
    client-certificate: ./a.pem
    client-key: FOLDER/b.pem
  localhost:5000: {plain-http: true}
  '[::1]:5000': {}
proxy: http://user:secret@proxy.example.com:3128
scanners:
  trivy-sources: [mirror.example.com/aquasec/trivy-db:2, other.example.com/trivy-db:2]
  trivy-java-sources: [mirror.example.com/aquasec/trivy-java-db@DIGEST]
  grype-sources: [https://mirror.example.com/grype/databases]
  kev-sources: [https://mirror.example.com/kev.json]
  epss-sources: [https://mirror.example.com/epss.csv.gz]
"""
    )
    text = text.replace("FOLDER", str(tmp_path)).replace("DIGEST", f"sha256:{'a' * 64}")
    found = read(text)
    assert accepts(schema, text)
    assert found == Configuration(
        origin="c.yaml",
        hosts={
            "docker.io": HostSettings(mirrors=("mirror.example.com:5000/docker", "other.example.com")),
            "registry.example.com:443": HostSettings(
                token_hosts=("login", "gitlab.example.com:8443", "index.docker.io"),
                ca_file=str(tmp_path / "a.pem"),
                client_certificate=str(tmp_path / "a.pem"),
                client_key=str(tmp_path / "b.pem"),
            ),
            "localhost:5000": HostSettings(plain_http=True),
            "[::1]:5000": HostSettings(),
        },
        proxy="http://user:secret@proxy.example.com:3128",
        trivy_sources=("mirror.example.com/aquasec/trivy-db:2", "other.example.com/trivy-db:2"),
        trivy_java_sources=(f"mirror.example.com/aquasec/trivy-java-db@sha256:{'a' * 64}",),
        grype_sources=("https://mirror.example.com/grype/databases",),
        feed_sources={
            "kev": ("https://mirror.example.com/kev.json",),
            "epss": ("https://mirror.example.com/epss.csv.gz",),
        },
    )
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", [HEAD, HEAD + "registries: {}\n", HEAD + "scanners: {}\n"])
def test_nothing_need_be_said(read: Load, schema: Draft202012Validator, text: str) -> None:
    assert read(text) == Configuration(origin="c.yaml")
    assert accepts(schema, text)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("registries: {}", "1:1", "lacks the key 'schema'"),
        ("", "1:1", "the document is empty"),
        ("schema: 2", "1:9", "schema is 2"),
        ("- schema: 1", "1:1", "the configuration is a list"),
        (HEAD + "registry: {}", "2:1", "there is no key 'registry'"),
        (HEAD + "registries: [docker.io]", "2:13", "registries is a list"),
        (HEAD + "registries:", "2:1", "registries is empty"),
        (HEAD + "registries: {docker.io: }", "2:14", "registries.docker.io is empty"),
        (HEAD + "registries: {docker.io: {mirror: x.test}}", "2:26", "registries.docker.io has no key 'mirror'"),
        (HEAD + "registries: {docker.io: {}, index.docker.io: {}}", "2:29", "registries has 'docker.io' a second time"),
        (HEAD + "registries: {docker.io: {}, docker.io: {}}", "2:29", "stands here a second time"),
        (HEAD + "registries: {'*.example.com': {}}", "2:14", "is no registry"),
        (HEAD + "registries: {x.test/path: {}}", "2:14", "is no registry"),
        (HEAD + "registries: {example: {}}", "2:14", "is no registry"),
        (HEAD + "registries: {'https://x.test': {}}", "2:14", "is no registry"),
        (HEAD + "registries: {'user:secret@x.test': {}}", "2:14", "is no registry"),
        (HEAD + "registries: {x.test: {mirrors: m.test}}", "2:32", "registries.x.test.mirrors is the text"),
        (HEAD + "registries: {x.test: {mirrors: [m.test/*]}}", "2:33", "is no mirror"),
        (HEAD + "registries: {x.test: {mirrors: ['https://m.test']}}", "2:33", "is no mirror"),
        (HEAD + "registries: {x.test: {token-hosts: [t.test/x]}}", "2:37", "is no host"),
        (HEAD + "registries: {x.test: {token-hosts: ['*.t.test']}}", "2:37", "is no host"),
        (HEAD + "registries: {x.test: {plain-http: yes}}", "2:35", "registries.x.test.plain-http is the text 'yes'"),
        (HEAD + "registries: {x.test: {ca-file: gone.pem}}", "2:32", "is not a file that can be read"),
        (HEAD + "registries: {x.test: {ca-file: .}}", "2:32", "is not a file that can be read"),
        (HEAD + 'registries: {x.test: {ca-file: "a\\0"}}', "2:32", "is not a file that can be read"),
        (HEAD + "registries: {x.test: {ca-file: ''}}", "2:32", "registries.x.test.ca-file is an empty text"),
        (HEAD + "registries: {x.test: {client-key: a.pem}}", "2:23", "has a client-key, and no client-certificate"),
        (HEAD + "proxy: proxy.example.com", "2:8", "this is no address of a proxy"),
        (HEAD + "proxy: socks5://user:secret@p.test:1", "2:8", "this is no address of a proxy"),
        (HEAD + "proxy: 'http://user:secret@p.test:99999'", "2:8", "this is no address of a proxy"),
        (HEAD + "proxy: 'http://user:secret@[p'", "2:8", "this is no address of a proxy"),
        (HEAD + "proxy: 'http:// user:secret@p.test'", "2:8", "this is no address of a proxy"),
        (HEAD + "proxy: ''", "2:8", "this is no address of a proxy"),
        (HEAD + "scanners: {trivy-sources: [--insecure]}", "2:28", "is not an image name"),
        (HEAD + "scanners: {trivy-sources: ['m.test/x y']}", "2:28", "is not an image name"),
        (HEAD + "scanners: {grype-sources: [--help]}", "2:28", "this is no address of a database"),
        (HEAD + "scanners: {grype-sources: ['http://m.test/x']}", "2:28", "this is no address of a database"),
        (HEAD + "scanners: {grype-sources: ['https://user:secret@m.test/x']}", "2:28", "this is no address of a database"),
        (HEAD + "scanners: {grype: x}", "2:12", "scanners has no key 'grype'"),
        (HEAD + "a: &x 1\nb: *x", "2:4", "anchors and aliases"),
        (HEAD + "a: !!python/object:os.system x", "2:4", "the tag"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(read: Load, text: str, place: str, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read(text)
    assert error.value.message.startswith(f"c.yaml:{place}: ")
    assert what in str(error.value)
    assert "policy" not in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("path", ["gone.yaml", ".", "a\0b"])
def test_a_file_that_was_chosen_must_be_there(read: Load, path: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load(Path(path), {})


def test_a_local_database_needs_no_tls(read: Load) -> None:
    assert read(HEAD + "scanners: {grype-sources: ['http://localhost:8080/x']}").grype_sources == (
        "http://localhost:8080/x",
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a configuration, and the working directory `work` below it."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".config/image-gate/config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD + "proxy: http://p.test:1\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_the_users_file_is_found(home: Path) -> None:
    found = load(None, {})
    assert (found.proxy, found.origin) == ("http://p.test:1", str(home / ".config/image-gate/config.yaml"))
    os.unlink(found.origin)
    assert load(None, {}) == Configuration()


def test_the_folder_is_the_one_of_the_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stated in (None, "", "relative", str(home / "elsewhere"), " "):
        if stated is None:
            monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        else:
            monkeypatch.setenv("XDG_CONFIG_HOME", stated)
        path = platformdirs.user_config_path("image-gate") / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert user_file() == str(path)
        monkeypatch.setattr(sys, "platform", "darwin")
        assert user_file() == str(path)
        monkeypatch.undo()
        monkeypatch.setenv("HOME", str(home))


def test_a_link_to_nothing_is_not_passed_over(home: Path) -> None:
    path = home / ".config/image-gate/config.yaml"
    path.unlink()
    path.symlink_to("gone")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load(None, {})


def test_a_relative_folder_is_not_looked_into(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be in the working directory, which the change under test fills."""
    for place in ("relative/image-gate", ".config/image-gate"):
        Path(place).mkdir(parents=True)
        Path(place, "config.yaml").write_text(HEAD + "proxy: http://evil.test\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert load(None, {}).proxy == "http://p.test:1"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", ".")
    assert user_file() is None


def test_in_a_ci_job_the_checkout_brings_no_configuration(home: Path) -> None:
    """Some systems put the home folder into the checkout."""
    (home / ".git").mkdir()
    assert load(None, {}).proxy
    with pytest.raises(InvalidInput, match="lies in the checkout under test") as error:
        load(None, {"CI": "true"})
    assert "--config" in error.value.hint
    assert load(home / ".config/image-gate/config.yaml", {"CI": "true"}).proxy


def test_the_schema_describes_every_key(schema: Draft202012Validator) -> None:
    found = configuration_schema()
    for part in (found, *found["$defs"].values()):
        assert all(key["description"] for key in part["properties"].values())
    for text in (
        "schema: 2",
        HEAD + "registries: {x.test: {mirror: []}}",
        HEAD + "proxi: x",
        HEAD + "registries: {x.test: {plain-http: 1}}",
    ):
        assert not accepts(schema, text)


def test_the_sample_is_valid(schema: Draft202012Validator) -> None:
    path = ROOT / "samples/config.yaml"
    assert set(load(path, {}).hosts) == {"docker.io", "registry.example.com", "localhost:5000"}
    assert accepts(schema, path.read_text())


def test_signatures_may_lie_in_a_repository_of_their_own(read: Load, schema: Draft202012Validator) -> None:
    text = HEAD + "registries:\n  docker.io: {signature-repository: Docker.io/team/signatures}\n"
    assert read(text).hosts["docker.io"].signature_repository == "docker.io/team/signatures"
    assert accepts(schema, text)
    with pytest.raises(InvalidInput, match=r"c\.yaml:3:.*names an image"):
        read(HEAD + "registries:\n  docker.io: {signature-repository: docker.io/team/signatures:1}\n")
