"""Remote layers through the store: fetched once, verified while they arrive, resumed where they broke."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from gate.cache import Cache
from gate.cache.layers import CachedLayer
from gate.errors import IntegrityError, Unavailable
from gate.oci.image import Layer, RemoteLayer
from gate.oci.layer import LayerIndex, Reading, index_layer
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from tests.kit.hostile_images import CLEAN, DIRTY
from tests.kit.remote import RemoteSample

LARGE = layer_of(
    {f"file{number}": file(hashlib.sha512(b"%d" % number).digest() * 4_000) for number in range(8)},
    Compression.NONE,
)


def never() -> None:
    """A check that always lets go on."""


def indexing(layer: Layer, sink: Callable[[bytes], object]) -> LayerIndex:
    return index_layer(layer, Reading(), sink=sink)


def breaking_at(position: int, times: int = 1) -> Callable[[int], None]:
    """A transfer that breaks when it comes to a position, so often."""
    broken: list[int] = []

    def at(reached: int) -> None:
        if reached >= position and len(broken) < times:
            broken.append(reached)
            raise Unavailable("the connection was reset")

    return at


def stored(layer: RemoteSample, cache: Cache) -> CachedLayer:
    assert isinstance(layer, RemoteLayer)
    return CachedLayer(layer, cache.blobs, never)


def test_a_layer_is_fetched_once(cache: Cache) -> None:
    remote = RemoteSample(LARGE)
    layer = stored(remote, cache)
    first = layer.read(indexing)
    with layer.open() as stream:
        assert stream.read() == LARGE.data
    second = stored(remote, cache).read(indexing)
    assert first.paths == second.paths == [f"file{number}".encode() for number in range(8)]
    assert (remote.starts, remote.sent) == ([0], len(LARGE.data))
    assert cache.blobs.received == len(LARGE.data)


def test_opening_one_that_is_not_there_fetches_it(cache: Cache) -> None:
    remote = RemoteSample(LARGE)
    layer = stored(remote, cache)
    for _ in range(2):
        with layer.open() as stream:
            assert stream.read() == LARGE.data
        assert remote.starts == [0]
    cache.blobs.path(layer.descriptor.digest).unlink()
    with layer.open() as stream:
        assert stream.read() == LARGE.data
    assert remote.starts == [0, 0]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_what_broke_goes_on_where_it_broke(share: float, cache: Cache) -> None:
    """In a later run; a broken transfer within a run is the client's to resume."""
    remote = RemoteSample(LARGE, breaking_at(int(share * len(LARGE.data))), step=10_000)
    with pytest.raises(Unavailable, match="reset"):
        stored(remote, cache).read(indexing)
    index = stored(remote, cache).read(indexing)
    assert len(index) == 8
    assert remote.sent == len(LARGE.data)
    assert remote.starts[0] == 0
    assert 0 <= remote.starts[1] - int(share * len(LARGE.data)) < 10_000


def test_what_an_earlier_try_left_is_not_believed(cache: Cache) -> None:
    with cache.blobs.receiving(RemoteSample(LARGE).descriptor, never) as arrival:
        assert arrival is not None
        arrival.write(b"\0" * 5_000)
    remote = RemoteSample(LARGE)
    assert len(stored(remote, cache).read(indexing)) == 8
    assert remote.starts[-1] == 0
    with stored(remote, cache).open() as stream:
        assert stream.read() == LARGE.data


@pytest.mark.parametrize(
    "data", [DIRTY.data, CLEAN.data[:-1], CLEAN.data + b"\0"], ids=["other", "cut", "longer"]
)
def test_what_the_registry_sends_is_not_believed(data: bytes, cache: Cache) -> None:
    remote = RemoteSample(CLEAN, data=data)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            stored(remote, cache).read(indexing)
    assert cache.blobs.open(remote.descriptor) is None
    healthy = RemoteSample(CLEAN)
    assert stored(healthy, cache).read(indexing).paths


def test_a_damaged_blob_is_fetched_again(cache: Cache) -> None:
    remote = RemoteSample(LARGE)
    stored(remote, cache).read(indexing)
    path = cache.blobs.path(remote.descriptor.digest)
    path.chmod(0o600)
    path.write_bytes(LARGE.data[:-1] + b"\1")
    assert len(stored(remote, cache).read(indexing)) == 8
    assert remote.starts == [0, 0]
    assert path.read_bytes() == LARGE.data


def test_a_malformed_layer_is_malformed_however_often_it_is_read(cache: Cache) -> None:
    """Its blob is what its name says, so nothing is fetched again."""
    broken = layer_of({"a": file(b"x" * 100)}, Compression.NONE)
    wrong = RemoteSample(broken)
    wrong.diff_id = RemoteSample(DIRTY).diff_id
    with pytest.raises(IntegrityError):
        stored(wrong, cache).read(indexing)
    right = RemoteSample(broken)
    assert stored(right, cache).read(indexing).paths == [b"a"]
    with pytest.raises(IntegrityError, match="the tar stream of"):
        stored(wrong, cache).read(indexing)
    assert right.starts == [], "all of it was there already"


def test_a_check_may_stop_it(cache: Cache) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Unavailable("the time is over")

    layer = CachedLayer(RemoteSample(LARGE, step=10_000), cache.blobs, check)
    with pytest.raises(Unavailable, match="the time is over"):
        layer.read(indexing)
