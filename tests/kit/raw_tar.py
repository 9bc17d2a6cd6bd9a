"""Tar blocks byte by byte: any field of a header may hold anything (ustar, GNU and PAX extensions)."""

from __future__ import annotations

from dataclasses import dataclass

from samples.images.layers import pax_record

BLOCK = 512
END = bytes(2 * BLOCK)


@dataclass(frozen=True, slots=True)
class Header:
    """One header block; fields are raw bytes as they stand in the block, filled up with NUL.

    `size` may be a number or the raw field; `checksum` of None computes the right one. `prefix` is the field
    behind the device numbers, whose bytes GNU uses otherwise.
    """

    name: bytes
    typeflag: bytes = b"0"
    size: int | bytes = 0
    linkname: bytes = b""
    mode: bytes = b"0000755"
    owner: bytes = b"0000000"
    modified: bytes = b"00000000000"
    magic: bytes = b"ustar\x0000"
    prefix: bytes = b""
    checksum: bytes | None = None

    def block(self) -> bytes:
        """The 512 bytes of the header."""
        size = self.size if isinstance(self.size, bytes) else b"%011o" % self.size
        fields = (
            (self.name, 100),
            (self.mode, 8),
            (self.owner, 8),
            (self.owner, 8),
            (size, 12),
            (self.modified, 12),
            (b" " * 8, 8),
            (self.typeflag, 1),
            (self.linkname, 100),
            (self.magic, 8),
            (b"", 64),  # user and group name
            (b"0000000\0" * 2, 16),
            (self.prefix, 167),
        )
        block = b"".join(content.ljust(length, b"\0")[:length] for content, length in fields)
        checksum = b"%06o\0 " % sum(block) if self.checksum is None else self.checksum
        return block[:148] + checksum.ljust(8, b"\0")[:8] + block[156:]


def padded(content: bytes) -> bytes:
    """Content filled up with NUL to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def member(name: bytes, content: bytes = b"", mode: bytes = b"0000755") -> bytes:
    """An honest regular file."""
    return Header(name, size=len(content), mode=mode).block() + padded(content)


def extended(records: bytes, typeflag: bytes = b"x", name: bytes = b"PaxHeaders.0/x") -> bytes:
    """An extended header (`x`), a global one (`g`) or that of Solaris (`X`) with these records."""
    return Header(name, typeflag, len(records), mode=b"0000644").block() + padded(records)


def long_name(path: bytes, typeflag: bytes = b"L") -> bytes:
    """GNU's long name (`L`) or long link target (`K`) for the next header."""
    return Header(b"././@LongLink", typeflag, len(path) + 1, magic=b"ustar  \0").block() + padded(
        path + b"\0"
    )


def records(**pairs: bytes) -> bytes:
    """PAX records; an underscore in a key stands for a dot."""
    return b"".join(pax_record(key.replace("_", "."), value) for key, value in pairs.items())


def negative_base256(size: int) -> bytes:
    """GNU's base-256 form of a size in the 12 bytes of the field, in two's complement."""
    return (size & (1 << 96) - 1 | 1 << 95).to_bytes(12, "big")
