"""`docker gate`: the plug-in as Docker calls it, and as the real client of Docker runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gate import __version__

PLUGIN = Path(sys.executable).parent / "docker-gate"


def ran(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_tells_docker_what_it_is() -> None:
    done = ran(PLUGIN, "docker-cli-plugin-metadata")
    said = json.loads(done.stdout)
    assert said.keys() == {"SchemaVersion", "Vendor", "Version", "ShortDescription"}
    assert said["Version"] == __version__


@pytest.mark.parametrize("arguments", [["gate", "--version"], ["gate", "policy", "validate", "strict"]])
def test_it_passes_on_what_follows_its_name(arguments: list[str]) -> None:
    done, direct = ran(PLUGIN, *arguments), ran(PLUGIN.with_name("image-gate"), *arguments[1:])
    assert (done.returncode, done.stdout) == (0, direct.stdout)


def test_help_is_that_of_the_command() -> None:
    assert ran(PLUGIN, "help", "gate", "check").stdout == ran(PLUGIN, "gate", "check", "--help").stdout


@pytest.mark.parametrize(
    "arguments", [[], ["--host", "gate", "gate", "--version"], ["check"], ["-D", "gate"]]
)
def test_anything_else_is_a_wrong_request(arguments: list[str]) -> None:
    done = ran(PLUGIN, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "DOCKER_HOST" in done.stderr


@pytest.mark.real
def test_docker_runs_it_and_keeps_its_exit_code(debian_servers: Path, tmp_path: Path) -> None:
    (tmp_path / "cli-plugins").mkdir()
    (tmp_path / "cli-plugins/docker-gate").symlink_to(PLUGIN)
    (tmp_path / "policy.yaml").write_text("schema: 2\n")
    docker, settings = debian_servers / "usr/bin/docker", {"DOCKER_CONFIG": str(tmp_path)}
    assert ran(docker, "gate", "--version", **settings).stdout == f"image-gate {__version__}\n"
    assert "gate*" in ran(docker, "--help", **settings).stdout
    codes = [
        ran(docker, "gate", *arguments, **settings).returncode
        for arguments in (
            ("policy", "validate", "strict"),
            ("policy", "validate", str(tmp_path / "policy.yaml")),
            ("check", "docker-daemon:none:1", "--timeout", "1s"),
        )
    ]
    assert codes == [0, 2, 3]
    assert "Usage: image-gate check" in ran(docker, "gate", "check", "--help", **settings).stdout
    assert "Usage: image-gate check" in ran(docker, "help", "gate", "check", **settings).stdout
