"""The inspection: layers in parallel, kept indexes, remote layers through the store."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.cache import Cache, open_cache
from gate.collect import Collector, Wanted
from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.evidence import Evidence, ScanRun, ScanRuns, Secrets
from gate.inspection import Inspection, reading
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image
from gate.packages.inventory import Inventory
from gate.scanners import ScannerSettings, ScanTarget
from gate.sources import Access
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from samples.images.layout import oci_layout, write_directory
from tests.kit.hostile_images import CLEAN, SETTINGS
from tests.kit.remote import RemoteSample
from tests.kit.reports import subject
from tests.kit.runs import seeing
from tests.kit.trees import StoredLayer

LARGE = [layer_of({f"large{number}": file(os.urandom(2_000_000))}, Compression.NONE) for number in range(2)]
SAMPLE = build_image([CLEAN, *LARGE], SETTINGS)
STORED = sum(len(layer.data) for layer in (CLEAN, *LARGE))
KINDS = frozenset({Filesystem, Inventory, Secrets})


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Image]:
    """An image of a small and two large layers, in a layout."""
    with open_source(
        locate(str(write_directory(oci_layout({"": SAMPLE}), tmp_path / "image"))), None
    ) as opened:
        yield opened.images[0]


def remote(image: Image, **changes: Any) -> tuple[Image, list[RemoteSample]]:
    """The same image in a registry, and its layers."""
    layers = [RemoteSample(layer, **changes) for layer in (CLEAN, *LARGE)]
    return replace(image, layers=layers), layers


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with open_cache(tmp_path / "cache") as opened:
        yield opened


def inspect(image: Image, cache: Cache | None) -> Evidence:
    look = reading(marks=True, credentials=False)
    return Evidence(Inspection(image, look, Deadline(60), cache).evidence())


def same(one: Evidence, other: Evidence) -> bool:
    first, second = (list(evidence.get(Filesystem).entries()) for evidence in (one, other))
    return first == second and one.get(Inventory) == other.get(Inventory)


def test_a_remote_image_is_fetched_once(local: Image, cache: Cache) -> None:
    image, layers = remote(local)
    assert same(inspect(image, cache), inspect(local, None))
    assert same(inspect(image, cache), inspect(local, None))
    assert sum(layer.sent for layer in layers) == STORED == cache.blobs.received
    assert [layer.starts for layer in layers] == [[0]] * 3


def test_without_a_cache_it_is_read_where_it_is(local: Image) -> None:
    image, layers = remote(local)
    assert same(inspect(image, None), inspect(local, None))
    assert [layer.starts for layer in layers] == [[0]] * 3


def test_a_layer_that_was_indexed_is_not_read_again(
    local: Image, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even from the store; a small one is faster read than looked up."""
    image, layers = remote(local)
    expected = inspect(image, cache)
    for layer in LARGE:
        cache.blobs.path(RemoteSample(layer).descriptor.digest).unlink()
    assert same(inspect(image, cache), expected)
    assert [layer.starts for layer in layers] == [[0]] * 3


def test_a_file_is_verified_even_where_its_index_is_known(local: Image, cache: Cache) -> None:
    """Anyone could have changed it since."""
    inspect(local, cache)
    opened: list[int] = []

    class Changed(StoredLayer):
        def open(self) -> Any:
            opened.append(1)
            return io.BytesIO(self.data)

    layer = local.layers[1]
    good = Changed(layer.descriptor, layer.diff_id, LARGE[0].data)
    bad = Changed(layer.descriptor, layer.diff_id, LARGE[0].data[:-1] + b"\1")
    assert same(
        inspect(replace(local, layers=(local.layers[0], good, local.layers[2])), cache), inspect(local, None)
    )
    assert opened == [1]
    with pytest.raises(IntegrityError):
        inspect(replace(local, layers=(local.layers[0], bad, local.layers[2])), cache).get(Filesystem)


def test_the_same_blob_with_another_diff_id_is_malformed(local: Image, cache: Cache) -> None:
    """Twice in one image as well: what is claimed of each is checked."""
    image, layers = remote(local)
    wrong = RemoteSample(LARGE[0])
    wrong.diff_id = layers[2].diff_id
    inspect(image, cache)
    with pytest.raises(IntegrityError, match="the tar stream of"):
        inspect(replace(image, layers=(layers[1], wrong)), cache).get(Filesystem)


Collect = Callable[..., Evidence]


@pytest.fixture
def collect(tmp_path: Path, cache: Cache) -> Collect:
    """Collect with a scanner that reads what it is given."""

    def run(image: Image, scan: Any) -> Evidence:
        access = Access.to_files(Deadline(60), cache)
        settings = ScannerSettings(tmp_path, tmp_path, tmp_path)
        wanted = Wanted(KINDS | {ScanRuns}, True, ("trivy",), {})
        return Collector(wanted, {"trivy": seeing("trivy", scan)}, settings, access).collect(image, subject())

    return run


def scanning(seen: list[dict[str, int]]) -> Any:
    """A scanner that notes which blobs its layout has, and how many names each has on disk."""
    honest = seeing("trivy").scan

    def scan(target: ScanTarget, *rest: Any) -> Any:
        seen.append({path.name: path.stat().st_nlink for path in (target.layout / "blobs/sha256").iterdir()})
        return honest(target, *rest)

    return scan


def test_scanners_read_what_was_fetched(local: Image, cache: Cache, collect: Collect) -> None:
    """Without another copy of it on disk."""
    image, layers = remote(local)
    seen: list[dict[str, int]] = []
    for _ in range(2):
        evidence = collect(image, scanning(seen))
        assert isinstance(evidence.get(ScanRuns).runs["trivy"], ScanRun)
    assert [layer.starts for layer in layers] == [[0]] * 3
    for links in seen:
        assert len(links) == 5
        assert {links[layer.descriptor.digest.encoded] for layer in layers} == {2}
    assert list((cache.folder / "v1/runs").iterdir()) == [cache.work_dir]
    assert [path.name for path in cache.work_dir.iterdir()] == ["lock"]


def test_what_the_store_has_lost_is_fetched_for_the_scanners(
    local: Image, cache: Cache, collect: Collect
) -> None:
    image, layers = remote(local)
    inspect(image, cache)
    damaged, lost = (cache.blobs.path(layer.descriptor.digest) for layer in layers[1:])
    damaged.chmod(0o600)
    damaged.write_bytes(bytes(layers[1].descriptor.size))
    lost.unlink()
    cache.__dict__.pop("blobs")  # as another process, which has verified nothing yet
    seen: list[dict[str, int]] = []
    assert isinstance(collect(image, scanning(seen)).get(ScanRuns).runs["trivy"], ScanRun)
    assert [layer.starts for layer in layers] == [[0], [0, 0], [0, 0]]


def test_no_scanner_runs_on_what_could_not_be_fetched(local: Image, collect: Collect) -> None:
    def broken(position: int) -> None:
        raise Unavailable("the connection was reset")

    image, _ = remote(local, at=broken)
    seen: list[dict[str, int]] = []
    values = collect(image, scanning(seen)).values
    assert seen == []
    assert {str(value) for value in values.values() if isinstance(value, Unavailable)} == {
        "the connection was reset"
    }
    assert len(values) == 4
