"""The hostile constructions themselves: every case has its own name, and the raw blocks are honest where nothing is bent."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from samples.images.layers import digest_of
from tests.kit import hiding, hostile_archives, hostile_compression, hostile_images, hostile_tar
from tests.kit.hostile import HostileLayers
from tests.kit.raw_tar import END, Header, extended, long_name, member, negative_base256, records

LAYER_CASES = [*hostile_tar.cases(), *hostile_compression.cases(), *hiding.layer_cases()]
IMAGE_CASES = [*hostile_images.cases(), *hostile_archives.cases(), *hiding.cases()]


def test_every_case_has_its_own_name() -> None:
    names = Counter(str(case) for case in [*LAYER_CASES, *IMAGE_CASES])
    assert [name for name, count in names.items() if count > 1] == []


def test_rows_that_are_there() -> None:
    rows = {case.row for case in LAYER_CASES} | {case.row for case in IMAGE_CASES}
    tar = {f"T{number}" for number in (1, 2, 4, 5, 9, *range(12, 23), 26, 27, 29, 30)}
    documents = {f"J{number}" for number in (1, 2, 3, 6, 7, 8, 9, 11, 12, 13, 14, 16, 18, 19, 21)} | {
        "I1",
        "I3",
        "I5",
    }
    hidden = {f"E{number}" for number in (*range(1, 8), *range(9, 15), *range(17, 21), 22, 23)}
    compressed = {f"C{number}" for number in (1, 3, 4, 5, 9, 10)}
    assert rows == tar | documents | hidden | compressed | {"D1", "D3", "D4", "D5", "D6"}


def test_every_case_can_be_written(tmp_path: Path) -> None:
    for layers in LAYER_CASES:
        assert (layers.write(tmp_path / str(layers).replace("/", "_")) / "index.json").exists()
    for image in IMAGE_CASES:
        assert image.write(tmp_path).exists()


def test_raw_blocks_are_honest() -> None:
    link = Header(b"opt/link", b"2", linkname=b"tool").block()
    tar = (
        member(b"opt/tool", b"content", b"0004755")
        + link
        + extended(records(path=b"opt/renamed"))
        + member(b"x")
    )
    with tarfile.open(fileobj=io.BytesIO(tar + long_name(b"y" * 150) + member(b"y") + END)) as archive:
        tool, second, renamed, long = archive
        extracted = archive.extractfile(tool)
        assert extracted is not None
        assert extracted.read() == b"content"
    assert (tool.mode, second.linkname, renamed.name, long.name) == (0o4755, "tool", "opt/renamed", "y" * 150)


@pytest.mark.parametrize("size", [-1, -512, -(1 << 40)])
def test_negative_sizes_are_what_they_say(size: int) -> None:
    field = negative_base256(size)
    assert len(field) == 12
    assert int.from_bytes(field, "big", signed=True) == size


@pytest.mark.parametrize(
    "case",
    [
        next(hostile_tar.t24_huge_record(1 << 20)),
        next(hostile_tar.t25_many_entries(5_000)),
        next(hostile_compression.c6_bomb(1 << 20)),
        next(hostile_compression.c7_repeated(40, 1 << 20)),
    ],
    ids=str,
)
def test_large_constructions_have_true_digests(case: HostileLayers) -> None:
    for layer in case.layers:
        assert layer.diff_id == digest_of(layer.tar())
