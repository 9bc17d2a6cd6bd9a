"""Read tar streams strictly and fast: the hot path.

The reference is Go's `archive/tar`, with which container engines unpack layers: what it reads is read the same way, what
it refuses is refused, and what other readers would read differently is refused too. So the view of a layer is never
smaller than the engine's. Nothing is written, and contents are looked at only where the caller asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isal.isal_zlib import adler32

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci.tar_header import (
    DEVICES,
    DIRECTORY,
    ENTRIES,
    EXTENSIONS,
    LINKS,
    OLD_REGULAR,
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
_HEAD = 4
_MEMO = 4_096
"""Distinct header fields remembered: owners, sizes and times repeat, and parsing them anew is what costs."""


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
        self._numbers: dict[bytes, int] = {}
        self._owners: dict[bytes, tuple[int, int, int]] = {}
        self._sums: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Member]:
        extension = Extension()
        extended = False
        while header := self._header():
            type_ = header[156:157]
            if type_ in EXTENSIONS:
                extension.add(type_, self._extension(header))
                extended = True
                continue
            member = self._member(header, type_)
            if extended:
                if extension:
                    member = extension.apply(member)
                    extension = Extension()
                extended = False
            size = member.size
            if size or type_ == OLD_REGULAR:
                member = self._with_content(member)
                size = member.size
            yield member
            skip = self._remaining + (-size % BLOCK)
            if skip:
                position = self._position + skip
                if position <= len(self._buffer):
                    self._position = position
                    self._remaining = 0
                else:
                    self._skip(skip)
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
        smaller. C code computes it in a fraction of the time of a sum in Python.
        """
        start = self._position
        self._position = end = start + BLOCK
        header = self._buffer[start:end]
        if len(header) < BLOCK:
            self._position = start
            header = self._take(BLOCK)
            if 0 < len(header) < BLOCK:
                raise cut_off()
        if not header or (not header[0] and header == _ZEROS):
            return b""
        field = header[148:156]
        expected = self._sums.get(field)
        if expected is None:
            expected = number(field) + sum(field) - len(field) * ord(" ") + 1
            if len(self._sums) < _MEMO:
                self._sums[field] = expected
        if adler32(header) & 0xFFFF != expected or not header.isascii():
            check_sum(header)
        return header

    def _member(self, header: bytes, type_: bytes) -> Member:
        """Read the fields of one header block; the first bytes of the content come later."""
        owner = header[100:124]
        owned = self._owners.get(owner)
        if owned is None:
            owned = (number(owner[:8]), number(owner[8:16]), number(owner[16:]))
            if len(self._owners) < _MEMO:
                self._owners[owner] = owned
        mode, uid, gid = owned
        numbers = self._numbers
        size, mtime = numbers.get(header[124:136]), numbers.get(header[136:148])
        if size is None or mtime is None:
            size, mtime = self._number(header[124:136]), self._number(header[136:148])
        name = header[:100].partition(b"\0")[0]
        if header[345]:
            name = prefix(header) + name
        link, device = b"", None
        if type_ != REGULAR and type_ != DIRECTORY:
            if type_ not in ENTRIES:
                raise MalformedImage(f"a tar entry has the unknown type {type_!r}, which engines refuse")
            if type_ in LINKS:
                link = header[157:257].partition(b"\0")[0]
            elif type_ in DEVICES:
                device = (number(header[329:337]), number(header[337:345]))
        # What NamedTuple generates would check the count of fields once more, in Python.
        return tuple.__new__(Member, (name, type_, mode, uid, gid, size, mtime, link, device, _NO_XATTRS, b""))

    def _with_content(self, member: Member) -> Member:
        """Decide type and size once name and size are final, and look at the first bytes of the content.

        A name of old format that ends in a slash is a directory (POSIX.1-1988 archives have no type for one), and only
        regular files have content: sizes of links and directories count nothing, as in Go.
        """
        name, type_, mode, uid, gid, size, mtime, link, device, xattrs, _ = member
        if type_ != REGULAR and type_ != OLD_REGULAR:
            return member._replace(size=0)
        if size < 0:
            raise MalformedImage("a tar entry has a negative size")
        if name[-1:] == b"/":
            if type_ == REGULAR or size:
                raise MalformedImage(f"a tar entry is both file and directory: {name[:200]!r}")
            return member._replace(type=DIRECTORY)
        self._remaining = size
        position = self._position
        head = self._buffer[position : position + (size if size < _HEAD else _HEAD)]
        if len(head) < _HEAD and len(head) < size:
            head = self.peek(_HEAD)
        return tuple.__new__(Member, (name, REGULAR, mode, uid, gid, size, mtime, link, device, xattrs, head))

    def _number(self, field: bytes) -> int:
        """Parse a numeric field and remember it."""
        value = number(field)
        if len(self._numbers) < _MEMO:
            self._numbers[field] = value
        return value

    def _extension(self, header: bytes) -> bytes:
        """Read the data of an extended header."""
        size = number(header[124:136])
        if not 0 <= size <= LIMITS.tar_record:
            raise MalformedImage(f"a tar extended header has {size:,} bytes; at most {LIMITS.tar_record:,} are read")
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
                raise MalformedImage("the tar stream goes on after its end marker; readers differ on what follows")
            rest = next(self._chunks, None)


_NO_XATTRS: dict[str, bytes] = {}
"""Shared by all entries without extended attributes; nobody writes to it."""
