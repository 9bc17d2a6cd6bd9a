"""A runner, and a repository with images of both kinds, a Dockerfile and the policy of the demo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samples.databases.advisories import load
from samples.databases.trivy import write_trivy_database
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory
from tests.conftest import Tools
from tests.kit.act import ROOT, Ran, Runner, commit, write_workflow


@pytest.fixture(scope="session")
def runner(tools: Tools, trivy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """`act`, with the real Trivy on the runner's PATH, and uv to install with."""
    act = tools.path("act")
    path = os.pathsep.join((str(trivy_binary.parent), str(act.parent), os.environ["PATH"]))
    return Runner(act, tmp_path_factory.mktemp("runner"), path)


@pytest.fixture(scope="session")
def trivy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trivy's database of the sample advisories, made today."""
    folder = tmp_path_factory.mktemp("databases") / "trivy"
    write_trivy_database(folder, load(), datetime.now(UTC))
    return folder


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """A repository that uses the action; its images lie in it, so that no registry is needed."""
    folder = tmp_path / "consumer"
    built = datetime.now(UTC).replace(microsecond=0)
    for name, image in (("good", good(built)), ("bad", bad(built))):
        write_directory(oci_layout({"": image}), folder / "images" / name)
    shutil.copy(ROOT / "samples" / "policies" / "demo.yaml", folder / ".image-gate.yaml")
    (folder / "Dockerfile").write_text("# The image\nFROM scratch\nUSER root\n")
    return folder


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
