"""The official image: Docker's classic builder makes it without network, it passes the strict policy, and it works."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from container import prepare
from gate import __version__
from samples.databases.advisories import Advisory, Affected, Range, load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory
from tests.conftest import Tools

pytestmark = pytest.mark.real

NAME = f"registry.example.com/tools/image-gate:{__version__}"
POLICY = Path(prepare.__file__).parent / "policy.yaml"
Docker = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def docker(debian_servers: Path, docker_engine_address: str) -> Docker:
    """The client of Docker, with the builder that has no BuildKit."""
    environment = {**os.environ, "DOCKER_HOST": docker_engine_address, "DOCKER_BUILDKIT": "0"}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [debian_servers / "usr/bin/docker", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def built(
    docker: Docker,
    tools: Tools,
    trivy_binary: Path,
    grype_binary: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The image in the engine, made of what the locks name and the real scanners."""
    folder = tmp_path_factory.mktemp("official") / "context"
    scanners = [
        f"{name}={path}@{digest(path)}" for name, path in (("trivy", trivy_binary), ("grype", grype_binary))
    ]
    prepare.context(folder, tools.path("container_base"), scanners)
    values = {"VERSION": __version__, "SOURCE": "https://example.com/image-gate"}
    arguments = [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]
    done = docker(
        "build", "--network", "none", "--tag", NAME, *arguments, "--file", folder / "Containerfile", folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return NAME


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def about(package: str, fixed: str) -> Advisory:
    """An advisory of Debian 13 about all versions of a source package before `fixed`."""
    affected = Affected("debian", package, (Range(fixed=fixed),), release="13", severity="high")
    return Advisory("CVE-2026-99999", (affected,), ("debian-tracker",), severity="high")


def databases(folder: Path, *more: Advisory) -> list[str]:
    """Write both databases with further advisories; returns the options that name them."""
    now = datetime.now(UTC)
    advisories = [
        dataclasses.replace(one, published=now.isoformat()) if one in more else one
        for one in (*load(), *more)
    ]
    write_trivy_database(folder / "trivy", advisories, now)
    write_grype_database(folder / "grype", advisories, now)
    return ["--trivy-cache", f"{folder}/trivy", "--grype-db", f"{folder}/grype", "--offline"]


def checked(engine: str, scanners: Sequence[str], folder: Path) -> dict[str, Any]:
    """Judge the image under its own policy."""
    command = [sys.executable, "-m", "gate", "check", f"docker-daemon:{NAME}", "--policy", str(POLICY)]
    command += ["--format", "json", "--cache-dir", str(folder / "cache"), *scanners]
    environment = {**os.environ, "DOCKER_HOST": engine}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_it_passes_its_own_policy(
    built: str, docker_engine_address: str, trivy_binary: Path, grype_binary: Path, tmp_path: Path
) -> None:
    """And the scanners see its packages: an advisory about one of them makes it fail."""
    programs = ["--trivy", str(trivy_binary), "--grype", str(grype_binary)]
    none = databases(tmp_path / "none", about("zlib", "1:1.0"))
    report = checked(docker_engine_address, [*programs, *none], tmp_path)
    (verdict,) = report["verdicts"]
    outcomes = {result["rule"]: result["outcome"] for result in verdict["results"]}
    assert report["status"] == "pass", outcomes
    assert {"no-shell", "no-package-manager", "non-root", "vulnerabilities", "scan-coverage"} <= set(outcomes)
    assert set(outcomes.values()) == {"pass"}
    found = databases(tmp_path / "found", about("zlib", "1:99"))
    report = checked(docker_engine_address, [*programs, *found], tmp_path)
    failed = [result["rule"] for result in report["verdicts"][0]["results"] if result["outcome"] == "fail"]
    assert (report["status"], failed) == ("fail", ["vulnerabilities"])


def test_it_judges_images_as_it_is_meant_to_run(built: str, docker: Docker, tmp_path: Path) -> None:
    """Without network, privileges, and a place to write but for its cache; with the scanners that are in it."""
    write_directory(oci_layout({"registry.example.com/a:1": good(datetime.now(UTC))}), tmp_path / "good")
    write_directory(oci_layout({"registry.example.com/a:1": bad(datetime.now(UTC))}), tmp_path / "bad")
    databases(tmp_path)
    subprocess.run(["chmod", "-R", "a+rX", tmp_path], check=True)
    confined = [
        *("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp", "--volume", f"{tmp_path}:/work:ro"),
        *("--tmpfs", "/home/nonroot/.cache:uid=65532,gid=65532"),
    ]
    options = ["--trivy-cache", "/work/trivy", "--grype-db", "/work/grype", "--offline", "--format", "json"]
    for name, code, expected in (("good", 0, "pass"), ("bad", 1, "fail")):
        done = docker(*confined, built, "check", f"oci:/work/{name}", *options)
        assert done.returncode == code, done.stdout[-2000:] + done.stderr
        (verdict,) = json.loads(done.stdout)["verdicts"]
        outcomes = {result["rule"]: result["outcome"] for result in verdict["results"]}
        assert outcomes["vulnerabilities"] == expected, "the scanners in the image saw it"
    pipeline = docker(*confined, built, "init", "/work", "--ci", "gitlab", "--dry-run")
    assert "component:" in pipeline.stdout, "what is no module is in the wheel as well"
    assert docker(*confined, built, "--version").stdout == f"image-gate {__version__}\n"


def test_it_says_what_it_was_made_of(built: str, docker: Docker, trivy_binary: Path, tmp_path: Path) -> None:
    name = docker("create", built).stdout.strip()
    assert docker("cp", f"{name}:/{prepare.CONTENTS}", tmp_path / "contents.json").returncode == 0
    docker("rm", name)
    told = json.loads((tmp_path / "contents.json").read_text())
    assert told["scanners"]["trivy"] == digest(trivy_binary)
    assert set(told["locks"]) == {"packages.lock", "runtime.txt"}
