from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.sources.file import HostFile


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    with HostFile(str(tmp_path / "a")) as file:
        assert file.regular
        assert (file.read(2), file.read(), file.read()) == (b"he", b"llo", b"")
        assert not os.get_inheritable(file.fileno())


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with HostFile(str(tmp_path / "pipe")) as file:
        assert not file.regular
    with HostFile(os.devnull) as file:
        assert not file.regular


@pytest.mark.parametrize("name", ["nowhere", ".", "a/b"])
def test_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError):
        HostFile(str(tmp_path / name))


def test_a_read_that_fails_is_unavailable() -> None:
    """Address 0 of a process is not mapped: reading it is an input/output error, as of a broken disk."""
    with HostFile("/proc/self/mem") as file:
        assert file.regular
        with pytest.raises(Unavailable, match="'/proc/self/mem' cannot be read: Input/output error"):
            file.read(1)
