"""Verify and expand content while it is read: no byte is believed before its digest is checked to the end."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS, MIB
from gate.oci.descriptor import LAYER_TYPES, Descriptor, Digest
from gate.oci.image import Layer

_READ = 256 * 1024
"""One read of stored bytes. Gzip layers of many members (eStargz has one per file) make every decompressor copy what
follows its member, so a step is smaller than `LIMITS.chunk`, and still large enough to release the interpreter lock."""

_WINDOW_LOG_MAX = 26
"""Zstandard windows up to 64 MiB: what encoders use short of `--ultra` and `--long`, and two of them fit in memory."""
_WINDOW_REFUSED = "requires too much memory"
"""What zstd says then (lib/common/error_private.c)."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = (b"\x2a\x4d\x18", range(0x50, 0x60))
_UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4", b"\x5d\x00\x00": "lzma"}


def read_verified(
    stream: BinaryIO, descriptor: Descriptor, what: str, *, limit: int = LIMITS.document
) -> bytes:
    """Read a whole document and return it once size and digest are right; raises `IntegrityError` or `MalformedImage`."""
    if descriptor.size > limit:
        raise MalformedImage(f"{what} is said to have {descriptor.size:,} bytes; at most {limit:,} are read")
    data = stream.read(descriptor.size + 1)
    check_digest(hashlib.new(descriptor.digest.algorithm, data), len(data), descriptor, what)
    return data


def check_digest(hashed: Any, size: int, descriptor: Descriptor, what: str) -> None:
    """Raise `IntegrityError` unless `size` bytes that went into `hashed` (of hashlib) are what `descriptor` states."""
    if size != descriptor.size:
        raise IntegrityError(
            f"{what} has {'at least ' if size > descriptor.size else ''}{size:,} bytes where its descriptor states"
            f" {descriptor.size:,}"
        )
    _check_sum(hashed, descriptor.digest, what)


def tar_stream(layer: Layer, *, sink: Callable[[bytes], object] | None = None) -> Iterator[bytes]:
    """Yield the tar stream of a layer in chunks of at most `LIMITS.chunk` bytes, checking everything on the way.

    Stored size, stored digest and diff ID are checked when the stream ends, so it must be read to its end before what
    it said is believed. `sink` receives the stored bytes as they are read. Raises `IntegrityError`, `MalformedImage`
    for broken compression or a passed limit, and `Unavailable` for a format that cannot be read.
    """
    descriptor = layer.descriptor
    if descriptor.media_type not in LAYER_TYPES:
        raise Unavailable(
            f"layer {descriptor.digest.short} has the media type {descriptor.media_type[:100]!r}",
            hint="encrypted and foreign formats cannot be inspected here; tar, gzip and zstd layers can",
        )
    name = f"layer {descriptor.digest.short}"
    diff = hashlib.new(layer.diff_id.algorithm)
    size = 0
    bound = max(LIMITS.ratio_floor, LIMITS.layer_ratio * descriptor.size)
    _keep_memory()
    for chunk in expanded(_stored(layer, name, sink), name):
        diff.update(chunk)
        size += len(chunk)
        if size > bound or size > LIMITS.layer_expanded:
            raise MalformedImage(f"{name} expands to more than {min(bound, LIMITS.layer_expanded):,} bytes")
        yield chunk
    _check_sum(diff, layer.diff_id, f"the tar stream of {name}")


def drain(layer: Layer, *, sink: Callable[[bytes], object] | None = None) -> None:
    """Read the stored bytes of a layer to their end, and check size and digest; raises `IntegrityError`."""
    for _ in _stored(layer, f"layer {layer.descriptor.digest.short}", sink):
        pass


def _keep_memory() -> None:
    """Let the memory of one chunk serve the next.

    The allocator of glibc gives a freed chunk back to the system, unless it has seen a much larger block freed, and
    bringing every chunk back costs 3 % of the pass in page faults. A block that nobody writes to costs nothing.
    """
    bytes(4 * LIMITS.chunk)


