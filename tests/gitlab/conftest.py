"""Pipelines, and a project with images of both kinds, a Dockerfile and the policy of the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Tools
from tests.kit.consumer import write_consumer
from tests.kit.gitlab import Pipelines, Ran, write_pipeline

GATE_IMAGE = "registry.example.com/image-gate@sha256:" + "0" * 64


@pytest.fixture(scope="session")
def pipelines(tools: Tools, trivy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipelines:
    """What runs pipelines; image-gate and the real Trivy are on PATH, as they are in the image of the jobs."""
    path = os.pathsep.join((str(Path(sys.executable).parent), str(trivy_binary.parent), os.environ["PATH"]))
    folder = tmp_path_factory.mktemp("pipelines")
    return Pipelines(tools.path("node"), tools.path("gitlab_ci_local"), folder, path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that includes the component."""
    return write_consumer(tmp_path / "shop")


@pytest.fixture
def piped(pipelines: Pipelines, project: Path, trivy_cache: Path) -> Callable[..., Ran]:
    """Run the pipeline on an image of the project, with further inputs of the component and variables of the pipeline."""

    def run(image: str, variables: dict[str, str] | None = None, **inputs: str) -> Ran:
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        write_pipeline(project, {"gate-image": GATE_IMAGE, "image": image, **named})
        databases = {"IMAGE_GATE_TRIVY_CACHE": str(trivy_cache), "IMAGE_GATE_OFFLINE": "true"}
        return pipelines.run(project, **databases | (variables or {}))

    return run
