"""Writing: the same bytes from the same parts, in a form that tools for registries know."""

from __future__ import annotations

import json
import subprocess
import tarfile
from datetime import datetime
from pathlib import Path

import pytest

from gate.bundle import ARTIFACT_TYPE, writing
from gate.bundle.contents import Content
from gate.bundle.reading import opened
from gate.deadline import Deadline
from gate.errors import Unavailable
from samples.images.layers import digest_of
from tests.bundle.conftest import BUILT


def layout(path: Path) -> dict[str, bytes]:
    """The files of a bundle, read by another reader."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_the_same_parts_make_the_same_bundle(
    packed: list[Content], written: tuple[Path, str], tmp_path: Path
) -> None:
    digest, layers = writing.write(packed, tmp_path / "again.tar", Deadline(60))
    assert digest == written[1]
    assert (tmp_path / "again.tar").read_bytes() == written[0].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.tar"]
    assert [layer.part for layer in layers] == [content.part for content in packed]


def test_it_is_an_oci_layout_of_one_artifact(written: tuple[Path, str]) -> None:
    path, digest = written
    files = layout(path)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert (entry["digest"], entry["artifactType"]) == (digest, ARTIFACT_TYPE)
    manifest = json.loads(files[f"blobs/sha256/{digest[7:]}"])
    dated = manifest["annotations"]["org.opencontainers.image.created"]
    assert datetime.fromisoformat(dated).replace(microsecond=0) == BUILT
    assert {digest_of(files[f"blobs/sha256/{one['digest'][7:]}"]) for one in manifest["layers"]} == {
        one["digest"] for one in manifest["layers"]
    }
    titles = [one["annotations"]["org.opencontainers.image.title"] for one in manifest["layers"]]
    assert titles == [
        "database-trivy.tar.zst", "database-trivy-java.tar.zst", "database-grype.tar.zst", "database-kev.tar.zst",
        "database-epss.tar.zst", "scanner-grype.tar.zst", "policy-prod.yaml.tar.zst", "trust-root-sigstore.tar.zst",
    ]  # fmt: skip


def test_a_file_that_cannot_be_written_leaves_nothing(packed: list[Content], tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        writing.write(packed, tmp_path / "none" / "bundle.tar", Deadline(60))
    with pytest.raises(Unavailable, match="time limit"):
        writing.write(packed, tmp_path / "bundle.tar", Deadline(-1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_skopeo_carries_it_and_it_is_the_same(
    written: tuple[Path, str], skopeo_binary: Path, tmp_path: Path
) -> None:
    path, digest = written
    for source, target in (
        (f"oci-archive:{path}", f"oci:{tmp_path / 'layout'}:bundle"),
        (f"oci:{tmp_path / 'layout'}:bundle", f"oci-archive:{tmp_path / 'again.tar'}"),
    ):
        command = [str(skopeo_binary), "--insecure-policy", "copy", "--preserve-digests", source, target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with opened(tmp_path / "again.tar", Deadline(60), digest) as bundle:
        for layer in bundle.layers:
            bundle.verify(layer)
