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
def runner_path(tools: Tools, trivy_binary: Path) -> str:
    """The runner's PATH, with the real Trivy, and uv to install with."""
    return os.pathsep.join((str(trivy_binary.parent), str(tools.path("act").parent), os.environ["PATH"]))


@pytest.fixture(scope="session")
def runner(tools: Tools, runner_path: str, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """`act`; do not change its copy of the action."""
    return Runner(tools.path("act"), tmp_path_factory.mktemp("runner"), runner_path)


@pytest.fixture
def without_defence(tools: Tools, runner_path: str, tmp_path: Path) -> Runner:
    """`act` with a copy of the action of its own, in which a test may switch something off."""
    return Runner(tools.path("act"), tmp_path / "runner", runner_path)


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """A repository that uses the action."""
    return write_consumer(tmp_path / "consumer")


@pytest.fixture
def checked(runner: Runner, consumer: Path, trivy_cache: Path) -> Callable[..., Ran]:
    """Run the action on an image of the repository, with variables of the job and further inputs."""

    def check(image: str, variables: dict[str, str] | None = None, **inputs: str) -> Ran:
        more = {name.replace("_", "-"): value for name, value in inputs.items()}
        write_workflow(consumer, {"image": image, **usual(trivy_cache), **more}, variables)
        commit(consumer)
        return runner.run(consumer)

    return check


@pytest.fixture(scope="session")
def bad_run(runner: Runner, trivy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What the action makes of the bad image; one run for all who look at it."""
    folder = write_consumer(tmp_path_factory.mktemp("bad") / "consumer")
    write_workflow(folder, {"image": "oci:images/bad", **usual(trivy_cache)})
    commit(folder)
    return runner.run(folder)


def usual(trivy_cache: Path) -> dict[str, str]:
    """The inputs that nearly all runs have: no network, and a database made today."""
    return {"dockerfile": "Dockerfile", "trivy-cache": str(trivy_cache), "offline": "true"}
