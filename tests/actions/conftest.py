"""A runner, and a repository with images of both kinds, a Dockerfile and the policy of the demo."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Tools
from tests.kit.act import Ran, Runner, commit, write_workflow
from tests.kit.consumer import write_consumer


@pytest.fixture(scope="session")
def runner(tools: Tools, trivy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """`act`, with the real Trivy on the runner's PATH, and uv to install with."""
    act = tools.path("act")
    path = os.pathsep.join((str(trivy_binary.parent), str(act.parent), os.environ["PATH"]))
    return Runner(act, tmp_path_factory.mktemp("runner"), path)


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """A repository that uses the action."""
    return write_consumer(tmp_path / "consumer")


@pytest.fixture
def checked(runner: Runner, consumer: Path, trivy_cache: Path) -> Callable[..., Ran]:
    """Run the action on an image of the repository, with further inputs."""

    def check(image: str, **inputs: str) -> Ran:
        given = {"dockerfile": "Dockerfile", "trivy-cache": str(trivy_cache), "offline": "true"}
        more = {name.replace("_", "-"): value for name, value in inputs.items()}
        write_workflow(consumer, {"image": image, **given, **more})
        commit(consumer)
        return runner.run(consumer)

    return check
