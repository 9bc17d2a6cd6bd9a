"""The real tools are the ones the project states: what the other tests show holds for these."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import Tools

pytestmark = pytest.mark.real


def output(*command: str | Path) -> str:
    """Run a command and return what it printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_trivy_is_the_locked_one_where_there_is_one(trivy_binary: Path) -> None:
    version = json.loads(output(trivy_binary, "version", "--format", "json"))["Version"]
    assert version == "0.76.0" or not trivy_binary.is_relative_to(sys.prefix)


def test_grype_says_its_version(grype_binary: Path) -> None:
    assert json.loads(output(grype_binary, "version", "-o", "json"))["version"] == "0.121.2"


def test_the_static_program_needs_nothing(static_program: Path) -> None:
    assert output("env", "-i", static_program) == "hello\n"


def test_the_debian_root_has_a_package_manager_and_shells(debian_root: Path) -> None:
    with tarfile.open(debian_root) as root:
        names = set(root.getnames())
    assert {"./usr/bin/apt", "./usr/bin/bash", "./usr/bin/dash", "./var/lib/dpkg/status"} <= names


def test_the_debian_image_is_what_two_other_tools_made_of_it(
    debian_layout: Path, debian_archive: Path
) -> None:
    assert len(json.loads((debian_layout / "index.json").read_text())["manifests"]) == 1
    with tarfile.open(debian_archive) as archive:
        assert "manifest.json" in archive.getnames()


def test_the_debian_programs_are_programs(debian_programs: Mapping[str, Path]) -> None:
    wanted = {
        "apt",
        "bash",
        "bash-static",
        "busybox",
        "dash",
        "dpkg",
        "ksh93",
        "mksh",
        "rpm",
        "toybox",
        "zsh",
    }
    assert wanted <= set(debian_programs)
    assert {debian_programs[name].read_bytes()[:4] for name in wanted} == {b"\x7fELF"}


def test_the_servers_are_unpacked_and_not_installed(debian_servers: Path) -> None:
    """Their services would start at once, and listen on all addresses."""
    for name in ("dockerd", "containerd", "runc", "docker-registry"):
        assert [
            path for path in debian_servers.glob(f"usr/*bin/{name}") if path.read_bytes()[:4] == b"\x7fELF"
        ], name


def test_the_referrers_registry_ends_with_its_input(tools: Tools) -> None:
    done = subprocess.run(
        [tools.path("referrers_registry")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("name", "version"), [("act", "0.2.89"), ("zizmor", "1.32.0"), ("actionlint", "1.7.12")]
)
def test_what_runs_and_checks_actions_says_its_version(tools: Tools, name: str, version: str) -> None:
    assert version in output(tools.path(name), "--version")


def test_what_runs_pipelines_says_its_version(tools: Tools) -> None:
    assert "4.75.1" in output(tools.path("node"), tools.path("gitlab_ci_local"), "--version")
