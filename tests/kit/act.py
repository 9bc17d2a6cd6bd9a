"""A repository that uses the GitHub action, and `act`, which runs its workflow on this machine as GitHub's runner would.

`act` reads the action from a folder, as if it had fetched the tag; actions of others are stubs, which tell their inputs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CODE = ("actions", "gate", "requirements")
"""What the action needs of a checkout of image-gate."""
ACTION = "acme/image-gate"

WORKFLOW = """\
name: check
on: [push, pull_request]
permissions:
  contents: read
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
        with:
          persist-credentials: false
      - id: gate
        uses: acme/image-gate/actions/check@v1
        with: {}
      - if: always()
        env:
          TOLD: ${{ toJSON(steps.gate.outputs) }}
        run: printf '%s' "$TOLD" > "$TOLD_FILE"
"""
"""As users write it; the last step shows that outputs can be read after the gate was closed."""


@dataclass(frozen=True)
class Ran:
    """What a workflow came to: whether its job passed, the outputs as a later step read them, and what the runner saw."""

    passed: bool
    told: Mapping[str, str]
    events: tuple[Mapping[str, Any], ...]

    def commands(self, name: str) -> list[Mapping[str, Any]]:
        """Return the workflow commands of a kind that the runner took."""
        return [event for event in self.events if event.get("command") == name]

    @property
    def summary(self) -> str:
        """The job's summary."""
        return "".join(event["content"] for event in self.commands("summary"))

    @property
    def log(self) -> str:
        """Everything that was printed."""
        return "\n".join(str(event.get("msg", "")).rstrip("\n") for event in self.events)

    @property
    def failed_steps(self) -> list[str]:
        """The names of the steps that failed, in their order; those of an action before the step that uses it."""
        failed = (event["msg"] for event in self.events if event.get("stepResult") == "failure")
        return [re.sub(r"^.*? - \w+ | \[[^]]*\]$", "", text) for text in failed]


class Runner:
    """`act` in host mode with a home of its own, and the folders that it takes actions from."""

    def __init__(self, act: Path, folder: Path, path: str) -> None:
        self._act = act
        self._home = folder / "home"
        self.action = folder / "action"
        (self._home / "config" / "act").mkdir(parents=True)
        (self._home / "config" / "act" / "actrc").touch()  # act asks a question where there is none
        self._path = path
        for name in CODE:
            shutil.copytree(
                ROOT / name, self.action / name, ignore=shutil.ignore_patterns("__pycache__", ".venv")
            )
        self._maps = {f"{ACTION}@v1": self.action}
        for used in nested(self.action):
            repository, _, inner = used.partition("@")[0].partition("/")
            name = inner.partition("/")[0]
            stub = folder / "stubs" / repository / name
            write_stub(stub / used.partition("@")[0].removeprefix(f"{repository}/{name}").lstrip("/"))
            self._maps[f"{repository}/{name}@{used.partition('@')[2]}"] = stub

    def run(self, consumer: Path, *arguments: str) -> Ran:
        """Run the workflow of a repository for a push, or for the event that `arguments` name."""
        command = [
            str(self._act),
            *(arguments or ("push",)),
            "--json",
            "--defaultbranch",
            "main",
            "-C",
            str(consumer),
        ]
        command += ["-P", "ubuntu-latest=-self-hosted", "--env", f"UV_CACHE_DIR={_uv_cache()}"]
        for reference, folder in self._maps.items():
            command += ["--local-repository", f"{reference}={folder}"]
        homes = {
            "HOME": self._home,
            "XDG_CACHE_HOME": self._home / "cache",
            "XDG_CONFIG_HOME": self._home / "config",
        }
        environment = {
            **os.environ,
            **{name: str(place) for name, place in homes.items()},
            "PATH": self._path,
        }
        told = consumer.parent / "told.json"
        told.unlink(missing_ok=True)
        command += ["--env", f"TOLD_FILE={told}"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        events = tuple(json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        read = json.loads(told.read_text()) if told.exists() else {}
        return Ran(done.returncode == 0, read, events)


def nested(action: Path) -> list[str]:
    """Return the actions of others that ours use."""
    steps = YAML(typ="safe").load(action / "actions" / "check" / "action.yml")["runs"]["steps"]
    return [str(step["uses"]) for step in steps if "uses" in step]


def write_stub(folder: Path) -> None:
    """Write an action that says its inputs."""
    folder.mkdir(parents=True)
    inputs = {
        name: {"description": name} for name in ("path", "key", "restore-keys", "sarif_file", "category")
    }
    run = {
        "shell": "bash",
        "env": {"GIVEN": "${{ toJSON(inputs) }}"},
        "run": 'printf "%s" "$GIVEN" | tr -d "\\n"',
    }
    action = {"name": "stub", "description": "stub", "inputs": inputs}
    (folder / "action.yml").write_text(json.dumps({**action, "runs": {"using": "composite", "steps": [run]}}))


def write_workflow(
    consumer: Path, inputs: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> None:
    """Write the workflow of a repository that gives the action these inputs, and its job these variables."""
    path = consumer / ".github" / "workflows" / "check.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = WORKFLOW.replace("with: {}", f"with: {json.dumps(dict(inputs))}")
    path.write_text(f"{text}env: {json.dumps(dict(variables or {}))}\n")


def commit(repository: Path) -> None:
    """Make a repository of a folder, or add what changed: act reads names and commits from it."""
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), (*author, "commit", "-qm", "A change")):
        subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True)


def _uv_cache() -> Path:
    """Where wheels are kept between runs, so that one run takes a second and no network."""
    base = os.environ.get("IMAGE_GATE_DEV_CACHE") or Path.home() / ".cache" / "image-gate-dev"
    return Path(base, "uv")
