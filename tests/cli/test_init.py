"""`image-gate init`: looks, tells, writes what is not there, and changes nothing that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.cli.exits import Exit, run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\n")
    (tmp_path / ".github/workflows").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_policy_and_pipeline_once(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--image", "ghcr.io/acme/api"]) is Exit.PASS
    assert capfd.readouterr().out == (
        "Dockerfile Dockerfile\n"
        "built on   docker.io/library/debian:12\n"
        "CI system  github\n"
        "image      ghcr.io/acme/api\n"
        "wrote .image-gate.yaml\n"
        "wrote .github/workflows/image-gate.yml\n"
        "  → put the repository that you take image-gate from, and the full hash of a commit, in the place of OWNER and COMMIT\n"
        "  → bring the policy to main first: a pull request is judged by the policy there, and where there is none by the "
        "profile baseline, which asks for Grype as well\n"
        "next: `image-gate doctor` says what a check needs on this machine, `image-gate check IMAGE` checks one\n"
    )
    assert run(["policy", "validate"]) is Exit.PASS
    before = {name: (here / name).read_bytes() for name in files(here)}
    assert len(before) == 3
    capfd.readouterr()
    assert run(["init", "--profile", "strict"]) is Exit.PASS
    out = capfd.readouterr().out
    assert "kept .image-gate.yaml, which exists\nkept .github/workflows/image-gate.yml, which exists\n" in out
    assert {name: (here / name).read_bytes() for name in files(here)} == before


def test_a_dry_run_prints_and_writes_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--dry-run", "--ci", "gitlab", "--profile", "strict"]) is Exit.PASS
    out = capfd.readouterr().out
    assert "would write .image-gate.yaml\n" in out
    assert "\n    extends: strict\n" in out
    assert "\n    include:\n" in out
    assert files(here) == {"Dockerfile"}


def test_a_link_is_not_written_through(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / ".image-gate.yaml").symlink_to("elsewhere.yaml")
    assert run(["init", "--ci", "none"]) is Exit.PASS
    assert "kept .image-gate.yaml" in capfd.readouterr().out
    assert not (here / "elsewhere.yaml").exists()


def test_another_folder(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    assert run(["init", str(other)]) is Exit.PASS
    assert files(other) == {".image-gate.yaml"}
    assert files(here) == {"Dockerfile"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none is no folder"),
        (["--image", "A b"], "A b"),
        (["--ci", "jenkins"], "'jenkins' is not one of 'github', 'gitlab', 'none'"),
    ],
)
def test_a_wrong_request(
    arguments: list[str], message: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", *arguments]) is Exit.WRONG_REQUEST
    assert message in capfd.readouterr().err
    assert files(here) == {"Dockerfile"}


def test_a_folder_that_cannot_be_made(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / ".gitlab").touch()
    (here / ".gitlab-ci.yml").touch()
    assert run(["init", "--ci", "gitlab"]) is Exit.NO_VERDICT
    assert ".gitlab cannot be made" in capfd.readouterr().err
