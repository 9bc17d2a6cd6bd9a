"""How large the cache is, and what is removed from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.cache import open_cache
from gate.cache.upkeep import Part, clear, measure, prune
from tests.cache.test_blobs import BLOB, DATA, descriptor_of, never, put


def filled(folder: Path) -> Path:
    """A cache of three blobs of 1,000 bytes, an index and what has arrived of another blob; the oldest first."""
    with open_cache(folder) as cache:
        for number in range(3):
            data = bytes([number]) * 1_000
            put(cache.blobs, data)
            os.utime(cache.blobs.path(descriptor_of(data).digest), (number, number))
        with cache.blobs.receiving(BLOB, never) as arrival:
            assert arrival is not None
            arrival.write(DATA[:500])
    (folder / "v1/index").mkdir()
    (folder / "v1/index/one").write_bytes(bytes(200))
    (folder / "trivy").mkdir()
    (folder / "trivy/database").write_bytes(bytes(9_000))
    return folder


def blobs(folder: Path) -> set[int]:
    return {path.read_bytes()[0] for path in (folder / "v1/blobs/sha256").iterdir()}


def test_it_measures_by_kind(tmp_path: Path) -> None:
    assert measure(tmp_path / "nowhere") == dict.fromkeys(
        ("blobs", "partial", "indexes", "scans"), Part(0, 0)
    )
    assert measure(filled(tmp_path)) == {
        "blobs": Part(3, 3_000),
        "partial": Part(1, 500),
        "indexes": Part(1, 200),
        "scans": Part(0, 0),
    }


@pytest.mark.parametrize(
    ("bound", "left"),
    [(10_000, {0, 1, 2}), (3_700, {0, 1, 2}), (3_699, {1, 2}), (2_700, {1, 2}), (1_701, {2})],
)
def test_what_was_not_used_for_longest_goes_first(bound: int, left: set[int], tmp_path: Path) -> None:
    removed = prune(filled(tmp_path), bound)
    assert blobs(tmp_path) == left
    assert removed == Part(3 - len(left), 1_000 * (3 - len(left)))


def test_what_is_read_counts_as_used(tmp_path: Path) -> None:
    with open_cache(filled(tmp_path)) as cache:
        stream = cache.blobs.open(descriptor_of(bytes(1_000)))
        assert stream is not None
        stream.close()
    prune(tmp_path, 2_700)
    assert blobs(tmp_path) == {0, 2}


def test_all_of_it(tmp_path: Path) -> None:
    """Databases are the scanners'."""
    assert clear(filled(tmp_path)) == Part(5, 3_700)
    assert measure(tmp_path)["blobs"] == Part(0, 0)
    assert (tmp_path / "trivy/database").exists()


def test_scans_are_counted_and_removed(tmp_path: Path) -> None:
    (tmp_path / "v1/scans").mkdir(parents=True)
    (tmp_path / "v1/scans/one").write_bytes(bytes(70))
    assert measure(tmp_path)["scans"] == Part(1, 70)
    assert clear(tmp_path) == Part(1, 70)


def test_what_is_just_being_fetched_stays(tmp_path: Path) -> None:
    with open_cache(filled(tmp_path)) as cache, cache.blobs.receiving(BLOB, never) as arrival:
        assert arrival is not None
        assert clear(tmp_path).files == 4
        arrival.write(DATA)
        arrival.keep()
        assert cache.blobs.is_intact(BLOB, never)


def test_a_run_leaves_no_more_than_the_bound(tmp_path: Path) -> None:
    from contextlib import ExitStack

    from gate.cache import Cache

    filled(tmp_path)
    with ExitStack() as stack:
        put(Cache(tmp_path, stack, bound=2_000).blobs, b"\xff" * 1_000)
    assert blobs(tmp_path) == {255}
    assert sum(part.bytes for part in measure(tmp_path).values()) <= 2_000


def test_a_run_that_needs_no_cache_leaves_none(tmp_path: Path) -> None:
    with open_cache(tmp_path / "cache"):
        pass
    assert not (tmp_path / "cache").exists()
