"""The lock of Debian packages, and fetching what it names: the hash decides, wherever the bytes come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.debian import LOCK, PACKAGES, Lock, Package, fetch
from samples.databases.oci_artifact import Served
from tests.kit.loopback import LoopbackServer, serving

TAKEN = "20261126T082041Z"
CONTENT = b"a package"
ONE = Package(hashlib.sha256(CONTENT).hexdigest(), "debian/pool/main/n/netbase/netbase_6.5_all.deb")
DATED = f"/debian/{TAKEN}/pool/main/n/netbase/netbase_6.5_all.deb"


def test_the_lock_holds_the_packages_and_no_other() -> None:
    text = LOCK.read_text()
    lock = Lock.parse(text)
    assert lock.text() == text
    assert {package.file.partition("_")[0] for package in lock.packages} == set(PACKAGES)


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"{'0' * 63}  debian/pool/a.deb",
        f"{'0' * 64}  https://elsewhere.test/pool/a.deb",
        f"{'0' * 64}  debian/pool/a.deb extra",
        f"{'0' * 64}  ../pool/a.deb",
        f"{'0' * 64}  debian/pool/a.tar",
    ],
)
def test_what_is_no_lock(line: str) -> None:
    with pytest.raises(SystemExit, match="is no lock"):
        Lock.parse(f"taken {TAKEN}\n{line}\n")


def test_a_lock_without_its_time_is_none() -> None:
    with pytest.raises(SystemExit, match="is no lock"):
        Lock.parse(f"{ONE.sha256}  {ONE.path}\n")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving({}) as server:
        yield server


def put(server: LoopbackServer, path: str, content: bytes) -> None:
    server.paths = {**server.paths, path: Served("application/octet-stream", content)}


def places(server: LoopbackServer) -> tuple[str, str]:
    return f"http://{server.host}", f"http://{server.host}/snapshot"


def test_the_mirror_is_asked_first(server: LoopbackServer) -> None:
    put(server, f"/{ONE.path}", CONTENT)
    assert fetch(ONE, TAKEN, places(server)) == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [None, b"other bytes"])
def test_the_archive_of_all_versions_has_what_the_mirror_has_not(
    server: LoopbackServer, content: bytes | None
) -> None:
    if content is not None:
        put(server, f"/{ONE.path}", content)
    put(server, f"/snapshot{DATED}", CONTENT)
    assert fetch(ONE, TAKEN, places(server)) == CONTENT


def test_nothing_else_is_taken(server: LoopbackServer) -> None:
    put(server, f"/snapshot{DATED}", b"other bytes")
    with pytest.raises(SystemExit) as ended:
        fetch(ONE, TAKEN, places(server))
    assert "404" in str(ended.value)
    assert "other bytes than the lock names" in str(ended.value)
    assert "make container-lock" in str(ended.value)


def test_the_image_has_no_step_that_runs_or_fetches() -> None:
    lines = (Path(LOCK).parent / "Containerfile").read_text().splitlines()
    keywords = {line.split()[0] for line in lines if line and not line.startswith(("#", " "))}
    assert keywords == {"FROM", "ARG", "LABEL", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT"}
    assert [line for line in lines if line.startswith("FROM")] == ["FROM scratch"]
