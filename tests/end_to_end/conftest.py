"""An image that a real engine built, and what the gate sees in an image, wherever it lies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from gate.deadline import Deadline
from gate.oci.filesystem import Entry, Filesystem
from gate.oci.image import Opened, Origin, StoredLayer
from gate.oci.layer import Reading, index_layer
from gate.oci.reference import Reference
from gate.packages.inventory import read_inventory
from gate.registry import RegistrySettings
from gate.sources import Access, Location, SourceSettings
from gate.sources.open import open_source
from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database

DOCKERFILES = Path(__file__).parents[2] / "samples" / "dockerfiles"
BASE = "registry.example.com/base/debian"
BUILT = "registry.example.com/shop/server:1.4.2"
STATUS = "var/lib/dpkg/status"
POLICY = """\
schema: 1
scanners: {required: [trivy, grype]}
rules:
  no-shell: {action: deny}
  no-package-manager: {action: deny}
  non-root: {action: deny}
  no-setuid: {action: deny}
  no-secrets: {action: deny}
  max-age: {action: deny}
  minimal-base: {action: warn}
  eol-distribution: {action: deny}
  vulnerabilities: {action: deny, unrated: ignore}
  scan-coverage: {action: deny}
"""


@pytest.fixture(scope="session")
def docker_client(docker_engine_address: str) -> Iterator[docker.DockerClient]:
    """A client of the tests' own engine."""
    with closing(docker.DockerClient(base_url=docker_engine_address, version="auto", timeout=120)) as client:
        yield client


@pytest.fixture(scope="session")
def built_image(
    docker_client: docker.DockerClient,
    debian_root: Path,
    static_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The id of an image that the engine built as `BUILT`, without network, from a sample Dockerfile."""
    context = tmp_path_factory.mktemp("context")
    shutil.copy(DOCKERFILES / "debian-trimmed.Dockerfile", context / "Dockerfile")
    shutil.copy(static_program, context / "server")
    docker_client.api.import_image_from_file(str(debian_root), repository=BASE, tag="bookworm")
    image, _ = docker_client.images.build(path=str(context), tag=BUILT, network_mode="none", rm=True)
    return str(image.id)


@pytest.fixture(scope="session")
def saved_image(
    built_image: str, docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same image as `docker save` writes it; do not change it."""
    path = tmp_path_factory.mktemp("saved") / "image.tar"
    with path.open("wb") as archive:
        archive.writelines(docker_client.images.get(built_image).save(named=BUILT))
    return path


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gate sees in an image; two sources of one image show the same.

    `settings` are what rules read of the configuration: a tool that writes another format writes another configuration.
    """

    digest: str
    configuration: str
    names: tuple[str, ...]
    origin: Origin | None
    stored: bool
    evidence: tuple[object, ...]
    entries: tuple[Entry, ...]


def seen(opened: Opened) -> Seen:
    """Read the one image that was opened: every layer is verified to its end."""
    (image,) = opened.images
    assert opened.failed == {}
    reading = Reading(keep=frozenset({STATUS.encode()}))
    diff_ids = tuple(str(layer.diff_id) for layer in image.layers)
    tree = Filesystem([index_layer(layer, reading) for layer in image.layers], diff_ids)
    content = tree.content(f"/{STATUS}")
    assert content is not None
    packages = read_inventory({STATUS: content}).packages
    assert len(packages) > 80
    config = image.config
    settings = (config.created, config.user, config.env, config.entrypoint, config.cmd, config.working_dir)
    more = (config.exposed_ports, config.volumes, config.labels, config.history, image.platform)
    return Seen(
        digest=str(opened.digest),
        configuration=str(image.manifest.config.digest),
        names=image.names,
        origin=opened.origin,
        stored=all(isinstance(layer, StoredLayer) for layer in image.layers),
        evidence=(settings, more, diff_ids, packages),
        entries=tuple(tree.entries()),
    )


@pytest.fixture(scope="session")
def in_engine(built_image: str, docker_engine_address: str) -> Seen:
    """The built image as the gate sees it in the engine."""
    with open_source(place(BUILT, "docker-daemon"), None, access(docker_engine_address)) as opened:
        found = seen(opened)
    assert found.configuration == built_image
    return found


def place(text: str, source: str) -> Location:
    """The location of a name, for an engine or a registry."""
    return Location(text, source, text, name=Reference.parse(text))


def access(engine: str = "", registries: RegistrySettings | None = None, **settings: Any) -> Access:
    """Access to an engine and to registries, with nothing from the environment."""
    return Access(SourceSettings(registries or RegistrySettings(), engine=engine, **settings), Deadline(120))


@pytest.fixture(scope="session")
def scanners(trivy_binary: Path, grype_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name the real scanners and databases made today from the sample advisories."""
    folder = tmp_path_factory.mktemp("databases")
    now = datetime.now(UTC)
    write_trivy_database(folder / "trivy", load(), now)
    write_grype_database(folder / "grype", load(), now)
    return [
        *("--trivy", str(trivy_binary), "--trivy-cache", str(folder / "trivy")),
        *("--grype", str(grype_binary), "--grype-db", str(folder / "grype")),
        *("--offline", "--cache-dir", str(folder / "cache")),
    ]


def checked(reference: str, options: list[str], folder: Path, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run `image-gate check` as a user does; return its exit code and report, and see that it left nothing behind."""
    (folder / "policy.yaml").write_text(POLICY, encoding="ascii")
    (folder / "tmp").mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "gate",
        "check",
        reference,
        "--policy",
        str(folder / "policy.yaml"),
        "--format",
        "json",
    ]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), **variables}
    done = subprocess.run([*command, *options], capture_output=True, env=environment, check=False)
    assert not list((folder / "tmp").iterdir())
    assert b"Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)
