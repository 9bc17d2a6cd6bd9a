"""One image, wherever it lies: the engine that built it, an archive, a layout, a registry. The verdict is the same."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from samples.images.catalogue import bad
from samples.images.layout import docker_archive, write_archive
from tests.end_to_end.conftest import checked
from tests.end_to_end.test_registries import pushed

pytestmark = pytest.mark.real


def findings(report: dict[str, Any]) -> dict[str, Any]:
    """What every rule says; where the image lies apart, and what scanners call an archive's layer."""
    (verdict,) = report["verdicts"]
    kept = {}
    for result in verdict["results"]:
        found = [
            (
                finding["id"],
                finding["message"],
                finding["severity"],
                finding["location"]["path"],
                finding["location"]["layer"],
            )
            for finding in result["findings"]
        ]
        kept[result["rule"]] = (result["outcome"], result["reason"], sorted(found, key=str))
    return kept


@pytest.fixture
def vulnerable(docker_client: docker.DockerClient, tmp_path: Path) -> str:
    """The bad sample, in which both scanners find something, loaded into the engine."""
    name = "registry.example.com/shop/bad:1"
    archive = write_archive(docker_archive({name: bad(datetime.now(UTC))}), tmp_path / "bad.tar")
    with archive.open("rb") as stream:
        docker_client.images.load(stream)
    return name


def test_the_verdict_is_the_same_everywhere(
    vulnerable: str,
    docker_client: docker.DockerClient,
    docker_engine_address: str,
    docker_registry_host: str,
    skopeo_binary: Path,
    scanners: list[str],
    tmp_path: Path,
) -> None:
    name = pushed(docker_client, docker_registry_host, vulnerable)
    (tmp_path / "image.tar").write_bytes(
        b"".join(docker_client.images.get(vulnerable).save(named=vulnerable))
    )
    options = ["-q", "--src-tls-verify=false"]
    target = f"oci:{tmp_path}/layout:1"
    subprocess.run([skopeo_binary, "copy", *options, f"docker://{name}", target], check=True)
    places = {
        "docker-daemon": f"docker-daemon:{vulnerable}",
        "docker": f"docker://{name}",
        "docker-archive": f"docker-archive:{tmp_path}/image.tar",
        "oci": target,
    }
    found, subjects = {}, {}
    for source, reference in places.items():
        code, report = checked(reference, scanners, tmp_path, DOCKER_HOST=docker_engine_address)
        (verdict,) = report["verdicts"]
        assert verdict["evidence"]["origin"]["source"] == source
        found[source], subjects[source] = (code, findings(report)), verdict["subject"]
    code, rules = found["oci"]
    assert code == 1
    unknown = {rule for rule, (outcome, _, _) in rules.items() if outcome == "unknown"}
    assert unknown == {"scan-coverage"}, "its static program is of no package, so nobody saw what is in it"
    assert len(rules["vulnerabilities"][2]) >= 5
    for source, result in found.items():
        assert result == found["oci"], source
    assert subjects["docker-daemon"]["digest"] == docker_client.images.get(vulnerable).id
    pulled = docker_client.images.pull(name)
    assert f"{name.rpartition(':')[0]}@{subjects['docker']['digest']}" in pulled.attrs["RepoDigests"]


def test_a_second_check_of_a_registrys_image_fetches_no_layer(
    vulnerable: str,
    docker_client: docker.DockerClient,
    docker_registry_host: str,
    scanners: list[str],
    tmp_path: Path,
) -> None:
    """The layers are in the store, and so are their indexes; both checks say the same."""
    name = pushed(docker_client, docker_registry_host, vulnerable)
    first = checked(f"docker://{name}", scanners, tmp_path)
    store = Path(scanners[-1]) / "v1"
    blobs = sorted(path.name for path in (store / "blobs/sha256").iterdir())
    assert blobs
    assert list((store / "partial").iterdir()) == []
    assert list((store / "runs").iterdir()) == []
    second = checked(f"docker://{name}", scanners, tmp_path)
    assert sorted(path.name for path in (store / "blobs/sha256").iterdir()) == blobs
    assert (first[0], findings(first[1])) == (second[0], findings(second[1]))
