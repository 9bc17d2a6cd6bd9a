"""Rows C1 to C10 of the hostile inputs: compression that hides content, lies about itself, or explodes.

One function per row yields its cases. The payload is a setuid `bin/sh` behind whatever a careless reader
stops at.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator

from samples.images.debian import RELEASE_12_0, release_files, status_file
from samples.images.entries import file, program
from samples.images.layers import Compression, Layer, compress, digest_of, layer_of, tar_of
from tests.kit.hostile import Expected, HostileLayers
from tests.kit.hostile_tar import SHELL, streamed_layer
from tests.kit.raw_tar import BLOCK, END, Header

ACCEPT, VIOLATION, UNKNOWN, INTEGRITY = (
    Expected.ACCEPT,
    Expected.VIOLATION,
    Expected.UNKNOWN,
    Expected.INTEGRITY,
)
PAYLOAD = {"etc/motd": file("hello\n"), "bin/sh": program(SHELL, 0o4755)}
GZIP, ZSTD = Compression.GZIP.value, Compression.ZSTD.value

Cases = Iterator[HostileLayers]


def c1_several_members() -> Cases:
    """Several gzip members or zstd frames: a decompressor that stops after one never sees `bin/sh`."""
    for compression in (Compression.GZIP, Compression.ZSTD):
        layer = layer_of(PAYLOAD, compression, 5)
        yield HostileLayers(
            "C1", f"{compression.name.lower()}-in-five-parts", VIOLATION, (layer,), ("bin/sh",)
        )
    layer = layer_of(PAYLOAD)
    empty = Layer(gzip.compress(b"", mtime=0) + layer.data, layer.diff_id)
    yield HostileLayers("C1", "empty-member-first", VIOLATION, (empty,), ("bin/sh",))


def c3_damaged() -> Cases:
    """A wrong check sum, a cut trailer, and garbage behind a complete stream."""
    for compression in (Compression.GZIP, Compression.ZSTD):
        tar, kind = tar_of(PAYLOAD), compression.name.lower()
        data = compress(tar, compression)
        damaged = {
            "cut": data[:-4],
            "cut-in-half": data[: len(data) // 2],
            "garbage-after": data + b"garbage",
            "zeros-after": data + bytes(BLOCK),
        }
        if compression is Compression.GZIP:
            damaged["bad-crc"] = data[:-8] + b"\0\0\0\0" + data[-4:]
            damaged["bad-length"] = data[:-4] + b"\0\0\0\0"
        for name, blob in damaged.items():
            yield HostileLayers(
                "C3", f"{kind}-{name}", INTEGRITY, (Layer(blob, digest_of(tar), compression.value),)
            )


def c4_wrong_media_type() -> Cases:
    """The media type names another compression than the bytes have."""
    tar = tar_of(PAYLOAD)
    for said, compression in (
        (Compression.NONE, Compression.GZIP),
        (GZIP, Compression.ZSTD),
        (ZSTD, Compression.GZIP),
        (GZIP, Compression.NONE),
    ):
        media_type = said if isinstance(said, str) else said.value
        layer = Layer(compress(tar, compression), digest_of(tar), media_type)
        name = f"{media_type.rpartition('.')[2].replace('+', '-')}-is-{compression.name.lower()}"
        yield HostileLayers("C4", name, VIOLATION | INTEGRITY, (layer,), ("bin/sh",))


def c5_unknown_media_type() -> Cases:
    """Layers that cannot be read: an unknown media type, and encryption as ocicrypt names it."""
    layer = layer_of(PAYLOAD)
    for name, media_type in (
        ("unknown", "application/vnd.example.layer"),
        ("encrypted", f"{GZIP}+encrypted"),
    ):
        yield HostileLayers("C5", name, UNKNOWN, (Layer(layer.data, layer.diff_id, media_type),))


def c6_bomb(size: int = 1 << 30) -> Cases:
    """A package database of 1 GiB of zeros in a blob of 1 MB."""
    header = Header(b"var/lib/dpkg/status", size=size).block()
    piece = bytes(1 << 20)
    zeros = (piece[: size - start] for start in range(0, size, len(piece)))
    parts = [header, *zeros, bytes(-size % BLOCK), END]
    yield HostileLayers("C6", f"status-of-{size}", ACCEPT | UNKNOWN | INTEGRITY, (streamed_layer(parts),))


def c7_repeated(count: int, size: int = 256 << 20) -> Cases:
    """The same bomb listed many times: one pass per digest is enough, and the number of layers is limited."""
    bomb = next(c6_bomb(size)).layers[0]
    expected = ACCEPT | UNKNOWN | INTEGRITY if count <= 500 else INTEGRITY
    yield HostileLayers("C7", f"{count}-times-{size}", expected, (bomb,) * count)


def c8_nested_archives(levels: int = 5, width: int = 8, size: int = 10 << 20) -> Cases:
    """Jars in jars in jars, with zeros at the bottom: what a scanner gives up on counts as not looked at."""
    content, name = bytes(size), "zeros.bin"
    for level in range(levels):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for number in range(width):
                member = zipfile.ZipInfo(f"{number}-{name}", (1980, 1, 1, 0, 0, 0))
                archive.writestr(member, content, zipfile.ZIP_DEFLATED)
        content, name = stream.getvalue(), f"level{level}.jar"
    layer = layer_of({**release_files(), **status_file(RELEASE_12_0), "app/bomb.jar": file(content)})
    yield HostileLayers("C8", f"{levels}-levels", ACCEPT | UNKNOWN | VIOLATION, (layer,), ("app/bomb.jar",))


def c9_other_compressions() -> Cases:
    """Compressions that no OCI media type names: not looked at, unless the gate supports them."""
    tar = tar_of(PAYLOAD)
    packed = {
        "bzip2": bz2.compress(tar),
        "xz": lzma.compress(tar),
        "lz4": bytes.fromhex("04224d186440a7") + tar,
    }
    for name, data in packed.items():
        for media_type in (f"{Compression.NONE.value}+{name}", GZIP):
            case = f"{name}-as-{'itself' if name in media_type else 'gzip'}"
            yield HostileLayers("C9", case, UNKNOWN | INTEGRITY, (Layer(data, digest_of(tar), media_type),))


def c10_countless_members(count: int = 30_000) -> Cases:
    """Members and frames that hold nothing: each costs as much as some KiB of content, and has down to eight bytes."""
    nothing = {
        "empty-members": (Compression.GZIP, gzip.compress(b"", mtime=0)),
        "empty-frames": (Compression.ZSTD, compress(b"", Compression.ZSTD)),
        "skippable-frames": (Compression.ZSTD, bytes.fromhex("502a4d1800000000")),
    }
    for name, (compression, member) in nothing.items():
        layer = layer_of(PAYLOAD, compression)
        countless = Layer(member * count + layer.data, layer.diff_id, compression.value)
        yield HostileLayers("C10", name, INTEGRITY, (countless,))


def cases() -> list[HostileLayers]:
    """Every case that is small and quick to build: all rows but C6, C7 and C8."""
    rows = (
        c1_several_members,
        c3_damaged,
        c4_wrong_media_type,
        c5_unknown_media_type,
        c9_other_compressions,
        c10_countless_members,
    )
    return [case for row in rows for case in row()]
