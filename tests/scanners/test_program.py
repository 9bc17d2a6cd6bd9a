"""Which program a scanner is: found, hashed, and refused before it runs where its bytes say that it must be."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.scanners import program
from gate.scanners.program import FileIdentity, Program, Requirement, check_version, find, sha256_of

WANTED = Requirement(
    "tool",
    minimum=(0, 70, 0),
    install="install it",
    mark=b"version/app.ver=",
    refused={(0, 71, 4): "it steals"},
)


def write(path: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_given_program_is_hashed(tmp_path: Path) -> None:
    content = b"#!/bin/sh\nexit\n"
    path = write(tmp_path / "tool", content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert find(WANTED, str(path)) == Program(str(path), digest, identity=FileIdentity.of(path))


def test_it_is_looked_up_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "bin" / "tool")
    monkeypatch.setenv("PATH", f"/nowhere{os.pathsep}{path.parent}")
    assert find(WANTED, None).path == str(path)


@pytest.mark.parametrize("entry", [".", "", "bin"])
def test_a_program_in_the_checkout_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    write(tmp_path / "tool")
    write(tmp_path / "bin" / "tool")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", entry)
    with pytest.raises(Unavailable, match="tool is not installed") as caught:
        find(WANTED, None)
    assert caught.value.hint == "install it, or name it with --tool PATH"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        find(WANTED, str(tmp_path / "tool"))


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read: Is a directory"):
        find(WANTED, str(tmp_path))


def test_a_file_that_may_not_be_executed_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is not a program that you may execute"):
        find(WANTED, str(write(tmp_path / "tool", mode=0o644)))


@pytest.mark.parametrize("position", [0, 1, 100, (1 << 20) - 16, (1 << 20) - 3, 1 << 20, 3 << 20])
def test_a_refused_version_is_read_in_the_bytes(tmp_path: Path, position: int) -> None:
    content = b"\0" * position + b"version/app.ver=0.71.4\0" + b"\0" * 100
    with pytest.raises(Unavailable, match=r"tool 0\.71\.4 is refused: it steals") as caught:
        find(WANTED, str(write(tmp_path / "tool", content)))
    assert "credentials as stolen" in caught.value.hint


def test_a_version_that_is_allowed_passes(tmp_path: Path) -> None:
    find(WANTED, str(write(tmp_path / "tool", b"version/app.ver=0.71.5\0")))


def test_a_mark_without_a_version_says_nothing(tmp_path: Path) -> None:
    find(WANTED, str(write(tmp_path / "tool", b"version/app.ver=\0")))


def test_a_replaced_program_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "tool", b"one")
    first = find(WANTED, str(path)).digest
    write(tmp_path / "other", b"two").replace(path)
    assert find(WANTED, str(path)).digest != first


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b"content")
    identity = FileIdentity.of(path)
    assert sha256_of(path, identity) == f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    hits = program._read.cache_info().hits
    sha256_of(path, identity)
    assert program._read.cache_info().hits == hits + 1


def test_a_program_is_read_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "tool", b"#!/bin/sh\nversion/app.ver=0.71.4\n")
    memory = ScanStore(tmp_path / "scans", b"k" * 32)
    time.sleep(0.06)
    with pytest.raises(Unavailable, match="it steals"):
        find(WANTED, str(path), memory)
    monkeypatch.setattr(program, "_read", None)  # what reads it is not called
    with pytest.raises(Unavailable, match="it steals"):
        find(WANTED, str(path), memory)


def test_a_program_that_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "tool", b"#!/bin/sh\nA")
    memory = ScanStore(tmp_path / "scans", b"k" * 32)
    time.sleep(0.06)
    state, first = path.stat(), find(WANTED, str(path), memory)
    assert find(WANTED, str(path), memory) == first
    path.write_bytes(b"#!/bin/sh\nB")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert find(WANTED, str(path), memory).digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert list((tmp_path / "scans").iterdir()) != []


def test_a_program_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "tool")
    find(WANTED, str(path), ScanStore(tmp_path / "scans", b"k" * 32))
    assert not (tmp_path / "scans").exists()


def test_a_file_that_changes_while_it_is_read_has_no_digest(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b"content")
    identity = FileIdentity.of(path)
    path.write_bytes(b"changed!")
    with pytest.raises(OSError, match="it was changed while it was read"):
        sha256_of(path, identity)


@pytest.mark.parametrize("version", ["0.70.0", "v0.70.0", "0.76.0", "1.0.0", "0.71.0-rc1", "0.71.0+dirty"])
def test_versions_that_are_new_enough(version: str) -> None:
    check_version(WANTED, version)


@pytest.mark.parametrize("version", ["0.69.9", "0.9.99", "0.0.0"])
def test_versions_that_are_too_old(version: str) -> None:
    with pytest.raises(Unavailable, match=f"tool {version} is older than 0.70.0"):
        check_version(WANTED, version)


@pytest.mark.parametrize("version", ["", "dev", "[not provided]", "0.70", "0.70.0\n", "٠.٧٠.٠", "9" * 100])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(Unavailable, match="it is not known what it can do"):
        check_version(WANTED, version)


@pytest.mark.parametrize("version", ["0.71.4", "v0.71.4", "0.71.4-1"])
def test_a_refused_version_in_every_spelling(version: str) -> None:
    with pytest.raises(Unavailable, match="is refused: it steals"):
        check_version(WANTED, version)
