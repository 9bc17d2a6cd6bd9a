"""Layers: entries, tar, compressed bytes, and their digests. Equal input gives equal bytes."""

from __future__ import annotations

import enum
import gzip
import hashlib
import sys
import tarfile
from dataclasses import dataclass
from typing import Literal

from samples.images.entries import Entries, Entry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Compression(enum.Enum):
    """How a layer is compressed; the value is the OCI media type (image specification, layer.md)."""

    NONE = "application/vnd.oci.image.layer.v1.tar"
    GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
    ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as it stands in a registry: `data` is the blob, `diff_id` the digest of the tar inside it."""

    data: bytes
    diff_id: str
    media_type: str = Compression.GZIP.value

    @property
    def digest(self) -> str:
        """The digest of the blob."""
        return digest_of(self.data)

    def tar(self) -> bytes:
        """The uncompressed tar, as `docker save` writes it."""
        if self.media_type.endswith("gzip"):
            return gzip.decompress(self.data)
        return zstd.decompress(self.data) if self.media_type.endswith("zstd") else self.data


def digest_of(data: bytes) -> str:
    """The OCI digest of some bytes, `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(entries: Entries) -> bytes:
    """A tar archive of exactly these entries in this order, with the headers of the standard library."""
    return b"".join(_member(path, entry) for path, entry in entries.items()) + bytes(2 * tarfile.BLOCKSIZE)


def layer_of(entries: Entries, compression: Compression = Compression.GZIP, parts: int = 1) -> Layer:
    """A layer of these entries; `parts` is the number of gzip members or zstd frames in the blob."""
    return layer_from_tar(tar_of(entries), compression, parts)


def layer_from_tar(tar: bytes, compression: Compression = Compression.GZIP, parts: int = 1) -> Layer:
    """A layer whose tar bytes are given, honest or not."""
    return Layer(compress(tar, compression, parts), digest_of(tar), compression.value)


def compress(data: bytes, compression: Compression, parts: int = 1) -> bytes:
    """Compress in `parts` pieces of about equal size; no time stamp goes into the result."""
    if compression is Compression.NONE:
        return data
    step = max(1, -(-len(data) // parts))
    pieces = [data[start : start + step] for start in range(0, len(data), step)] or [b""]
    if compression is Compression.GZIP:
        return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
    return b"".join(zstd.compress(piece) for piece in pieces)


def pax_record(key: str, value: bytes) -> bytes:
    r"""One PAX extended header record, `LENGTH KEY=VALUE\n`; the length counts itself (POSIX.1-2001)."""
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def _member(path: str, entry: Entry) -> bytes:
    header = tarfile.TarInfo(path)
    header.type, header.mode, header.mtime = entry.kind.value, entry.mode, entry.modified
    header.uid, header.gid, header.linkname = entry.user, entry.group, entry.target
    header.devmajor, header.devminor = entry.device
    header.size = len(entry.content)
    if not entry.extended_attributes:
        return header.tobuf(tarfile.PAX_FORMAT) + _padded(entry.content)
    # `tarfile` marks binary values with a record `hdrcharset=BINARY`, which no container tool writes: so that
    # header is made here.
    records = b"".join(
        pax_record(f"SCHILY.xattr.{key}", value) for key, value in entry.extended_attributes.items()
    )
    extended = tarfile.TarInfo("PaxHeaders.0/attributes")
    extended.type, extended.size = tarfile.XHDTYPE, len(records)
    ustar: Literal[0] = (
        tarfile.USTAR_FORMAT
    )  # raises ValueError where a second extended header would be needed
    return extended.tobuf(ustar) + _padded(records) + header.tobuf(ustar) + _padded(entry.content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)
