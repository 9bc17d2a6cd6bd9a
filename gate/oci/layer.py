"""One pass over one layer: verify it, and index every entry and the few contents that evidence needs."""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import tar_header
from gate.oci.image import Layer
from gate.oci.stream import tar_stream
from gate.oci.tar_header import Member
from gate.oci.tarball import TarReader

if TYPE_CHECKING:
    from gate.oci.credentials import Credential, CredentialScan
    from gate.oci.marks import ContentScan

    ScanOf = Callable[[bytes, int], CredentialScan | None]

FILE, DIRECTORY, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO, HARD_LINK, WHITEOUT, OPAQUE = range(9)
"""Types of index entries. A whiteout deletes the path it stands for, an opaque mark all that lower layers have below
it (OCI image specification, layer.md, "Whiteouts")."""

_TYPES = {
    tar_header.REGULAR: FILE,
    tar_header.DIRECTORY: DIRECTORY,
    tar_header.SYMBOLIC_LINK: SYMLINK,
    tar_header.HARD_LINK: HARD_LINK,
    tar_header.CHARACTER_DEVICE: CHARACTER_DEVICE,
    tar_header.BLOCK_DEVICE: BLOCK_DEVICE,
    tar_header.FIFO: FIFO,
}
_LINKS = (SYMLINK, HARD_LINK)
_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_OVERLAY = ("trusted.overlay.", "user.overlay.")
_ELF = b"\x7fELF"
_SCRIPT = b"#!"
_SCRIPT_LINE = 256
"""Linux reads so much of a script's first line (BINPRM_BUF_SIZE)."""
_ENTRY = 64
_NOTE = 256
"""Bytes that an entry takes in all columns beside its path, and what is noted of few entries each; about."""
_ROOM_STEP = 64 * 1024
_UNUSUAL_STARTS = frozenset({b"", b"/", b"."})
_unusual_part = re.compile(rb"/[./]").search
_USUAL_LENGTH = 256
"""What a ustar header alone can hold: such a name passes neither limit on paths."""


class Reading(Struct, frozen=True):
    """What the pass looks at beside the headers.

    `keep`, `keep_below` and `keep_lists` name the files, by normalised path, whose content is kept: exact paths, all below
    folders, and what has an ending below a folder. `marks` searches programs for the byte signatures of `gate.oci.marks`, `credentials` searches the files that `gate.oci.credentials` chooses. One value
    serves all layers of an image, which share what it allows: bytes of kept content, and bytes of indexes.
    """

    keep: frozenset[bytes] = frozenset()
    keep_below: tuple[bytes, ...] = ()
    keep_lists: tuple[tuple[bytes, bytes], ...] = ()
    marks: bool = True
    credentials: bool = False
    allowance: Allowance = field(default_factory=lambda: Allowance(LIMITS.kept_total))
    room: Allowance = field(default_factory=lambda: Allowance(LIMITS.index_total))

    @property
    def folders(self) -> tuple[bytes, ...]:
        """Below which files may be wanted; the pass asks `keeps` of no others."""
        return (*self.keep_below, *(folder for folder, _ in self.keep_lists))

    def keeps(self, path: bytes) -> bool:
        """Say whether the content of the file at `path` is wanted."""
        return (
            path in self.keep
            or path.startswith(self.keep_below)
            or any(path.startswith(folder) and path.endswith(ending) for folder, ending in self.keep_lists)
        )


