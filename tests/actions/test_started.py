"""What `image-gate init` writes for GitHub comes to a verdict: the image is built by a real engine, and judged from there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gate.starting.files import first_files
from gate.starting.repository import look
from tests.conftest import Tools
from tests.kit.act import Runner, commit

pytestmark = pytest.mark.real

DOCKERFILE = """\
FROM scratch
COPY data /data
USER 65532:65532
"""


@pytest.fixture
def started(tmp_path: Path, trivy_cache: Path) -> Path:
    """A repository with the first files, the placeholders filled in, and without a network."""
    folder = tmp_path / "api"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "data").write_text("one\n")
    commit(folder)
    remote = ["git", "-C", str(folder), "remote", "add", "origin", "https://github.com/acme/api.git"]
    subprocess.run(remote, check=True)
    for file in first_files(folder, look(folder), "baseline"):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        text = file.text.replace("OWNER/", "acme/").replace("@COMMIT", "@v1")
        closed = f'{{trivy-cache: "{trivy_cache}", offline: true, '
        (folder / file.path).write_text(
            text.replace(
                "with:\n          image: docker-daemon:${{ env.IMAGE }}\n          dockerfile: Dockerfile",
                f"with: {closed}image: 'docker-daemon:${{{{ env.IMAGE }}}}', dockerfile: Dockerfile}}",
            )
        )
    return folder


def test_the_first_run_has_a_verdict(
    tools: Tools,
    runner_path: str,
    started: Path,
    debian_servers: Path,
    docker_engine_address: str,
    tmp_path: Path,
) -> None:
    path = os.pathsep.join((runner_path, str(debian_servers / "usr" / "bin")))
    runner = Runner(tools.path("act"), tmp_path / "runner", path)
    engine = ("push", "--env", f"DOCKER_HOST={docker_engine_address}", "--env", "DOCKER_BUILDKIT=0")
    commit(started)
    ran = runner.run(started, *engine)
    assert ran.passed, ran.log
    assert "✅ image-gate: `docker-daemon:ghcr.io/acme/api:" in ran.summary
    (started / "Dockerfile").write_text(DOCKERFILE.replace("65532:65532", "root"))
    commit(started)
    ran = runner.run(started, *engine)
    assert not ran.passed
    assert ran.failed_steps[0] == "The gate"
    (error,) = ran.commands("error")
    assert "non-root" in error["kvPairs"]["title"]
    assert (error["kvPairs"]["file"], error["kvPairs"]["line"]) == ("Dockerfile", "3")
