"""The sample images are what their names say, and the same for the same moment."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samples.images.builder import Image, Index
from samples.images.catalogue import CATALOGUE, bad, good, multi_platform

BUILT = datetime(2026, 11, 23, tzinfo=UTC)


def paths(image: Image) -> dict[str, tarfile.TarInfo]:
    found = {}
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(layer.tar())) as archive:
            found.update({member.name: member for member in archive})
    return found


def config(image: Image) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(image.config.data)
    return content


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_equal_moments_give_equal_images(name: str) -> None:
    assert CATALOGUE[name](BUILT).blobs() == CATALOGUE[name](BUILT).blobs()
    assert CATALOGUE[name](BUILT) != CATALOGUE[name](BUILT + timedelta(days=1))


def test_images_are_small() -> None:
    for build in CATALOGUE.values():
        assert sum(len(blob) for blob in build(BUILT).blobs()) < 20_000


def test_bad_is_bad_in_every_way() -> None:
    image = bad(BUILT)
    members = paths(image)
    assert {"usr/bin/bash", "usr/bin/dash", "usr/bin/apt", "usr/bin/dpkg", "app/server.key"} <= members.keys()
    assert members["bin"].linkname == "usr/bin"
    assert members["usr/bin/su"].mode == 0o4755
    assert "User" not in config(image)["config"]
    assert config(image)["created"] == "2025-10-19T00:00:00Z"


def test_good_has_nothing_to_find() -> None:
    image = good(BUILT)
    members = paths(image)
    names = {path.rpartition("/")[2] for path, member in members.items() if not member.isdir()}
    assert not names & {"sh", "bash", "dash", "apt", "dpkg", "apk"}
    assert not {path for path, member in members.items() if member.mode & 0o6000}
    assert config(image)["config"]["User"] == "65532:65532"
    assert config(image)["created"] == "2026-11-21T00:00:00Z"


def test_the_arm64_image_differs() -> None:
    index = multi_platform(BUILT)
    assert isinstance(index, Index)
    amd64, arm64, *attestations = index.images
    assert (amd64.platform.architecture, arm64.platform.architecture) == ("amd64", "arm64")
    assert "bin/sh" in paths(arm64)
    assert "bin/sh" not in paths(amd64)
    assert len(attestations) == 2
