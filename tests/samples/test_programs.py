"""The programs made from bytes really run, and carry what they say they carry."""

from __future__ import annotations

import platform
import struct
import subprocess
from pathlib import Path

import pytest

from samples.images.programs import ARM64, GO_MAGIC, X86_64, go_program, static_program
from tests.conftest import Tools

on_linux_amd64 = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="needs Linux on x86-64"
)


@on_linux_amd64
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (static_program("hello"), "hello\n"),
        (static_program("marked", embedded=b"mark" * 900), "marked\n"),
        (go_program({"golang.org/x/net": "v0.16.0"}), "server\n"),
    ],
)
def test_runs(content: bytes, line: str, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    path.chmod(0o755)
    run = subprocess.run([path], capture_output=True, text=True, check=True)
    assert run.stdout == line


def test_machines() -> None:
    for architecture, machine in (("amd64", X86_64), ("arm64", ARM64)):
        assert struct.unpack_from("<H", static_program("x", architecture), 18) == (machine,)


def test_arm64_code_points_at_the_message() -> None:
    content = static_program("hello", "arm64")
    code = content.index(struct.pack("<I", 0xD2800808))
    (adr,) = struct.unpack_from("<I", content, code + 8)
    offset = (adr >> 5 & 0x7FFFF) << 2 | adr >> 29 & 3
    assert content[code + 8 + offset :].startswith(b"hello\n")


def test_embedded_marks_are_in_the_program() -> None:
    assert b"BusyBox v1.36.1" in static_program("x", embedded=b"BusyBox v1.36.1")
    assert GO_MAGIC in go_program({})


@pytest.mark.real
def test_go_reads_the_modules(tools: Tools, tmp_path: Path) -> None:
    """Go's own reader of build information finds every module; long lists have lengths of several bytes."""
    modules = {f"example.com/module{number}": f"v1.{number}.0" for number in range(200)}
    path = tmp_path / "program"
    path.write_bytes(go_program(modules))
    path.chmod(0o755)
    go = tools.path("go")
    listed = subprocess.run([go, "version", "-m", path], capture_output=True, text=True, check=True).stdout
    assert "go1.21.3" in listed
    assert listed.count("\tdep\t") == 200
