"""`image-gate inspect`: the evidence as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from samples.images.builder import Settings, build_image
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from tests.cli.conftest import Program


def test_it_shows_what_rules_would_read(place: Path, inside: Program) -> None:
    done = inside("inspect", "oci:bad")
    assert (done.returncode, done.stderr) == (0, "")
    (image,) = json.loads(done.stdout)["images"]
    assert image["platform"] == "linux/amd64"
    assert {"apt", "bash"} <= {package["name"] for package in image["packages"]}
    files = {file["path"]: file for file in image["files"]}
    assert files["/usr/bin/su"]["mode"] == "4755"
    assert "/etc/os-release" not in files
    assert image["facts"]["packages"] == len(image["packages"])


def test_every_path_is_there_on_demand(place: Path, inside: Program) -> None:
    (image,) = json.loads(inside("inspect", "oci:bad", "--files").stdout)["images"]
    paths = [file["path"] for file in image["files"]]
    assert paths == sorted(paths)
    assert "/var/lib/dpkg/status" in paths


def test_a_damaged_image_is_exit_3_and_says_why(place: Path, inside: Program) -> None:
    for blob in (place / "good" / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    done = inside("inspect", "oci:good")
    assert done.returncode == 3
    assert "Filesystem" in json.loads(done.stdout)["images"][0]["facts"]["unavailable"]


def test_what_is_no_layout_is_exit_3_or_2(place: Path, inside: Program) -> None:
    assert inside("inspect", "oci:nowhere").returncode == 2
    (place / "empty").mkdir()
    done = inside("inspect", "oci:empty")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr


def test_credentials_in_the_configuration_are_hidden(tmp_path: Path, inside: Program) -> None:
    secret = "hunter2-Zq8vLw0pXr"
    settings = Settings(
        created=None,
        environment=(f"DB_PASSWORD={secret}", "PATH=/bin"),
        labels={"api_token": secret, "version": "1"},
        command=("/app", f"--password={secret}"),
        history=(f"RUN TOKEN={secret} make",),
    )
    image = build_image([layer_of({})], settings)
    write_directory(oci_layout({"": image}), tmp_path / "image")
    done = inside("inspect", "oci:image")
    assert secret not in done.stdout
    (found,) = json.loads(done.stdout)["images"]
    config = found["config"]
    assert config["env"] == {"DB_PASSWORD": "(hidden: secret in a variable)", "PATH": "/bin"}
    assert config["labels"]["version"] == "1"