class Allowance:
    """How many bytes the layers of one image may take, together; layers are read in parallel."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take `size` bytes if they are left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True


class LayerIndex(Struct):
    """Every entry of one layer in order, in packed columns: a million entries as objects would take 320 MiB.

    Position `i` of every column is entry `i`; what few entries have is kept by position in the mappings. `elf` are the
    positions of the files that start as ELF programs and libraries do. `complete` says that every wanted content was kept
    that is not too large in itself: what other layers leave no room for can be kept when the layer is read for another image.
    """

    paths: list[bytes] = []
    types: bytearray = bytearray()
    modes: array[int] = field(default_factory=lambda: array("H"))
    uids: array[int] = field(default_factory=lambda: array("I"))
    gids: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    mtimes: array[int] = field(default_factory=lambda: array("q"))
    links: dict[int, bytes] = {}
    xattrs: dict[int, Mapping[str, bytes]] = {}
    elf: set[int] = set()
    marks: dict[int, tuple[str, ...]] = {}
    interpreters: dict[int, str] = {}
    credentials: dict[int, tuple[Credential, ...]] = {}
    kept: dict[int, bytes] = {}
    complete: bool = True

    def __len__(self) -> int:
        return len(self.paths)


def index_layer(  # noqa: C901, PLR0915 -- one loop, because a call per entry is what costs here
    layer: Layer, reading: Reading, *, sink: Callable[[bytes], object] | None = None
) -> LayerIndex:
    """Read a layer to its end and return its index; `sink` receives the stored bytes.

    Raises what `tar_stream` and `TarReader` raise, and `MalformedImage` for names and entries that engines refuse.
    """
    index = LayerIndex()
    reader = TarReader(tar_stream(layer, sink=sink))
    append_path, append_type = index.paths.append, index.types.append
    append_mode, append_size, append_mtime = index.modes.append, index.sizes.append, index.mtimes.append
    append_uid, append_gid = index.uids.append, index.gids.append
    keep, below, searching = reading.keep, reading.folders, reading.credentials
    scan = _credential_scan() if searching else None
    add_elf, marks = index.elf.add, reading.marks
    room = 0
    for position, member in enumerate(reader):
        kind, head = _TYPES[member.type], member.head
        path = member.name if kind == FILE else member.name.rstrip(b"/")
        if path[:2] == b"./":
            path = path[2:]
        if path[:1] in _UNUSUAL_STARTS or _unusual_part(path) or len(path) > _USUAL_LENGTH:
            path, kind = _unusual(member.name, kind)
        append_path(path)
        append_type(kind)
        try:
            append_mode(member.mode & 0o7777)
            append_size(member.size)
            append_mtime(member.mtime)
            append_uid(member.uid)
            append_gid(member.gid)
        except OverflowError:
            raise MalformedImage(
                f"a tar entry has an owner, size or time that no file has: {path[:200]!r}"
            ) from None
        if kind == FILE:
            if head == _ELF:
                add_elf(position)
                if marks:
                    room -= _read_content(index, reader, reading, head, scan)
            elif head[:2] == _SCRIPT or searching or path in keep or path.startswith(below):
                room -= _read_content(index, reader, reading, head, scan)
            if member.xattrs:
                room -= _note_xattrs(index, member)
        elif kind != DIRECTORY or member.xattrs:
            if kind in _LINKS:
                index.links[position] = _target(member.link, path, kind)
            room -= len(member.link) + _note_xattrs(index, member)
        room -= len(path) + _ENTRY
        if room < 0:
            room += _more_room(reading, -room)
    if len(index) > LIMITS.layer_entries:
        raise MalformedImage(f"a layer has more than {LIMITS.layer_entries:,} entries")
    return index


def take_room(index: LayerIndex, reading: Reading) -> bool:
    """Take what an index that was made before needs of what the layers of an image share; whether its contents fit.

    Raises `MalformedImage` where the indexes of the image take too much, as making it anew would.
    """
    if not reading.allowance.take(sum(map(len, index.kept.values()))):
        return False
    _more_room(reading, room_of(index))
    return True


def room_of(index: LayerIndex) -> int:
    """Return about how many bytes an index takes, kept contents apart."""
    credentials = sum(1 + len(found) for found in index.credentials.values())
    noted = len(index.interpreters) + len(index.marks) + credentials
    size = sum(map(len, index.paths)) + _ENTRY * len(index) + _NOTE * noted
    size += sum(map(len, index.links.values()))
    size += sum(
        _NOTE + len(name) + len(value) for found in index.xattrs.values() for name, value in found.items()
    )
    return size


def _more_room(reading: Reading, missing: int) -> int:
    """Take more of what the indexes of all layers may take together, in steps that cost no time."""
    size = max(missing, _ROOM_STEP)
    if not reading.room.take(size):
        raise MalformedImage(
            f"the paths, links and attributes of an image take more than {LIMITS.index_total:,} bytes"
        )
    return size


def _normal(name: bytes) -> list[bytes]:
    """Split a name in its components, as Go's `filepath.Clean` reads it; climbing out of the root is malformed."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise MalformedImage(f"a tar entry climbs out of the root: {name[:200]!r}")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    if len(name) > LIMITS.path or len(parts) > LIMITS.path_components:
        raise MalformedImage(
            f"a tar entry has a path of {len(name):,} bytes and {len(parts):,} components;"
            f" at most {LIMITS.path:,} and {LIMITS.path_components} are read"
        )
    return parts