def _stored(layer: Layer, name: str, sink: Callable[[bytes], object] | None) -> Iterator[bytes]:
    """Yield the stored bytes; checks their size and digest at the end."""
    descriptor = layer.descriptor
    stored = hashlib.new(descriptor.digest.algorithm)
    size = 0
    with layer.open() as stream:
        while data := _read(stream, name):
            size += len(data)
            if size > descriptor.size:
                break
            stored.update(data)
            if sink is not None:
                sink(data)
            yield data
    check_digest(stored, size, descriptor, name)


def _read(stream: BinaryIO, name: str) -> bytes:
    """Read the next stored bytes; a disk that fails says nothing about the image."""
    try:
        return stream.read(_READ)
    except OSError as error:
        raise Unavailable(
            f"{name} cannot be read: {error.strerror or error}", hint="look at the disk, or copy the image"
        ) from None


def expanded(stored: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Inflate by what the bytes are, not by what a name or media type claims, as container engines do.

    How much may come is for the caller to bound. `name` names the stream in errors.
    """
    head = b""
    for data in stored:
        head += data
        if len(head) >= 6:
            break
    for magic, format_name in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise Unavailable(
                f"{name} is compressed with {format_name}", hint="tar, gzip and zstd layers can be read"
            )
    if head.startswith(_GZIP):
        yield from _inflate(head, stored, _gzip(), name)
    elif _is_zstd(head):
        yield from _inflate(head, stored, _zstd(), name)
    else:
        yield head
        yield from stored


def _is_zstd(head: bytes) -> bool:
    """Whether a stream starts with a Zstandard frame, a skippable one included (RFC 8878, section 3.1)."""
    return head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE[0] and head[0] in _ZSTD_SKIPPABLE[1])


class _Decompressor(Protocol):
    """What gzip and zstd decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the member or frame has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is no more output without more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the end of the member or frame."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; call again with nothing until `needs_input`."""


class _Codec(Struct, frozen=True):
    """How to start a member or frame, and what its decompressor raises for broken input."""

    start: Callable[[], _Decompressor]
    error: type[Exception]


def _gzip() -> _Codec:
    """Gzip through ISA-L, which inflates about 2.5 times as fast as zlib and checks the CRC."""
    from isal import igzip_lib

    return _Codec(lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), igzip_lib.IsalError)  # type: ignore[arg-type]  # typed as an instance


def _zstd() -> _Codec:
    """Zstandard with a bounded window."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    return _Codec(lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError)


def _inflate(head: bytes, stored: Iterator[bytes], codec: _Codec, name: str) -> Iterator[bytes]:
    """Inflate all members or frames, one after the other, to the last stored byte.

    Readers that stop after the first member miss what engines unpack from the second. Members and frames must hold
    something: a MiB of empty ones would take seconds.
    """
    decompressor = codec.start()
    data = head
    members, size = 1, len(head)
    while True:
        try:
            chunk = decompressor.decompress(data, LIMITS.chunk)
        except codec.error as error:
            if _WINDOW_REFUSED in str(error):
                raise MalformedImage(
                    f"{name} needs a zstd window of more than {(1 << _WINDOW_LOG_MAX) // MIB} MiB to be expanded",
                    hint="compress it without the options --long and --ultra",
                ) from None
            raise MalformedImage(f"{name} is not a valid compressed stream: {error}") from None
        if chunk:
            yield chunk
        ended = decompressor.eof
        data = decompressor.unused_data if ended else b""
        if not data and (ended or decompressor.needs_input):
            data = next(stored, b"")
            size += len(data)
            if not data and ended:
                return
            if not data:
                raise MalformedImage(f"{name} is cut off inside its compressed stream")
        if ended:
            members += 1
            if members > LIMITS.members_floor + size // LIMITS.member_size:
                raise MalformedImage(
                    f"{name} consists of gzip members or zstd frames of less than {LIMITS.member_size} bytes"
                )
            decompressor = codec.start()


def _check_sum(found: Any, digest: Digest, what: str) -> None:
    """Compare digests."""
    if found.hexdigest() != digest.encoded:
        raise IntegrityError(
            f"{what} hashes to {digest.algorithm}:{found.hexdigest()}, not to {digest}",
            hint="the content was altered or damaged; fetch or build the image again",
        )
