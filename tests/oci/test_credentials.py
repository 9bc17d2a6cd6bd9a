from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.oci.credentials import LARGEST, MOST, Credential, CredentialScan, in_text, searched
from tests.kit.credentials import private_keys, text, tokens, values

KEYS = private_keys()
TOKENS = tokens()
VALUES = values()


def found(content: bytes, pieces: int = 1, before: bytes = b"", after: bytes = b"") -> tuple[Credential, ...]:
    """Search content that lies in a larger buffer and comes in several pieces."""
    scan = CredentialScan(len(content))
    step = max(1, -(-len(content) // pieces))
    for start in range(0, len(content), step):
        piece = content[start : start + step]
        scan.feed(before + piece + after, len(before), len(before) + len(piece))
    return scan.found()


def kind_of(name: str) -> str:
    return name.rstrip(" 0123456789")


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ('token = "', '"\n'), ("x://user:", "@host"), ("\0\0", "\0"), ("é ", " é")],
)
def test_finds_each_token_in_any_surroundings(name: str, before: str, after: str) -> None:
    (credential,) = found((before + TOKENS[name] + after).encode())
    assert credential.kind == kind_of(name)
    assert credential.offset == len(before.encode())


@pytest.mark.parametrize("name", TOKENS)
def test_never_shows_more_than_the_start(name: str) -> None:
    (credential,) = found(TOKENS[name].encode())
    assert TOKENS[name][12:] not in credential.redacted
    assert TOKENS[name][:4] in credential.redacted


@pytest.mark.parametrize("name", VALUES)
def test_finds_values_by_the_name_before_them(name: str) -> None:
    (credential,) = found(f"# a file\n{VALUES[name]}\n".encode())
    assert credential.kind == kind_of(name)


@pytest.mark.parametrize("name", KEYS)
def test_finds_private_keys(name: str) -> None:
    (credential,) = found(b"# deploy key\n" + KEYS[name])
    assert credential.kind == ("encrypted private key" if "encrypted" in name else "private key")
    assert credential.redacted.startswith("-----BEGIN ")
    assert credential.offset == 13


@pytest.mark.parametrize("name", ["RSA, PKCS #1", "Ed25519", "OpenSSH", "EC"])
def test_finds_private_keys_however_the_lines_end(name: str) -> None:
    key = KEYS[name].decode()
    forms = {
        "CRLF": key.replace("\n", "\r\n"),
        "JSON": json.dumps({"private_key": key}),
        "one line": key.replace("\n", " "),
        "YAML": "key: |\n" + "".join(f"    {line}\n" for line in key.splitlines()),
        "source": " +\n".join(f'"{line}\\n"' for line in key.splitlines()),
        "escaped twice": json.dumps(json.dumps(key)),
    }
    assert {form: len(found(written.encode())) for form, written in forms.items()} == dict.fromkeys(forms, 1)


def test_one_line_of_material_is_enough() -> None:
    for name in ("RSA, PKCS #1", "OpenSSH"):
        marker, line, *_ = KEYS[name].split(b"\n")
        assert len(found(marker + b"\n" + line + b"\n")) == 1, name


def test_material_of_any_base64_counts() -> None:
    for kind in ("", "RSA ", "OPENSSH ", "ENCRYPTED "):
        assert len(found(f"-----BEGIN {kind}PRIVATE KEY-----\n{text(64)}\n".encode())) == 1, kind


def test_finds_pgp_and_putty_keys() -> None:
    pgp = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQ{text(62)}\n{text(64, seed=2)}\n"
    assert [credential.kind for credential in found(pgp.encode())] == ["private key"]
    putty = f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 1\n{text(64)}\nPrivate-Lines: 1\n{text(44)}\n"
    assert [credential.kind for credential in found(putty.encode())] == ["private key"]


@pytest.mark.parametrize(
    "content",
    [
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg...\n-----END PRIVATE KEY-----",
        "if line.startswith('-----BEGIN RSA PRIVATE KEY-----'):\n    return read_the_key_from_the_file_and_go_on_with_that",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n" + "A" * 64,
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 70,
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "b" * 40,
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----\nMII" + "a1B2c3D4" * 20,
        "PRIVATE KEY-----" + "MII" + "a1B2c3D4" * 20,
        "PuTTY-User-Key-File-2: is how such a file starts",
        "AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKIA" + "X" * 16,
        "ghp_" + "x" * 36,
        "ghp_" + "0" * 36,
        "ghp_short",
        "//registry.npmjs.org/:_authToken=${NPM_TOKEN}",
        '{"auths": {"registry.example.com": {"auth": "bm90IGEgbG9naW4="}}}',
        '{"auths": {"registry.example.com": {"auth": "!!!!!!!!!!!!"}}}',
        '{"auths": {"registry.example.com": {"auth": "abcdefghi"}}}',
        '{"auths": {"registry.example.com": {}}, "credsStore": "desktop"}',
        "npm_config_registry npm_package_name_that_is_rather_long_but_no_token",
        "AccountKey=<your key here>",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    ],
)  # fmt: skip
def test_leaves_documents_and_placeholders_alone(content: str) -> None:
    assert found(content.encode()) == ()


