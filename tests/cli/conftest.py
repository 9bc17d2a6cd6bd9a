"""The program as users run it, and images to run it on."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.cli.exits import run as run_program
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory

Ran = subprocess.CompletedProcess[str]
Program = Callable[..., Ran]

POLICY = """\
schema: 1
scanners: {required: [trivy]}
rules: {no-shell: {}, non-root: {}, max-age: {days: 90}, required-labels: {action: warn}}
"""


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without anything that changes what the program does, and with `variables`."""
    dropped = ("IMAGE_GATE_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "CI", "GITHUB_", "GITLAB_", "_IMAGE_GATE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **variables}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes; what was meant for it fails as on a full disk (Python ignores SIGXFSZ)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the images `good` and `bad` and the policy `policy.yaml`, which needs no scanner."""
    now = datetime.now(UTC).replace(microsecond=0)
    for name, build in (("good", good), ("bad", bad)):
        write_directory(oci_layout({"": build(now)}), tmp_path / name)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run `image-gate` with arguments in `tmp_path`, in a process of its own: for what only a process shows, and once a command.

    Its caches and temporary files lie in folders of their own there.
    """

    def run(*arguments: str, variables: Mapping[str, str] | None = None, **settings: object) -> Ran:
        temporary, cache = tmp_path / "tmp", tmp_path / "cache"
        temporary.mkdir(exist_ok=True)
        environment = clean_environment(TMPDIR=str(temporary), XDG_CACHE_HOME=str(cache), **(variables or {}))
        options = {"capture_output": True, "text": True, "timeout": 120} | settings
        command = [sys.executable, "-m", "gate", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Program:
    """The same as `program` without a process for each call, which takes many times as long."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - clean_environment().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str, variables: Mapping[str, str] | None = None) -> Ran:
        capfd.readouterr()
        stdout = os.dup(sys.stdout.fileno())  # which the program points nowhere when it fails
        with pytest.MonkeyPatch.context() as own:
            for name, value in (variables or {}).items():
                own.setenv(name, value)
            code = run_program(arguments)
        os.dup2(stdout, sys.stdout.fileno())
        os.close(stdout)
        return subprocess.CompletedProcess(arguments, code.value, *capfd.readouterr())

    return run
