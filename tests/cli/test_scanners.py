"""`image-gate scanners`: what is known, what a program is, and installing one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gate.cli.exits import Exit, run
from gate.scanners import approval, trivy
from tests.scanners.test_install import PROGRAM, RELEASE, sha256

POLICY = "schema: 1\nextends: baseline\nscanners: {{approved: listed, {0}}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH, a cache folder of our own, and a machine that the table knows."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.chdir(tmp_path)


def program(path: Path, content: bytes = PROGRAM) -> str:
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


def policy(tmp_path: Path, text: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.format(text))
    return str(path)


def test_list_says_what_is_known_and_what_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["scanners", "list"]) is Exit.PASS
    out = capfd.readouterr().out
    assert "  trivy 0.76.0  linux/amd64    digest of program and archive\n" in out
    assert "  grype: no digest of a release for linux/amd64 was seen, so none is approved\n" in out
    assert "  trivy 0.69.4  2026-03-20  " in out
    assert out.endswith("installed\n  trivy is not installed\n  grype is not installed\n")


def test_list_shows_what_is_installed_and_what_the_policy_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path / "trivy")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = policy(tmp_path, f"programs: ['{sha256(PROGRAM)}'], refused: [grype 0.111.0]")
    assert run(["scanners", "list", "--policy", told]) is Exit.PASS
    out = capfd.readouterr().out
    assert f"  {path}  approved: the policy lists it under scanners.programs\n" in out
    assert "  grype 0.111.0  by the policy\n" in out


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [(PROGRAM, Exit.NO_VERDICT, "unknown"), (trivy.REQUIREMENT.mark + b"0.69.6\n", Exit.FAIL, "refused")],
)
def test_verify_says_what_a_program_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, code: Exit, word: str
) -> None:
    path = program(tmp_path / "some-scanner", content)
    assert run(["scanners", "verify", path]) is code
    out = capfd.readouterr().out
    assert out.startswith(f"{word}: {path}\n")
    assert out.endswith(f"  sha256:{hashlib.sha256(content).hexdigest()}\n")


def test_verify_by_policy_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path / "grype", b"#!/bin/sh\n")
    told = policy(tmp_path, f"programs: ['{sha256(b'#!/bin/sh' + bytes([10]))}']")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("grype", path):
        assert run(["scanners", "verify", name, "--policy", told]) is Exit.PASS
        assert capfd.readouterr().out.startswith(f"approved: {path}\n")


def test_verify_without_a_program(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["scanners", "verify", "trivy"]) is Exit.NO_VERDICT
    assert "trivy is not installed" in capfd.readouterr().err
    assert run(["scanners", "verify", str(tmp_path / "nothing")]) is Exit.WRONG_REQUEST
    assert run(["scanners", "verify", program(tmp_path / "tool", b"#!/bin/sh\n")]) is Exit.WRONG_REQUEST
    assert "cannot be told which scanner" in capfd.readouterr().err


def test_install_and_use(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.tar.gz").write_bytes(RELEASE)
    told = policy(tmp_path, f"programs: ['{sha256(RELEASE)}']")
    asked = ["scanners", "install", "trivy@v0.76.0", "--from", "file.tar.gz", "--policy", told]
    assert run(asked) is Exit.PASS
    target = tmp_path / "cache" / "image-gate" / "bin" / "trivy"
    out = capfd.readouterr().out
    assert out.startswith(f"installed {target}\n  its archive is approved;")
    assert sha256(PROGRAM) in out
    assert target.read_bytes() == PROGRAM
    assert run([*asked, "--to", str(tmp_path / "own")]) is Exit.PASS
    assert (tmp_path / "own" / "trivy").read_bytes() == PROGRAM
    assert run(["scanners", "list"]) is Exit.PASS
    assert f"  {target}  unknown: " in capfd.readouterr().out


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        ("syft", Exit.WRONG_REQUEST, "is no scanner"),
        ("trivy@", Exit.WRONG_REQUEST, "is no scanner"),
        ("trivy@0.69.5", Exit.NO_VERDICT, "carried code that steals credentials"),
        ("trivy@0.1.0", Exit.NO_VERDICT, "older than 0.70.0"),
        ("grype", Exit.WRONG_REQUEST, "has no digest of grype"),
    ],
)
def test_what_is_not_installed(
    capfd: pytest.CaptureFixture[str], asked: str, code: Exit, reason: str
) -> None:
    assert run(["scanners", "install", asked]) is code
    assert reason in capfd.readouterr().err


def test_a_known_program_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path / "unnamed", b"#!/bin/sh\n")
    table = approval.shipped()
    entry = table.find("trivy", "linux/amd64")
    assert entry is not None
    from msgspec.structs import replace

    known = replace(table, releases=(replace(entry, program=sha256(b"#!/bin/sh\n")),))
    monkeypatch.setattr(approval, "shipped", lambda: known)
    assert run(["scanners", "verify", path]) is Exit.PASS
    assert "trivy 0.76.0 for linux/amd64" in capfd.readouterr().out