@pytest.mark.parametrize(
    "name", ["GitHub token", "AWS access key id", "npm token", "Google API key", "Stripe key"]
)
def test_a_token_is_a_word_of_its_own(name: str) -> None:
    assert found(f"prefix{TOKENS[name]}".encode()) == ()
    assert found(f"_{TOKENS[name]}".encode()) == ()
    assert found(("=" + TOKENS[name] + "_more").encode()) == ()


@given(
    name=st.sampled_from([*TOKENS, *VALUES]),
    pieces=st.integers(1, 40),
    padding=st.integers(0, 3_000),
    before=st.binary(max_size=20),
)
@settings(max_examples=200)
def test_the_borders_of_pieces_do_not_matter(name: str, pieces: int, padding: int, before: bytes) -> None:
    secret = TOKENS.get(name) or VALUES[name]
    content = b"." * padding + b"\n" + secret.encode() + b"\n" + b"." * 17
    whole = found(content)
    assert len(whole) == 1
    assert found(content, pieces, before, b"ghp_") == whole


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("pieces", [2, 3, 7, 50])
def test_keys_across_borders_are_found(name: str, pieces: int) -> None:
    assert len(found(b"-" * 100 + b"\n" + KEYS[name], pieces)) == 1


def test_neighbours_in_the_buffer_are_not_read() -> None:
    token = TOKENS["GitHub token"].encode()
    assert found(b"harmless content", before=token, after=token) == ()
    assert len(found(token, before=b"word", after=b"word")) == 1


def test_what_stands_before_the_search_does_not_complete_a_marker() -> None:
    marker = b"-----BEGIN RSA PRIVATE KEY-----\n"
    body = KEYS["RSA, PKCS #1"].split(b"\n", 1)[1]
    assert found(body, before=marker) == ()


def test_programs_are_not_searched() -> None:
    assert found(b"\x7fELF" + KEYS["EC"]) == ()


def test_finds_several_in_order_and_not_too_many() -> None:
    content = "\n".join(token for seed in range(1, 30) for token in tokens(seed).values()).encode()
    credentials = found(content)
    assert len(credentials) == MOST
    offsets = [credential.offset for credential in credentials]
    assert offsets == sorted(offsets)


def test_finds_all_logins_of_a_docker_configuration() -> None:
    logins = {
        f"r{n}.example.com": {"auth": base64.b64encode(f"user{n}:{text(9, seed=n)}".encode()).decode()}
        for n in range(3)
    }
    credentials = found(json.dumps({"auths": logins}, indent=2).encode())
    assert [credential.redacted for credential in credentials] == [
        f"user user{n}, password …" for n in range(3)
    ]


def test_hostile_logins_print_no_control_characters() -> None:
    login = base64.b64encode(b"\x1b[31muser\n:password").decode()
    (credential,) = found(f'{{"auths":{{"x":{{"auth":"{login}"}}}}}}'.encode())
    assert credential.redacted.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [b"-----BEGIN PRIVATE KEY-----", b"ghp_", b"AKIA", b'"auths"', b'"auth":"', b"aws_secret_access_key", b"glpat-", b"+" * 64,
     b"pypi-AgEI", b"PuTTY-User-Key-File-", b":_authToken=", b"-----BEGIN PRIVATE KEY-----\n+'\"+", b"Proc-Type "],
)  # fmt: skip
def test_hostile_repetition_takes_bounded_time(unit: bytes) -> None:
    content = b"-----BEGIN PRIVATE KEY-----" + unit * (LARGEST // len(unit) - 10)
    started = time.process_time()
    found(content)
    assert time.process_time() - started < 5


def test_no_more_is_kept_than_the_largest_file() -> None:
    scan = CredentialScan(10 * LARGEST)
    for _ in range(10):
        scan.feed(bytes(LARGEST), 0, LARGEST)
    assert scan.found() == ()


@given(st.binary(max_size=2_000))
def test_garbage_raises_nothing(content: bytes) -> None:
    found(content, pieces=3)


@pytest.mark.parametrize(
    ("path", "size", "expected"),
    [
        (b"root/.ssh/id_ed25519", 400, True),
        (b"usr/share/doc/x/README.md", 20, True),
        (b"app/.env", 19, False),
        (b"app/.env", LARGEST, True),
        (b"app/dump.sql", LARGEST + 1, False),
        (b"usr/share/locale/de/LC_MESSAGES/x.mo", 400, False),
        (b"app/logo.PNG", 400, False),
        (b"app/png", 400, True),
    ],
)
def test_chooses_files_by_name_and_size(path: bytes, size: int, expected: bool) -> None:
    assert searched(path, size) is expected


def test_searches_texts() -> None:
    assert [credential.kind for credential in in_text(f"TOKEN={TOKENS['GitLab token']}")] == ["GitLab token"]
    assert in_text("nothing \udcff here") == ()


def test_this_projects_own_sources_hold_none() -> None:
    root = Path(__file__).parents[2]
    for path in (*root.glob("gate/**/*.py"), *root.glob("tests/rules/*.py")):
        assert found(path.read_bytes()) == (), path
