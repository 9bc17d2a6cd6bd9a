from __future__ import annotations

import time
from typing import Any

import pytest

from gate.oci.config_credentials import MOST, in_config
from tests.kit.credentials import private_keys, text, tokens
from tests.kit.trees import config

TOKEN = tokens()["GitHub token"]


def found(**fields: Any) -> list[tuple[str, str]]:
    return [(credential.kind, credential.field) for credential in in_config(config(**fields))]


def step(command: str) -> list[dict[str, str]]:
    return [{"created_by": "ADD rootfs.tar /"}, {"created_by": command}]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"Env": [f"X={TOKEN}"]}, "Env X"),
        ({"Labels": {"build": f"by {TOKEN}"}}, "Labels build"),
        ({"history": step(f"RUN curl -H 'Authorization: {TOKEN}' x")}, "history 1"),
        ({"history": [{"created_by": "x", "comment": f"used {TOKEN}"}]}, "history 0 comment"),
        ({"Cmd": ["/app", f"--with={TOKEN}"]}, "Cmd"),
        ({"Entrypoint": ["/app", TOKEN]}, "Entrypoint"),
        ({"Healthcheck": {"Test": ["CMD", "/app", TOKEN]}}, "config Healthcheck Test"),
        ({"OnBuild": [f"RUN echo {TOKEN}"]}, "config OnBuild"),
        ({"container_config": {"Cmd": [TOKEN]}}, "container_config Cmd"),
        ({"author": TOKEN}, "author"),
    ],
)
def test_finds_tokens_in_every_field(fields: dict[str, Any], place: str) -> None:
    assert found(**fields) == [("GitHub token", place)]


def test_finds_a_private_key_in_a_variable() -> None:
    key = private_keys()["EC"].decode()
    assert found(Env=[f"TLS_KEY={key}"]) == [("private key", "Env TLS_KEY")]


@pytest.mark.parametrize(
    "variable",
    ["POSTGRES_PASSWORD=postgres", "DB_PASSWD=s3cret", "API_TOKEN=abc123def", "JWT_SECRET=hunter2", "STRIPE_API_KEY=abcdef",
     "apiKey=abcdef", "AZURE_CLIENT_SECRET=a b c", "PGPASSWORD=pg", "ROOT_PASSWORD2=a$b", "AUTH_TOKEN=a=b=c"],
)  # fmt: skip
def test_finds_variables_by_name(variable: str) -> None:
    assert found(Env=[variable]) == [("secret in a variable", f"Env {variable.partition('=')[0]}")]


@pytest.mark.parametrize(
    "variable",
    [
        "PATH=/usr/local/bin:/usr/bin", "GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568", "PYTHON_SHA256=" + "a" * 64,
        "POSTGRES_PASSWORD_FILE=/run/secrets/pg", "DB_PASSWORD=/run/secrets/db", "DB_PASSWORD=", "DB_PASSWORD",
        "ALLOW_EMPTY_PASSWORD=yes", "TOKENIZERS_PARALLELISM=false", "TOKEN_URL=https://login.example.com", "API_TOKEN=${TOKEN}",
        "API_TOKEN=$TOKEN", "ACCESS_TOKEN_EXPIRE_MINUTES=30", "SECRET_KEY={{ secret }}", "API_KEY=<your key>", "API_KEY=xxxxxx",
        "SECRET=https://vault.example.com/v1/secret", "PASSWORD=***", "SSH_AUTH_SOCK=/tmp/x", "DISABLE_TOKEN=1", "KEY=abc",
    ],
)  # fmt: skip
def test_leaves_harmless_variables_alone(variable: str) -> None:
    assert found(Env=[variable]) == []


@pytest.mark.parametrize(
    "command",
    [
        "|2 NPM_TOKEN=abcdef123 VERSION=1 /bin/sh -c npm ci",
        "RUN |1 DB_PASSWORD=hunter22 /bin/sh -c make # buildkit",
        "/bin/sh -c export API_TOKEN=abcdef && make",
        '/bin/sh -c #(nop)  ENV MYSQL_ROOT_PASSWORD="hunter2"',
        "RUN mysql --password=hunter2 -e x",
        "RUN login --token abcdef0123",
        "RUN pip install --index-url https://robot:hunter2@pypi.example.com/simple x",
        "RUN git clone https://robot:hunter2@git.example.com/x",
    ],
)
def test_finds_secrets_in_build_steps(command: str) -> None:
    assert [place for _, place in found(history=step(command))] == ["history 1"]


@pytest.mark.parametrize(
    "command",
    [
        "RUN --mount=type=secret,id=token make",
        '/bin/sh -c export TOKEN="$(cat /run/secrets/token)" && make',
        "/bin/sh -c TOKEN=`cat x` make",
        "/bin/sh -c #(nop)  ENV POSTGRES_PASSWORD_FILE=/run/secrets/x",
        "RUN curl https://$USER:$PASSWORD@example.com",
        "RUN curl -fsSL https://example.com:8443/x@latest",
        "RUN adduser --disabled-password --gecos '' app",
        "RUN mysql --password-file /x",
        "COPY --from=build /app /app",
    ],
)
def test_leaves_harmless_build_steps_alone(command: str) -> None:
    assert found(history=step(command)) == []


def test_finds_labels_and_options_by_name() -> None:
    assert found(Labels={"com.example.password": "hunter2"}) == [
        ("secret in a variable", "Labels com.example.password")
    ]
    assert found(Cmd=["/app", "--api-key", "abcdef"]) == [("secret in a option", "Cmd")]


def test_reports_a_known_form_once_and_not_by_its_name_too() -> None:
    assert found(Env=[f"GITHUB_TOKEN={TOKEN}"]) == [("GitHub token", "Env GITHUB_TOKEN")]


def test_shows_no_secret() -> None:
    secret = text(30)
    document = config(
        Env=[f"DB_PASSWORD={secret}", f"URL=https://u:{secret}@h/"], history=step(f"RUN x --token={secret}")
    )
    results = in_config(document)
    assert len(results) == 3
    assert secret not in repr(results)


def test_a_hostile_configuration_is_bounded() -> None:
    assert len(in_config(config(Env=[f"A{number}_TOKEN=abcdef" for number in range(5_000)]))) == MOST


@pytest.mark.parametrize(
    "unit", ["a-", "--a", "A=", "http://a:", "--token ", "a.b=", "${", "=" * 50, "PASSWORD", "-" * 40]
)
def test_hostile_repetition_takes_bounded_time(unit: str) -> None:
    long = unit * (300_000 // len(unit))
    started = time.process_time()
    found(history=step(long), Env=[long], Labels={"x": long})
    assert time.process_time() - started < 4


def test_names_of_fields_are_not_printed_whole() -> None:
    (result,) = in_config(config(Env=["A" * 10_000 + f"={TOKEN}"]))
    assert len(result.field) < 200
