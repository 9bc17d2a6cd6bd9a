"""Installing on a runner, apart from any action."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.act import ROOT

SCRIPT = ROOT / "actions" / "install.sh"


@pytest.mark.slow
@pytest.mark.real
def test_pip_does_where_there_is_no_uv(tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    done = installed(tmp_path, f"{bin_folder}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "output").read_text()
    program = dict(line.split("=", 1) for line in written.splitlines())["image-gate"]
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("image-gate ")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = installed(tmp_path, f"{tmp_path}:/bin:/usr/bin")
    assert done.returncode == 3
    assert "::error title=image-gate::Python 3.11 or newer is needed" in done.stdout


def installed(folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a runner does, with only these programs."""
    variables = {"PATH": path, "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output")}
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "SSL_"))}
    return subprocess.run(
        ["/bin/bash", str(SCRIPT)],
        env={**kept, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
