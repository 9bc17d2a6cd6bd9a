from __future__ import annotations

from typing import Any

import pytest

from gate.evidence import Secret, Secrets
from gate.rule import Finding, Remark
from gate.rules.no_secrets import NoSecretsOptions, check, published
from samples.images.entries import Entry, file, whiteout, whiteout_of
from samples.images.programs import static_program
from tests.kit.credentials import private_keys, tokens
from tests.kit.trees import config, filesystem, messages, remarks, secrets

KEY = private_keys()["Ed25519"]
TOKEN = tokens()["GitHub token"]


def judged(
    *layers: dict[str, Entry], settings: dict[str, Any] | None = None, **fields: Any
) -> list[Finding | Remark]:
    tree = filesystem(*layers)
    return list(check(secrets(tree), tree, config(**fields), NoSecretsOptions(**(settings or {}))))


def test_passes_an_image_without() -> None:
    tree = {
        "app/server": file(static_program("x")),
        "etc/ssl/openssl.cnf": file("# private_key = $dir/cakey.pem\n"),
    }
    assert judged(tree, Env=["PATH=/bin"]) == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("root/.ssh/id_ed25519", KEY),
        ("etc/ssl/private/ssl-cert-snakeoil.key", KEY),
        ("app/README.md", f"use {TOKEN}".encode()),
        ("usr/share/nginx/html/app.js", f'const t="{TOKEN}"'.encode()),
        ("app/vendor/x/config.php", TOKEN.encode()),
        ("app/test/key.pem", KEY),
        ("app/node_modules/shop/index.js", TOKEN.encode()),
        ("app/data.bin", b"\0" * 100 + TOKEN.encode() + b"\0"),
    ],
)
def test_finds_credentials_wherever_they_are(path: str, content: bytes) -> None:
    (finding,) = judged({path: file(content)})
    assert isinstance(finding, Finding)
    assert finding.location.path == f"/{path}"
    assert finding.location.layer_index == 0
    assert TOKEN[5:] not in finding.message


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("app/x.gz", TOKEN.encode()),
        ("app/logo.png", TOKEN.encode()),
        ("app/x.txt", TOKEN.encode("utf-16")),
        ("app/big.log", TOKEN.encode() + b" " * (1024 * 1024)),
        (f"app/{TOKEN}", b""),
    ],
    ids=["compressed", "picture", "UTF-16", "large", "file name"],
)
def test_what_is_stated_as_not_covered_is_not_found(path: str, content: bytes) -> None:
    assert judged({path: file(content)}) == []


def test_a_credential_that_a_later_layer_deletes_still_counts() -> None:
    (finding,) = judged({"app/.env": file(f"T={TOKEN}")}, {whiteout_of("app/.env"): whiteout()})
    assert isinstance(finding, Finding)
    assert finding.message.endswith("in a file that a later layer deletes and that is shipped all the same")
    assert finding.details["deleted"] is True
    assert finding.location.layer_index == 0


def test_a_credential_that_a_later_layer_overwrites_still_counts() -> None:
    (message,) = messages(
        judged({"app/.env": file(f"T={TOKEN}")}, {"app/.env": file("T=none, and twenty bytes")})
    )
    assert "a later layer deletes" in message


def test_finds_credentials_in_the_configuration() -> None:
    result = judged({}, Env=["DB_PASSWORD=hunter2"], history=[{"created_by": f"RUN x {TOKEN}"}])
    assert messages(result) == [
        "secret in a variable in Env DB_PASSWORD: DB_PASSWORD=… (7 characters)",
        "GitHub token in history 0: ghp_… (40 characters)",
    ]


def test_files_or_configuration_can_be_left_out() -> None:
    tree = {"app/.env": file(f"T={TOKEN}")}
    assert len(judged(tree, settings={"files": False}, Env=["A_TOKEN=abcdef"])) == 1
    assert len(judged(tree, settings={"config": False}, Env=["A_TOKEN=abcdef"])) == 1


def test_keys_of_published_tests_are_remarks_unless_asked_for() -> None:
    tree = {"usr/lib/python3/dist-packages/urllib3/dummyserver/certs/server.key": file(KEY)}
    result = judged(tree)
    assert messages(result) == []
    assert len(remarks(result)) == 1
    assert len(messages(judged(tree, settings={"published": True}))) == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/share/doc/libxmlsec1-dev/examples/key.pem", True),
        ("/usr/local/go/src/crypto/tls/testdata/example-key.pem", True),
        ("/usr/local/go/src/crypto/tls/example_test.go", True),
        ("/usr/share/go-1.24/src/crypto/tls/example_test.go", True),
        ("/app/node_modules/https/test/fixtures/key.pem", True),
        ("/go/pkg/mod/example.com/x@v1/testdata/key.pem", True),
        ("/app/node_modules/shop/key.pem", False),
        ("/app/test/key.pem", False),
        ("/test/node_modules/key.pem", False),
        ("/usr/share/nginx/html/key.pem", False),
        ("/root/.ssh/id_rsa", False),
        ("/etc/ssl/private/x.key", False),
        ("/home/test/.ssh/id_rsa", False),
    ],
)
def test_tells_published_tests_by_their_place(path: str, expected: bool) -> None:
    assert published(path) is expected


def test_paths_can_be_ignored() -> None:
    tree = {"app/a.pem": file(KEY), "app/keys/b.pem": file(KEY), "app/keys2/c.pem": file(KEY)}
    result = judged(tree, settings={"ignore_paths": ("/app/a.pem", "/app/keys/")})
    assert [finding.location.path for finding in result] == ["/app/keys2/c.pem"]


def test_says_what_was_not_searched() -> None:
    tree = filesystem({"a": file("x")})
    evidence = Secrets((Secret("private key", None, "/x", "", "…"),), ("layer 2: encrypted",))
    result = list(check(evidence, tree, config(), NoSecretsOptions()))
    assert len(messages(result)) == 1
    assert remarks(result) == ["not searched: layer 2: encrypted"]
