"""The image builder: entries, layers, images and files, read back by other implementations."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samples.images.builder import Image, Platform, Settings, build_image, build_index
from samples.images.entries import (
    OPAQUE,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
    whiteout,
    whiteout_of,
    with_parents,
)
from samples.images.layers import Compression, layer_of, pax_record, tar_of
from samples.images.layout import (
    Files,
    docker_archive,
    docker_archive_with_index,
    oci_layout,
    write_archive,
    write_directory,
)

CREATED = datetime(2026, 11, 23, tzinfo=UTC)
CAPABILITY = bytes.fromhex("01000002 80000000 00000000 00000000 00000000")
ENTRIES = {
    "etc/motd": file("hello\n").owned(7, 8).dated(1_700_000_000),
    "bin/tool": replace(program(b"tool", 0o4755), extended_attributes={"security.capability": CAPABILITY}),
    "bin/link": symbolic_link("tool"),
    "bin/hard": hard_link("bin/tool", 0o4755),
    f"opt/{'long' * 40}": file("x"),
    whiteout_of("opt/gone"): whiteout(),
    f"srv/{OPAQUE}": whiteout(),
}


def image(*names: str) -> Image:
    layers = [layer_of({name: file(name)}) for name in names or ("a", "b")]
    return build_image(layers, Settings(CREATED, user="1000", history=["one", "two"]))


def test_tar_as_the_standard_library_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(with_parents(ENTRIES)))) as archive:
        members = {member.name: member for member in archive}
        assert list(members)[:3] == ["etc", "etc/motd", "bin"]
        motd, tool = members["etc/motd"], members["bin/tool"]
        assert (motd.uid, motd.gid, motd.mtime, motd.mode) == (7, 8, 1_700_000_000, 0o644)
        assert tool.mode == 0o4755
        attribute = tool.pax_headers["SCHILY.xattr.security.capability"]
        assert attribute.encode("utf-8", "surrogateescape") == CAPABILITY
        assert members["bin/link"].linkname == "tool"
        assert members["bin/hard"].islnk()
        assert f"opt/{'long' * 40}" in members
        assert members["opt/.wh.gone"].size == members["srv/.wh..wh..opq"].size == 0


def test_parents_that_are_named_are_not_invented() -> None:
    complete = with_parents(
        {"usr/bin/sh": program(b""), "usr": directory(0o700), "bin": symbolic_link("usr/bin")}
    )
    assert list(complete) == ["usr", "usr/bin", "usr/bin/sh", "bin"]
    assert complete["usr"].mode == 0o700


def test_an_entry_with_attributes_needs_a_short_name() -> None:
    entry = replace(file(), extended_attributes={"user.x": b"y"})
    with pytest.raises(ValueError):
        tar_of({"x" * 300: entry})


@pytest.mark.parametrize("value", [b"", b"x" * 5, b"x" * 90, b"x" * 990])
def test_record_lengths_count_themselves(value: bytes) -> None:
    record = pax_record("key", value)
    assert record == b"%d key=%s\n" % (len(record), value)


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("parts", [1, 3])
def test_layers(compression: Compression, parts: int) -> None:
    layer = layer_of(ENTRIES, compression, parts)
    assert layer.tar() == tar_of(ENTRIES)
    assert layer.diff_id == f"sha256:{hashlib.sha256(tar_of(ENTRIES)).hexdigest()}"
    assert layer.digest == f"sha256:{hashlib.sha256(layer.data).hexdigest()}"
    assert layer == layer_of(ENTRIES, compression, parts)
    assert (layer.data == layer_of(ENTRIES, compression, 1).data) == (
        parts == 1 or compression is Compression.NONE
    )


def test_gzip_members() -> None:
    data = layer_of(ENTRIES, parts=3).data
    assert data.count(b"\x1f\x8b\x08") >= 3
    assert gzip.decompress(data) == tar_of(ENTRIES)


def test_configuration() -> None:
    settings = Settings(
        CREATED, Platform("linux", "arm64", "v8"), user="1000", labels={"a": "b"}, exposed_ports=["80/tcp"]
    )
    config = json.loads(build_image([layer_of(ENTRIES)], settings).config.data)
    assert config["created"] == "2026-11-23T00:00:00Z"
    assert (config["architecture"], config["variant"]) == ("arm64", "v8")
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert "history" not in config
    assert "Cmd" not in config["config"]
    assert "created" not in json.loads(build_image([], Settings(None)).config.data)


def test_index_with_attestations() -> None:
    plain, arm = image(), build_image([layer_of(ENTRIES)], Settings(CREATED, Platform("linux", "arm64")))
    index = json.loads(build_index([plain, arm], attested=True).manifest.data)
    platforms = [entry["platform"]["architecture"] for entry in index["manifests"]]
    assert platforms == ["amd64", "arm64", "unknown", "unknown"]
    assert index["manifests"][2]["annotations"] == {
        "vnd.docker.reference.digest": plain.manifest.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }


def test_repeated_layers_are_links_in_the_older_archive() -> None:
    files = docker_archive({"app:1": image("a", "a")})
    layers = json.loads(files["manifest.json"].content)[0]["Layers"]
    assert files[layers[1]].target == f"../{layers[0]}"
    with pytest.raises(ValueError, match="no plain file"):
        write_directory(files, Path("/nowhere"))


def test_newer_archive_says_the_same_twice() -> None:
    files = docker_archive_with_index({"app:1": image()})
    index, (entry,) = json.loads(files["index.json"].content), json.loads(files["manifest.json"].content)
    (descriptor,) = index["manifests"]
    manifest = json.loads(files[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"].content)
    assert descriptor["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert entry["Config"].rpartition("/")[2] == manifest["config"]["digest"].removeprefix("sha256:")
    assert [path.rpartition("/")[2] for path in entry["Layers"]] == [
        layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]
    ]


@pytest.mark.real
@pytest.mark.parametrize(
    ("shape", "files"),
    [
        ("oci", oci_layout({"1": image()})),
        ("oci-archive", oci_layout({"1": image()})),
        ("docker-archive", docker_archive({"app:1": image("a", "a", "b")})),
        ("docker-archive", docker_archive_with_index({"app:1": image()})),
    ],
)
def test_skopeo_reads_every_shape(shape: str, files: Files, skopeo_binary: Path, tmp_path: Path) -> None:
    """Another implementation copies the image, checking every digest, and finds the same configuration."""
    path = tmp_path / "image"
    (write_directory if shape == "oci" else write_archive)(files, path)
    source = f"{shape}:{path}:1" if shape != "docker-archive" else f"{shape}:{path}"
    copy = f"oci:{tmp_path}/copy:1"
    subprocess.run(
        [skopeo_binary, "--insecure-policy", "copy", "-q", source, copy], check=True, capture_output=True
    )
    config = skopeo(skopeo_binary, "inspect", "--config", "--raw", copy)
    assert config["config"]["User"] == "1000"
    assert config["created"] == "2026-11-23T00:00:00Z"


@pytest.mark.real
def test_skopeo_finds_each_platform(skopeo_binary: Path, tmp_path: Path) -> None:
    arm = build_image([layer_of(ENTRIES, Compression.ZSTD)], Settings(CREATED, Platform("linux", "arm64")))
    write_directory(oci_layout({"1": build_index([image(), arm], attested=True)}), tmp_path / "image")
    reference = f"oci:{tmp_path}/image:1"
    assert len(skopeo(skopeo_binary, "inspect", "--raw", reference)["manifests"]) == 4
    config = skopeo(skopeo_binary, "--override-arch", "arm64", "inspect", "--config", reference)
    assert config["architecture"] == "arm64"


def skopeo(binary: Path, *arguments: str) -> dict[str, Any]:
    """What skopeo prints, which is JSON."""
    run = subprocess.run([binary, *arguments], check=True, capture_output=True)
    printed: dict[str, Any] = json.loads(run.stdout)
    return printed
