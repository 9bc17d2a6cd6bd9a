"""`image-gate trust`: what a root holds, and the newest one, verified on its way from a TUF repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from gate.errors import InvalidInput, Unavailable
from gate.signatures.root_update import fetch_root, shipped_metadata
from samples.databases.oci_artifact import Served
from tests.cli.conftest import Program
from tests.kit.loopback import LoopbackServer, serving
from tests.kit.sigstore import Sigstore
from tests.kit.tuf_repository import TufRepository

ROOT = json.dumps(Sigstore().trusted_root()).encode()


@contextmanager
def publishing(repository: TufRepository) -> Iterator[LoopbackServer]:
    paths = {path: Served("application/json", data) for path, data in repository.files.items()}
    with serving(paths) as server:
        yield server


def fetched(repository: TufRepository, metadata: bytes | None = None) -> bytes:
    with publishing(repository) as server:
        return fetch_root(f"http://{server.host}", metadata or repository.root)


def test_the_newest_root_is_fetched_and_verified() -> None:
    assert fetched(TufRepository({"trusted_root.json": ROOT})) == ROOT


def test_what_another_key_signed_is_refused() -> None:
    with pytest.raises(Unavailable, match="cannot be verified"):
        fetched(TufRepository({"trusted_root.json": ROOT}), TufRepository({}).root)
    with pytest.raises(Unavailable, match="cannot be verified"):
        fetched(TufRepository({"trusted_root.json": ROOT}), shipped_metadata())


def test_what_has_expired_is_refused() -> None:
    """Whoever stands in between could else keep a root from being replaced."""
    with pytest.raises(Unavailable, match=r"cannot be verified.*expired"):
        fetched(TufRepository({"trusted_root.json": ROOT}, timedelta(days=-1)))


def test_another_content_is_refused() -> None:
    repository = TufRepository({"trusted_root.json": ROOT})
    (path,) = (path for path in repository.files if path.startswith("/targets/"))
    repository.files[path] = ROOT.replace(b"2025", b"2024")
    with pytest.raises(Unavailable, match="cannot be verified"):
        fetched(repository)


@pytest.mark.parametrize("metadata", [b"", b"{}", b"[]", b"\xff"])
def test_metadata_that_is_none(metadata: bytes) -> None:
    with pytest.raises(Unavailable, match="cannot be verified"):
        fetched(TufRepository({"trusted_root.json": ROOT}), metadata or b" ")


def test_a_repository_without_a_root() -> None:
    with pytest.raises(Unavailable, match=r"has no trusted_root\.json"):
        fetched(TufRepository({"other.json": ROOT}))


def test_a_root_that_is_none_is_not_written() -> None:
    with pytest.raises(InvalidInput, match="is no trusted root"):
        fetched(TufRepository({"trusted_root.json": b"{}"}))


def test_no_answer() -> None:
    with publishing(TufRepository({})) as server:
        server.status = HTTPStatus.SERVICE_UNAVAILABLE
        with pytest.raises(Unavailable, match="could not be read"):
            fetch_root(f"http://{server.host}", shipped_metadata())


@pytest.mark.parametrize(
    "url", ["http://tuf.example.com", "ftp://127.0.0.1", "tuf.example.com", "file:///etc/passwd"]
)
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no address of a TUF repository"):
        fetch_root(url, b"{}")


def test_update_writes_a_file_that_show_reads(inside: Program, tmp_path: Path) -> None:
    repository = TufRepository({"trusted_root.json": ROOT})
    (tmp_path / "root.json").write_bytes(repository.root)
    with publishing(repository) as server:
        arguments = (
            "trust",
            "update",
            "trusted.json",
            "--url",
            f"http://{server.host}",
            "--metadata",
            "root.json",
        )
        done = inside(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("trusted.json is new, sha256:")
        assert (tmp_path / "trusted.json").read_bytes() == ROOT
        assert inside(*arguments).stdout.startswith("trusted.json is as it was, sha256:")
    failed = inside(*arguments)
    assert failed.returncode == 3
    assert (tmp_path / "trusted.json").read_bytes() == ROOT
    lines = inside("trust", "show", "trusted.json").stdout.splitlines()
    assert lines[0].startswith("trusted.json (sha256:")
    assert lines[1] == "  demands an entry in a log, an entry of the certificate in a log, an attested time"
    assert [line.split(",")[0] for line in lines[2:]] == [
        "  certificate authority https://fulcio.sigstore.test",
        "  log https://rekor.sigstore.test",
        "  log https://log.sigstore.test",
        "  certificate log https://ct.sigstore.test",
        "  timestamp authority https://tsa.sigstore.test",
    ]


def test_show_knows_the_public_instance(inside: Program) -> None:
    done = inside("trust", "show")
    assert done.returncode == 0
    assert "  log https://rekor.sigstore.dev, since 2021-01-12, key sha256:c0d23d6a" in done.stdout


def test_an_instance_needs_its_own_metadata(inside: Program) -> None:
    done = inside("trust", "update", "a.json", "--url", "https://tuf.example.com")
    assert done.returncode == 2
    assert "--url and --metadata belong together" in done.stderr
