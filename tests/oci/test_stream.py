"""Streams: every byte is inflated by what it is, hashed, counted and read to its end before anything is believed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import random
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import stream
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.stream import read_verified, tar_stream
from samples.images.layers import Compression, Layer, compress, digest_of
from tests.kit import hostile_compression
from tests.kit.hostile import Expected, HostileLayers
from tests.kit.raw_tar import Header
from tests.kit.trees import StoredLayer, stored

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NONE, GZIP, ZSTD = Compression.NONE, Compression.GZIP, Compression.ZSTD
CONTENT = random.Random(1).randbytes(3000) + b"compressible " * 2000


def layer(data: bytes, content: bytes, compression: Compression = GZIP) -> StoredLayer:
    """A layer of these stored bytes, which are said to hold `content`."""
    return stored(Layer(data, digest_of(content), compression.value))


def read(source: StoredLayer) -> bytes:
    return b"".join(tar_stream(source))


def limited(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    monkeypatch.setattr(stream, "LIMITS", changed(LIMITS, **bounds))


# --- what is accepted --------------------------------------------------------------------------------------------


@given(st.binary(max_size=5000).map(b"tar".__add__), st.sampled_from(Compression), st.integers(1, 4))
def test_what_was_compressed_is_inflated(content: bytes, compression: Compression, parts: int) -> None:
    assert read(layer(compress(content, compression, parts), content)) == content


@pytest.mark.parametrize("said", Compression)
@pytest.mark.parametrize("done", Compression)
def test_the_bytes_decide_not_the_media_type(said: Compression, done: Compression) -> None:
    assert read(layer(compress(CONTENT, done), CONTENT, said)) == CONTENT


@pytest.mark.parametrize("compression", [GZIP, ZSTD])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_reads_may_be_short(compression: Compression, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members and frames end anywhere in a read."""
    monkeypatch.setattr(stream, "_READ", size)
    assert read(layer(compress(CONTENT, compression, 3), CONTENT)) == CONTENT


