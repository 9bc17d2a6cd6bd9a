"""An image as a layout of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from msgspec.structs import replace

from gate.cache.layout import store, stored_manifest
from gate.errors import IntegrityError, Unavailable
from gate.oci.image import Image
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import layer_of
from samples.images.layout import docker_archive, oci_layout, write_archive, write_directory
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, DIRTY, SETTINGS
from tests.kit.trees import StoredLayer, stored

LARGE = layer_of({"large": file(os.urandom(3_000_000))})


def never() -> None:
    """A check that always lets go on."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Image]]:
    """Open a sample image from a layout, or from an archive without manifests."""
    with ExitStack() as stack:

        def open_(sample: Any = CLEAN_IMAGE, *, legacy: bool = False) -> Image:
            if legacy:
                path = write_archive(docker_archive({"app:1": sample}), tmp_path / "image.tar")
            else:
                path = write_directory(oci_layout({"": sample}), tmp_path / "image")
            (image,) = stack.enter_context(open_source(locate(str(path)), None)).images
            return image

        yield open_


def test_a_copy_is_a_layout_of_this_image_alone(opened: Callable[..., Image], tmp_path: Path) -> None:
    image = opened()
    copy = store(image, tmp_path / "copy", never)
    entry = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"]
    assert [one["digest"] for one in entry] == [str(stored_manifest(image))] == [CLEAN_IMAGE.manifest.digest]
    names = {path.name for path in (tmp_path / "copy/blobs/sha256").iterdir()}
    assert {f"sha256:{name}" for name in names} == {
        CLEAN_IMAGE.manifest.digest,
        CLEAN_IMAGE.config.digest,
        CLEAN.digest,
    }
    for name in names:
        assert hashlib.sha256((tmp_path / "copy/blobs/sha256" / name).read_bytes()).hexdigest() == name
    assert [layer.descriptor for layer in copy.layers] == [layer.descriptor for layer in image.layers]
    with copy.layers[0].open() as stream:
        assert stream.read() == CLEAN.data


def test_nobody_writes_to_a_copy_by_mistake(opened: Callable[..., Image], tmp_path: Path) -> None:
    store(opened(), tmp_path / "copy", never)
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_copy_can_be_opened_as_the_same_image(
    legacy: bool, opened: Callable[..., Image], tmp_path: Path
) -> None:
    image = opened(build_image([CLEAN, DIRTY, CLEAN], SETTINGS), legacy=legacy)
    store(image, tmp_path / "copy", never)
    with open_source(locate(f"oci:{tmp_path / 'copy'}"), None) as again:
        (found,) = again.images
        assert found.digest == stored_manifest(image)
        assert found.manifest.config.digest == image.manifest.config.digest
        assert [layer.diff_id for layer in found.layers] == [layer.diff_id for layer in image.layers]


@pytest.mark.real
@pytest.mark.parametrize("legacy", [False, True])
def test_strict_readers_take_a_copy(
    legacy: bool, opened: Callable[..., Image], tmp_path: Path, skopeo_binary: Path
) -> None:
    """The manifest that is made for an archive without one has media types that fit together."""
    store(opened(legacy=legacy), tmp_path / "copy", never)
    source, target = f"oci:{tmp_path / 'copy'}", f"dir:{tmp_path / 'all'}"
    subprocess.run(
        [skopeo_binary, "copy", "--insecure-policy", source, target], check=True, capture_output=True
    )
    assert (tmp_path / "all" / CLEAN_IMAGE.config.digest.removeprefix("sha256:")).exists()


def with_layer(image: Image, data: bytes, **changes: Any) -> Image:
    """The image with other bytes behind its layer's descriptor."""
    layer = stored(CLEAN)
    changed = StoredLayer(replace(layer.descriptor, **changes), layer.diff_id, data)
    return replace(image, layers=(changed,))


@pytest.mark.parametrize(
    "data", [DIRTY.data, CLEAN.data[:-1], CLEAN.data + b"\0", CLEAN.data[:-1] + b"\1", b""], ids=["other", "cut", "longer", "altered", "none"]
)  # fmt: skip
def test_a_copy_is_verified(data: bytes, opened: Callable[..., Image], tmp_path: Path) -> None:
    """J11."""
    with pytest.raises(IntegrityError):
        store(with_layer(opened(), data), tmp_path / "copy", never)


def test_layers_that_are_copied_at_the_same_time_are_all_verified(
    opened: Callable[..., Image], tmp_path: Path
) -> None:
    others = [layer_of({"large": file(os.urandom(3_000_000))}) for _ in range(2)]
    image = opened(build_image([LARGE, *others], SETTINGS))
    copy = store(image, tmp_path / "copy", never)
    for layer, path in zip(image.layers, [layer.path for layer in copy.layers], strict=True):  # type: ignore[attr-defined]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == layer.descriptor.digest.encoded
    last = stored(others[1])
    damaged = StoredLayer(last.descriptor, last.diff_id, last.data[:-1] + b"\1")
    with pytest.raises(IntegrityError):
        store(replace(image, layers=(*image.layers[:2], damaged)), tmp_path / "other", never)


def test_an_endless_layer_is_not_copied_to_its_end(opened: Callable[..., Image], tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    class Layer(StoredLayer):
        def open(self) -> BinaryIO:
            return Endless()  # type: ignore[return-value]

    layer = stored(CLEAN)
    endless = Layer(layer.descriptor, layer.diff_id, b"")
    with pytest.raises(IntegrityError, match="has at least"):
        store(replace(opened(), layers=(endless,)), tmp_path / "copy", never)


def test_a_copy_stops_when_it_is_told_to(opened: Callable[..., Image], tmp_path: Path) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Unavailable("the time is over")

    with pytest.raises(Unavailable, match="the time is over"):
        store(opened(build_image([LARGE], SETTINGS)), tmp_path / "copy", check)
    assert len(calls) == 2


def test_a_disk_that_is_full(opened: Callable[..., Image], tmp_path: Path) -> None:
    """A file may not grow beyond 1 MB here, which is how a quota looks."""
    import resource

    image = opened(build_image([LARGE], SETTINGS))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(
            Unavailable, match="could not be copied to the cache folder: File too large"
        ) as error:
            store(image, tmp_path / "copy", never)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "--cache-dir" in error.value.hint


def test_a_copy_that_disappears(opened: Callable[..., Image], tmp_path: Path) -> None:
    copy = store(opened(), tmp_path / "copy", never)
    for path in (tmp_path / "copy/blobs/sha256").iterdir():
        path.unlink()
    with pytest.raises(Unavailable, match="the copy in the cache folder cannot be read"):
        copy.layers[0].open()
