"""A project that includes the GitLab component, and `gitlab-ci-local`, which runs its pipeline on this machine.

The component is a git repository with a tag, as GitLab's catalogue has it; git is told to fetch it from a folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kit.act import ROOT, commit

ADDRESS = "https://gitlab.com/acme/image-gate.git"
PIPELINE = """\
stages: [test, deploy]
include:
  - component: $CI_SERVER_FQDN/acme/image-gate/check@1.0.0
    inputs:
INPUTS
after:
  stage: test
  needs: [image-gate-scan]
  script:
    - echo "told $IMAGE_GATE_VERDICT $IMAGE_GATE_EXIT_CODE $IMAGE_GATE_FAILED_RULES"
deploy:
  stage: deploy
  script:
    - echo "deploying"
"""
"""As users write it, with a job that reads what the component told, and one that the gate must keep from running."""


@dataclass(frozen=True)
class Ran:
    """What a pipeline came to: its log, and each job's result by name; a job that did not run has none."""

    passed: bool
    log: str
    jobs: Mapping[str, str]


class Pipelines:
    """`gitlab-ci-local` with a home of its own, and the component's repository."""

    def __init__(self, node: Path, program: Path, folder: Path, path: str) -> None:
        self._command = [str(node), str(program), "--force-shell-executor", "--shell-isolation"]
        self._home = folder / "home"
        self._home.mkdir()
        self._component = folder / "component"
        self._path = path
        shutil.copytree(ROOT / "gitlab", self._component)
        commit(self._component)
        subprocess.run(["git", "-C", str(self._component), "tag", "1.0.0"], check=True)

    def run(self, project: Path, **variables: str) -> Ran:
        """Run the pipeline of a project with further variables."""
        commit(project)
        remote = ["git", "-C", str(project), "remote", "add", "origin", "https://gitlab.com/acme/shop.git"]
        subprocess.run(remote, check=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IMAGE_GATE_")},
            "PATH": self._path,
            "HOME": str(self._home),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self._component.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS,
        }
        given = [part for name, value in variables.items() for part in ("--variable", f"{name}={value}")]
        done = subprocess.run(
            [*self._command, *given],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        log = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        jobs = re.findall(r"^ (PASS|WARN|FAIL) +(\S+)", log, re.MULTILINE)
        return Ran(done.returncode == 0, log, {name: result for result, name in jobs})


def write_pipeline(project: Path, inputs: Mapping[str, str]) -> None:
    """Write the pipeline of a project that gives the component these inputs."""
    lines = "\n".join(f"      {name}: '{value}'" for name, value in inputs.items())
    (project / ".gitlab-ci.yml").write_text(PIPELINE.replace("INPUTS", lines))
