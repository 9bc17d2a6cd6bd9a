"""`image-gate dockerfile`: lines that editors understand, and the exit codes of every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.cli.exits import Exit, run

POLICY = "schema: 1\nrules: {pinned-tag: {}, allowed-registries: {action: warn, registries: [docker.io]}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".image-gate.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)


def test_each_doubt_has_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG TAG=latest\nFROM golang:$TAG AS build\nFROM reg.example.com/b:1\n"
    )
    assert run(["dockerfile"]) is Exit.FAIL
    assert capfd.readouterr().out.splitlines() == [
        "Dockerfile:2: refused: pinned-tag: FROM golang:$TAG: docker.io/library/golang:latest uses the moving tag latest",
        "    → Use a version tag, or better the digest (NAME:TAG@sha256:…), which the report states.",
        "Dockerfile:3: warning: allowed-registries: FROM reg.example.com/b:1: reg.example.com/b:1 is not from an accepted registry; accepted: docker.io",
        "    → Pull the image into an accepted registry and use it from there, or add its registry to the policy.",
        "fail: 2 images named, 1 refused, 1 warning; .image-gate.yaml",
    ]
    assert run(["dockerfile", "--build-arg", "TAG=1.26"]) is Exit.PASS


def test_what_cannot_be_told_is_no_pass(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("FROM $BASE\n")
    assert run(["dockerfile", "a"]) is Exit.NO_VERDICT
    assert "a:1: unknown: pinned-tag: FROM $BASE: the argument BASE has no value" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: it cannot be read: No such file or directory"),
        (["empty"], "empty: it has no FROM"),
        (["--build-arg", "X"], "--build-arg 'X' has no value"),
    ],
)
def test_a_wrong_request(
    tmp_path: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("")
    assert run(["dockerfile", *arguments]) is Exit.WRONG_REQUEST
    assert message in capfd.readouterr().err


def test_hostile_text_stays_on_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a:latest\x1b[2J\u202e\n")
    assert run(["dockerfile"]) is Exit.NO_VERDICT
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