def _unusual(name: bytes, kind: int) -> tuple[bytes, int]:
    """Normalise a name that is not plainly relative, and recognise whiteouts by it, as containerd does for any type."""
    parts = _normal(name)
    if not parts:
        if not name or kind != DIRECTORY:
            raise MalformedImage("a tar entry has an empty name, or replaces the root")
        return b"", DIRECTORY
    base = parts[-1]
    if base == _OPAQUE:
        return b"/".join(parts[:-1]), OPAQUE
    if base.startswith(_WHITEOUT):
        parts[-1] = base[len(_WHITEOUT) :]
        if parts[-1] in (b"", b".", b".."):
            raise MalformedImage(f"a whiteout names no file: {name[:200]!r}")
        kind = WHITEOUT
    return b"/".join(parts), kind


def _target(link: bytes, path: bytes, kind: int) -> bytes:
    """Check a link's target; that of a hard link is a path inside the image, and is normalised as one."""
    if not link or len(link) > LIMITS.path or b"\0" in link:
        raise MalformedImage(f"a link has no target, or one that is too long: {path[:200]!r}")
    return b"/".join(_normal(link)) if kind == HARD_LINK else link


def _note_xattrs(index: LayerIndex, member: Member) -> int:
    """Keep the extended attributes of the entry indexed last and return their size.

    What only overlay file systems read as a deletion is refused: other engines would show the file that it hides.
    """
    if (member.type == tar_header.CHARACTER_DEVICE and member.device == (0, 0)) or any(
        name.startswith(_OVERLAY) for name in member.xattrs
    ):
        raise MalformedImage(
            f"a tar entry is a deletion mark of overlay file systems: {index.paths[-1][:200]!r}"
        )
    if member.xattrs:
        index.xattrs[len(index.paths) - 1] = member.xattrs
    return sum(_NOTE + len(name) + len(value) for name, value in member.xattrs.items())


def _credential_scan() -> ScanOf:
    """Return what starts the search for credentials in a file, given its path and size; None for files left out."""
    from gate.oci.credentials import (  # here: its expressions take two milliseconds to compile
        CredentialScan,
        searched,
    )

    return lambda path, size: CredentialScan(size) if searched(path, size) else None


def _program_scan(size: int) -> ContentScan:
    """Return a search for byte signatures in a program of `size` bytes."""
    from gate.oci.marks import ContentScan  # here: a millisecond to load, and few rules look at programs

    return ContentScan(size)


def _interpreter(line: bytes) -> str:
    """Return what a script's first line names, empty where Linux would not run it."""
    from gate.oci.marks import script_interpreter  # here as well

    return (script_interpreter(line) or b"").decode("utf-8", "backslashreplace")


def _read_content(
    index: LayerIndex, reader: TarReader, reading: Reading, head: bytes, scan: ScanOf | None
) -> int:
    """Look at the content of the regular file that was indexed last, as far as someone wants it.

    Returns about how many bytes the index takes for what was found, kept content apart.
    """
    position = len(index.paths) - 1
    path, size = index.paths[position], index.sizes[position]
    feeds: list[Callable[[bytes, int, int], object]] = []
    kept = None
    wanted = size <= LIMITS.kept_file and reading.keeps(path)
    if wanted and not reading.allowance.take(size):
        index.complete = wanted = False
    if wanted:
        kept = bytearray()
        feeds.append(lambda buffer, start, end: kept.extend(memoryview(buffer)[start:end]))
    program = _program_scan(size) if reading.marks and head == _ELF else None
    if program:
        feeds.append(program.feed)
    secrets = scan(path, size) if scan and head != _ELF else None
    if secrets:
        feeds.append(secrets.feed)
    noted = 0
    if head[:2] == _SCRIPT:
        noted += _NOTE + _SCRIPT_LINE
        line = reader.peek(_SCRIPT_LINE)
        index.interpreters[position] = _interpreter(line)
    if feeds:
        for buffer, start, end in reader.content():
            for feed in feeds:
                feed(buffer, start, end)
    if kept is not None:
        index.kept[position] = bytes(kept)
    if program and (found := program.marks()):
        index.marks[position] = tuple(sorted(found))
        noted += _NOTE
    if secrets and (credentials := secrets.found()):
        index.credentials[position] = credentials
        noted += _NOTE * (1 + len(credentials))
    return noted


def read_contents(layer: Layer, positions: Collection[int]) -> dict[int, bytes]:
    """Read a layer once more and return the contents of the files at `positions`, together `LIMITS.kept_total` at most."""
    found: dict[int, bytes] = {}
    left = LIMITS.kept_total
    reader = TarReader(tar_stream(layer))
    for position, member in enumerate(reader):
        if position in positions and member.size <= left:
            left -= member.size
            found[position] = b"".join(buffer[start:end] for buffer, start, end in reader.content())
    return found
