"""What a repository shows of itself: its Dockerfile, CI system and image, and nothing that could be code elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.starting.files import first_files
from gate.starting.repository import SIGNS, Repository, look


def put(root: Path, name: str, text: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def remote(root: Path, url: str) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    subprocess.run(["git", "-C", root, "remote", "add", "origin", url], check=True)


def test_an_empty_folder_shows_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == Repository()


def test_a_usual_repository(tmp_path: Path) -> None:
    put(tmp_path, "Dockerfile", "FROM golang:1.26 AS build\nFROM debian:12-slim\nCOPY --from=build /x /x\n")
    remote(tmp_path, "git@github.com:Acme/Shop-API.git")
    bases = ("docker.io/library/debian:12-slim",)
    assert look(tmp_path) == Repository("Dockerfile", bases, "github", "ghcr.io/acme/shop-api")


@pytest.mark.parametrize(
    ("url", "ci", "image"),
    [
        ("https://github.com/acme/shop", "github", "ghcr.io/acme/shop"),
        ("https://token:secret@github.com/acme/shop.git/", "github", "ghcr.io/acme/shop"),
        ("ssh://git@github.com:22/acme/shop.git", "github", "ghcr.io/acme/shop"),
        ("https://github.com.evil.test/acme/shop", "", ""),
        ("https://github.com/acme/--", "github", ""),
        ("git@gitlab.com:acme/shop.git", "gitlab", ""),
        ("https://gitlab.example.com/acme/shop.git", "gitlab", ""),
        ("/srv/git/shop.git", "", ""),
        ("https://github.com/$(id)/x", "", ""),
    ],
)
def test_what_the_remote_tells(tmp_path: Path, url: str, ci: str, image: str) -> None:
    remote(tmp_path, url)
    assert look(tmp_path) == Repository(ci=ci, image=image)


@pytest.mark.parametrize(
    ("branch", "expected"), [("trunk", "trunk"), ("release/1", "release/1"), ("a$(id)", "")]
)
def test_the_default_branch_is_what_a_clone_recorded(tmp_path: Path, branch: str, expected: str) -> None:
    remote(tmp_path, "/srv/git/shop.git")
    command = ["git", "-C", str(tmp_path), "symbolic-ref", "refs/remotes/origin/HEAD"]
    subprocess.run([*command, f"refs/remotes/origin/{branch}"], check=True)
    assert look(tmp_path).branch == expected


@pytest.mark.parametrize("ci", SIGNS)
def test_a_ci_system_is_known_by_its_files(tmp_path: Path, ci: str) -> None:
    remote(tmp_path, "https://git.example.com/a/b")
    put(tmp_path, {"github": ".github/workflows/a.yml", "tekton": ".tekton/a.yaml"}.get(ci, SIGNS[ci][0]))
    assert look(tmp_path).ci == ci


@pytest.mark.parametrize(
    ("written", "image"),
    [
        ("docker push ghcr.io/acme/api:$TAG", "ghcr.io/acme/api"),
        ("tags: quay.io/acme/api", "quay.io/acme/api"),
        ("- 123456789012.dkr.ecr.eu-west-1.amazonaws.com/api:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/api"),
        ("'europe-docker.pkg.dev/project/images/api'", "europe-docker.pkg.dev/project/images/api"),
        ("acme.azurecr.io/api@sha256:0", "acme.azurecr.io/api"),
        ("tags: ghcr.io/acme/${{ github.event.name }}", ""),
        ("tags: ghcr.io/${{ github.repository }}", ""),
        ("evil.test/ghcr.io/acme/api", ""),
        ("xghcr.io/acme/api", ""),
    ],
)  # fmt: skip
def test_the_image_that_a_ci_file_pushes(tmp_path: Path, written: str, image: str) -> None:
    put(tmp_path, "azure-pipelines.yml", f"steps:\n  {written}\n")
    assert look(tmp_path).image == image


def test_a_ci_file_that_was_made_to_take_long(tmp_path: Path) -> None:
    put(tmp_path, "Jenkinsfile", f"ghcr.io/{'a' * 500_000}${'-docker.pkg.dev/a' * 20_000}")
    assert look(tmp_path).image == ""


def test_a_dockerfile_elsewhere_and_one_at_the_top_first(tmp_path: Path) -> None:
    put(tmp_path, "api/Dockerfile", "FROM scratch\n")
    assert look(tmp_path).dockerfile == "api/Dockerfile"
    put(tmp_path, "Containerfile", "FROM $BASE\n")
    assert look(tmp_path) == Repository("Containerfile", others=("api/Dockerfile",))


@pytest.mark.parametrize("name", ["$(id)", "a b", "a'b", "${{ x }}", "-f", "a\nb", "ä"])
def test_a_name_that_a_shell_or_runner_could_read_is_left_out(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}/Dockerfile", "FROM scratch\n")
    assert look(tmp_path).dockerfile == ""


@pytest.mark.parametrize("content", ["", "no Dockerfile", "FROM \x1b[2J", "FROM ${{ x }}", 'FROM a"], x: [b'])
def test_a_base_that_is_no_name_is_left_out(tmp_path: Path, content: str) -> None:
    put(tmp_path, "Dockerfile", content)
    assert look(tmp_path) == Repository("Dockerfile")


def test_what_would_wait_for_a_writer_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    for name in ("Dockerfile", "Jenkinsfile", ".github/workflows/a.yml"):
        os.mkfifo(tmp_path / name)
    assert look(tmp_path) == Repository(ci="github")


def test_further_dockerfiles_are_told(tmp_path: Path) -> None:
    for name in ("api/Dockerfile", "web/Dockerfile", "debug.Dockerfile"):
        put(tmp_path, name, "FROM scratch\n")
    found = look(tmp_path)
    assert (found.dockerfile, found.others) == ("debug.Dockerfile", ("api/Dockerfile", "web/Dockerfile"))
    _, workflow = first_files(tmp_path, replace(found, ci="github"), "baseline")
    assert any("built from api/Dockerfile, web/Dockerfile" in one for one in workflow.to_do)
    assert Repository(others=tuple("abcdefg")).further == "a, b, c, d, e, 2 more"
