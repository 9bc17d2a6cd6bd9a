"""Read tar streams strictly and fast: the hot path.

The reference is Go's `archive/tar`, with which container engines unpack layers: what it lists is listed the same way, or
refused where other readers would read it differently. So the view of a layer is never smaller than the engine's. Nothing is written, and contents are looked at only where the caller asks for them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TypeVar

from isal.isal_zlib import adler32
from msgspec.structs import replace

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci.tar_header import (
    DEVICES,
    DIRECTORY,
    ENTRIES,
    EXTENSIONS,
    LINKS,
    OLD_REGULAR,
    PAX_GLOBAL,
    REGULAR,
    Extension,
    Member,
    check_sum,
    cut_off,
    number,
    prefix,
)

BLOCK = 512

_ZEROS = bytes(BLOCK)
_GIT_ARCHIVE = b"pax_global_header"
_HEAD = 4
_FIELDS = struct.Struct("100s24s12s12s8xc188xc166x").unpack
"""Name; mode, user and group; size; time; type; and the first byte of the prefix."""
_MEMO = 4_096
"""Distinct values of a header field remembered."""

T = TypeVar("T")


class _Memo(dict[bytes, T]):
    """What header fields come to: owners, times and check sums repeat, and parsing them anew is what costs."""

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, field: bytes) -> T:
        value = self._parse(field)
        if len(self) < _MEMO:
            self[field] = value
        return value


class TarReader:
    """Iterates the members of a tar stream given as chunks.

    After a member is yielded, `content()` gives its bytes; what is not taken is skipped. The iteration ends only at a
    proper end of the archive, and consumes the stream to its last byte. Raises `MalformedImage` for anything broken or
    ambiguous and `Unavailable` for sparse files. Where the chunks come from a file, `advance(n)` may pass over its next
    `n` bytes without reading them; it raises where there are fewer.
    """

    def __init__(self, chunks: Iterator[bytes], advance: Callable[[int], object] | None = None) -> None:
        self._chunks = chunks
        self._advance = advance
        self._delivered = 0
        self._buffer = b""
        self._position = 0
        self._remaining = 0
        self._owners = _Memo(_owner)
        self._times = _Memo(number)
        self._sums = _Memo(_adler)

    def __iter__(self) -> Iterator[Member]:
        # Of 48,000 entries, every microsecond spent on one costs two percent of what inflating and hashing take. So a
        # plain file takes the shortest way, and all others share a slower one.
        owners, times = self._owners, self._times
        extension: Extension | None = None
        while header := self._header():
            name, owner, size_field, mtime_field, type_, prefixed = _FIELDS(header)
            if type_ in EXTENSIONS:
                extension = extension or Extension()
                extension.add(type_, self._extension(header))
                continue
            mode, uid, gid = owners[owner]
            size, mtime = number(size_field), times[mtime_field]
            name = name.partition(b"\0")[0]
            if type_ == REGULAR and prefixed == b"\0" and not extension and size >= 0 and name[-1:] != b"/":
                self._remaining = size
                start = self._position
                head = self._buffer[start : start + (size if size < _HEAD else _HEAD)]
                if len(head) < _HEAD:
                    head = self.peek(_HEAD)
                member = Member(name, type_, mode, uid, gid, size, mtime, head)
            else:
                member = Member(name, type_, mode, uid, gid, size, mtime)
                member = self._other(header, member, extension)
                extension = None
                size = member.size
            yield member
            if size:
                padding = -size % BLOCK
                position = self._position + self._remaining + padding
                if position <= len(self._buffer):
                    self._position = position
                    self._remaining = 0
                else:
                    self._skip(self._remaining)
                    self._take(padding)  # what does not close its archive, as umoci's insert, leaves it out
        if extension:
            raise MalformedImage("the tar stream ends after an extended header that has no entry")
        self._finish()

    def content(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the content of the current member as `(buffer, start, end)` ranges, without copying it."""
        while self._remaining:
            if self._position >= len(self._buffer):
                self._next_chunk()
            start = self._position
            end = min(start + self._remaining, len(self._buffer))
            self._position = end
            self._remaining -= end - start
            yield self._buffer, start, end

    def tell(self) -> int:
        """Return the position in the stream; right after a member is yielded, that of its content."""
        return self._delivered - len(self._buffer) + self._position

    def peek(self, size: int) -> bytes:
        """Return up to `size` first bytes of what is left of the current member's content, without taking them."""
        size = min(size, self._remaining)
        while len(self._buffer) - self._position < size:
            rest = self._buffer[self._position :]
            self._next_chunk()
            self._buffer = rest + self._buffer
        return self._buffer[self._position : self._position + size]

    def _header(self) -> bytes:
        """Return the next header block with its checksum verified, or nothing at the end of the archive.

        The sum of all bytes is what Adler-32 holds modulo 65,521, plus one; the sum of an ASCII block is always
        smaller. C code computes it in a fraction of the time of a sum in Python. A block of zeros never has the right one.
        """
        start = self._position
        self._position = end = start + BLOCK
        header = self._buffer[start:end]
        if len(header) < BLOCK:
            self._position = start
            header = self._take(BLOCK)
            if not header:
                return header
            if len(header) < BLOCK:
                raise cut_off()
        if adler32(header) & 0xFFFF != self._sums[header[148:156]] or not header.isascii():
            if header == _ZEROS:
                return b""
            check_sum(header)
        return header

    def _other(self, header: bytes, member: Member, extension: Extension | None) -> Member:
        """Complete an entry that is not a plain file with a short name, and settle its type and size.

        A name of old format that ends in a slash is a directory (POSIX.1-1988 archives have no type for one), and only
        regular files have content: sizes of links and directories count nothing, as in Go.
        """
        type_ = member.type
        if type_ not in ENTRIES:
            raise MalformedImage(f"a tar entry has the unknown type {type_!r}, which engines refuse")
        if header[345]:
            member = replace(member, name=prefix(header) + member.name)
        if type_ in LINKS:
            member = replace(member, link=header[157:257].partition(b"\0")[0])
        elif type_ in DEVICES:
            member = replace(member, device=(number(header[329:337]), number(header[337:345])))
        if extension:
            member = extension.apply(member)
        if type_ not in (REGULAR, OLD_REGULAR):
            return replace(member, size=0)
        if member.size < 0:
            raise MalformedImage("a tar entry has a negative size")
        if member.name[-1:] == b"/":
            if type_ == REGULAR or member.size:
                raise MalformedImage(f"a tar entry is both file and directory: {member.name[:200]!r}")
            return replace(member, type=DIRECTORY)
        self._remaining = member.size
        return replace(member, type=REGULAR, head=self.peek(_HEAD))

    def _extension(self, header: bytes) -> bytes:
        """Read the data of an extended header.

        A global one is only accepted where `git archive` writes it. Engines take it for an entry: containerd removes
        what the layer has at its name, and Go forgets the extended headers before it.
        """
        if header[156:157] == PAX_GLOBAL and (
            self.tell() != BLOCK or header[:100].rstrip(b"\0") != _GIT_ARCHIVE
        ):
            raise MalformedImage(
                "the tar stream has a global PAX header, which readers take for different things"
            )
        size = number(header[124:136])
        if not 0 <= size <= LIMITS.tar_record:
            raise MalformedImage(
                f"a tar extended header has {size:,} bytes; at most {LIMITS.tar_record:,} are read"
            )
        data = self._take(size)
        if len(data) < size:
            raise cut_off()
        self._skip(-size % BLOCK)
        return data

    def _take(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the stream."""
        data = self._buffer[self._position : self._position + size]
        self._position += len(data)
        while len(data) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._delivered += len(chunk)
            self._position = min(size - len(data), len(chunk))
            self._buffer = chunk
            data += chunk[: self._position]
        return data

    def _skip(self, size: int) -> None:
        """Pass over `size` bytes that nobody asked for."""
        if self._advance is not None and size > len(self._buffer) - self._position:
            size -= len(self._buffer) - self._position
            self._advance(size)
            self._delivered += size
            self._buffer, self._position, size = b"", 0, 0
        while size > len(self._buffer) - self._position:
            size -= len(self._buffer) - self._position
            self._next_chunk()
        self._position += size
        self._remaining = 0

    def _next_chunk(self) -> None:
        """Go on to the next chunk, inside an entry."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise cut_off()
        self._delivered += len(chunk)
        self._buffer, self._position = chunk, 0

    def _finish(self) -> None:
        """Accept the end of the archive: no marker at all, or zeros to the end of the stream.

        Entries behind a zero block are invisible to some readers and not to others.
        """
        rest: bytes | None = self._buffer[self._position :]
        while rest is not None:
            if rest.count(0) != len(rest):
                raise MalformedImage(
                    "the tar stream goes on after its end marker; readers differ on what follows"
                )
            rest = next(self._chunks, None)


def _owner(field: bytes) -> tuple[int, int, int]:
    """Parse mode, user and group."""
    return number(field[:8]), number(field[8:16]), number(field[16:])


def _adler(field: bytes) -> int:
    """Return the lower half that Adler-32 of a header has, if it is right and ASCII, by its checksum field."""
    return number(field) + sum(field) - len(field) * ord(" ") + 1