@pytest.mark.parametrize("start", [0x50, 0x5F])
def test_skippable_frames_of_zstd_are_skipped(start: int) -> None:
    skippable = bytes([start]) + b"\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"
    frame = zstd.compress(CONTENT)
    for data in (skippable + frame, frame + skippable, skippable + frame + frame):
        assert read(layer(data, CONTENT * (1 + data.count(frame) // 2))) == CONTENT * data.count(frame)


@pytest.mark.parametrize("content", [b"", b"\x1f", b"(\xb5", b"\x5f\x2a\x4d", bytes(1024), b"PK"])
def test_short_streams_are_tar(content: bytes) -> None:
    assert read(layer(content, content, NONE)) == content


@pytest.mark.parametrize("compression", Compression)
def test_chunks_are_bounded(compression: Compression) -> None:
    content = bytes(5 << 20)
    sizes = [len(chunk) for chunk in tar_stream(layer(compress(content, compression), content))]
    assert sum(sizes) == len(content)
    assert max(sizes) <= LIMITS.chunk


def test_gzip_with_every_optional_field() -> None:
    """A header may hold extra data, a name, a comment and a check sum of its own (RFC 1952)."""
    plain = gzip.compress(CONTENT, mtime=0)
    header = plain[:3] + bytes([2 | 4 | 8 | 16]) + plain[4:10] + b"\x04\0abcd" + b"name\0" + b"comment\0"
    check = (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    assert read(layer(header + check + plain[10:], CONTENT)) == CONTENT


# --- what is checked ---------------------------------------------------------------------------------------------


def test_the_sink_receives_what_is_stored() -> None:
    data, received = compress(CONTENT, GZIP, 3), bytearray()
    assert b"".join(tar_stream(layer(data, CONTENT), sink=received.extend)) == CONTENT
    assert received == data


@pytest.mark.parametrize("compression", Compression)
def test_another_digest_size_or_content_is_an_integrity_error(compression: Compression) -> None:
    honest = layer(compress(CONTENT, compression), CONTENT)
    other = Digest("sha256", "0" * 64)
    size = honest.descriptor.size
    for wrong, message in (
        (replace(honest, descriptor=changed(honest.descriptor, digest=other)), "hashes to sha256:"),
        (replace(honest, diff_id=other), "the tar stream of layer .* hashes to"),
        (replace(honest, descriptor=changed(honest.descriptor, size=size - 1)), "has at least"),
        (replace(honest, descriptor=changed(honest.descriptor, size=size + 1)), f"has {size:,} bytes where"),
    ):
        with pytest.raises(IntegrityError, match=message) as caught:
            read(wrong)
        assert caught.value.blocks


def test_sha512_is_verified_too() -> None:
    data = compress(CONTENT, GZIP)
    digests = [Digest("sha512", hashlib.sha512(each).hexdigest()) for each in (data, CONTENT)]
    source = StoredLayer(Descriptor(GZIP.value, digests[0], len(data)), digests[1], data)
    assert read(source) == CONTENT
    with pytest.raises(IntegrityError, match="sha512"):
        read(replace(source, diff_id=digests[0]))


def test_no_more_is_read_than_the_descriptor_states() -> None:
    """An endless source ends soon after the stated size."""
    read_bytes = 0

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            nonlocal read_bytes
            read_bytes += size
            return bytes(size)

    class EndlessLayer(StoredLayer):
        def open(self) -> BinaryIO:
            return Endless()  # type: ignore[return-value]

    honest = layer(bytes(1000), bytes(1000), NONE)
    with pytest.raises(IntegrityError, match="at least"):
        read(EndlessLayer(honest.descriptor, honest.diff_id, b""))
    assert read_bytes <= 1 << 20


def test_the_source_is_closed_whatever_happens() -> None:
    opened: list[io.BytesIO] = []

    class Watched(StoredLayer):
        def open(self) -> BinaryIO:
            opened.append(io.BytesIO(self.data))
            return opened[-1]

    def watched(data: bytes) -> Iterator[bytes]:
        source = layer(data, CONTENT)
        return tar_stream(Watched(source.descriptor, source.diff_id, data))

    assert b"".join(watched(compress(CONTENT, GZIP))) == CONTENT
    with pytest.raises(MalformedImage):
        list(watched(compress(CONTENT, GZIP)[:-1]))
    abandoned = watched(compress(CONTENT, GZIP))
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    assert [each.closed for each in opened] == [True] * 3


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [GZIP, ZSTD])
def test_the_ratio_is_limited_above_a_floor(
    compression: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(100_000)
    bomb = layer(compress(content, compression), content)
    limited(monkeypatch, ratio_floor=100_000, layer_ratio=10)
    assert read(bomb) == content
    limited(monkeypatch, ratio_floor=99_999, layer_ratio=10)
    with pytest.raises(MalformedImage, match="expands to more than 99,999 bytes"):
        read(bomb)
    limited(monkeypatch, ratio_floor=0, layer_ratio=-(-100_000 // bomb.descriptor.size))
    assert read(bomb) == content


def test_the_expanded_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, layer_expanded=len(CONTENT) - 1)
    with pytest.raises(MalformedImage, match="expands to more than"):
        read(layer(CONTENT, CONTENT, NONE))
    limited(monkeypatch, layer_expanded=len(CONTENT))
    assert read(layer(CONTENT, CONTENT, NONE)) == CONTENT


@pytest.mark.parametrize("compression", [GZIP, ZSTD])
def test_the_number_of_members_is_limited(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their average size, once there are more than a floor."""
    member = compress(b"content", compression)
    many = layer(member * 20, b"content" * 20, compression)
    for floor, size in ((20, 1 << 20), (0, len(member)), (10, 2 * len(member))):
        limited(monkeypatch, members_floor=floor, member_size=size)
        assert read(many) == b"content" * 20
    for floor, size in ((19, 1 << 20), (0, len(member) + 1), (9, 2 * len(member))):
        limited(monkeypatch, members_floor=floor, member_size=size)
        with pytest.raises(MalformedImage, match=f"frames of less than {size} bytes"):
            read(many)


@pytest.mark.slow
@pytest.mark.parametrize("compression", [GZIP, ZSTD])
def test_a_member_for_each_small_file_is_accepted(compression: Compression) -> None:
    """As eStargz and zstd:chunked have them, whose smallest hold a byte of content and the next tar header."""
    members = [
        content
        for number in range(3_000)
        for content in (b"x", bytes(511) + Header(b"srv/%d" % number, size=1).block())
    ]
    data = b"".join(compress(content, compression) for content in members)
    content = b"".join(members)
    assert read(layer(data, content, compression)) == content


def test_windows_of_zstd_are_limited() -> None:
    """A frame that asks for a window of 128 MiB, as `--long=27` does."""
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(CONTENT) + compressor.flush()
    with pytest.raises(MalformedImage, match="needs a zstd window of more than 64 MiB"):
        read(layer(data, CONTENT))


# --- hostile rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", hostile_compression.cases(), ids=str)
def test_hostile_compression(case: HostileLayers) -> None:
    try:
        for each in case.layers:
            read(stored(each))
    except IntegrityError:
        assert Expected.INTEGRITY in case.expected
    except Unavailable:
        assert Expected.UNKNOWN in case.expected
    else:
        assert Expected.VIOLATION in case.expected


@pytest.mark.slow
@pytest.mark.parametrize("compression", [GZIP, ZSTD])
def test_damage_is_noticed(compression: Compression) -> None:
    """Whatever a flipped bit does to the format, other content is never taken for the layer's."""
    chance = random.Random(7)
    for _ in range(1_500):
        data = bytearray(compress(CONTENT, compression, chance.choice((1, 3))))
        data[chance.choice((chance.randrange(len(data)), chance.randrange(30)))] ^= 1 << chance.randrange(8)
        del data[chance.choice((len(data), chance.randrange(len(data)))) :]
        try:
            assert read(layer(bytes(data), CONTENT)) == CONTENT
        except Unavailable:
            continue


# --- documents ---------------------------------------------------------------------------------------------------


def described(data: bytes, **other: object) -> Descriptor:
    return changed(Descriptor("text/plain", Digest.parse(digest_of(data)), len(data)), **other)


def test_a_document_is_returned_once_it_is_verified() -> None:
    assert read_verified(io.BytesIO(b"{}"), described(b"{}"), "the manifest") == b"{}"


@pytest.mark.parametrize(
    ("data", "stated", "message"),
    [
        (b"{} ", described(b"{}"), "the manifest has at least 3 bytes where its descriptor states 2"),
        (b"{", described(b"{}"), "the manifest has 1 bytes where its descriptor states 2"),
        (b"[]", described(b"{}"), "the manifest hashes to"),
        (b"{}", described(b"{}", size=LIMITS.document + 1), "at most 4,194,304 are read"),
    ],
)
def test_other_documents_are_integrity_errors(data: bytes, stated: Descriptor, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        read_verified(io.BytesIO(data), stated, "the manifest")


def test_a_document_has_the_limit_its_reader_sets() -> None:
    with pytest.raises(MalformedImage, match="at most 1 are read"):
        read_verified(io.BytesIO(b"{}"), described(b"{}"), "the signature", limit=1)


def test_a_disk_that_fails_leaves_the_layer_unknown() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002
            raise OSError(errno.EIO, "Input/output error")

    class OnFailingDisk:
        descriptor = layer(b"", CONTENT).descriptor
        diff_id = layer(b"", CONTENT).diff_id

        def open(self) -> BinaryIO:
            return Failing()

    with pytest.raises(Unavailable, match="cannot be read: Input/output error") as caught:
        list(tar_stream(OnFailingDisk()))
    assert not caught.value.blocks
