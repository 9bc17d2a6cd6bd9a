"""The file system of an image: the squashed tree, and what lower layers hold although it is gone."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.layer import DIRECTORY, FILE, HARD_LINK, OPAQUE, SYMLINK, WHITEOUT, LayerIndex
from gate.oci.squash import Squash

if TYPE_CHECKING:
    from gate.oci.credentials import Credential

_CAPABILITY = "security.capability"
_MOST_LINKS = 100
"""Other paths stated of one file: with 100,000 hard links, all paths of each would fill the memory."""
_NO_FILES = (DIRECTORY, WHITEOUT, OPAQUE)


class EntryType(enum.IntEnum):
    """What a path is; hard links are what they share."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2
    CHARACTER_DEVICE = 3
    BLOCK_DEVICE = 4
    FIFO = 5


class Entry(Struct, frozen=True):
    r"""One path of an image.

    `path` starts with a slash; bytes that are not UTF-8 stand as `\xNN`. `mode` is the twelve permission bits, `size`
    in bytes, `mtime` in seconds since the epoch, `layer` the index of the layer that provides the path, 0 at the base.
    `elf` says that the content starts as a program's or library's does, `marks` are the names of the byte signatures
    found in it, `interpreter` is what a script's first line names, `links` are other paths of the same file, the
    first hundred.
    """

    path: str
    type: EntryType
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    layer: int
    link_target: str = ""
    xattrs: Mapping[str, bytes] = {}
    marks: tuple[str, ...] = ()
    interpreter: str = ""
    links: tuple[str, ...] = ()
    elf: bool = False

    @property
    def executable(self) -> bool:
        """Whether it is a file that someone may execute."""
        return self.type is EntryType.FILE and bool(self.mode & 0o111)


class Filesystem:
    """Look-ups in the squashed tree. Links are followed inside the image, never on the host.

    Built from the indexes of all layers, base first, and their diff IDs. Raises `MalformedImage` where the layers do
    not fit on each other. All that yields entries does so in the order of paths, and leaves hidden entries out.
    """

    def __init__(self, layers: Sequence[LayerIndex], diff_ids: Sequence[str]) -> None:
        self.diff_ids = tuple(diff_ids)
        self._squash = Squash(layers)
        self._added: dict[int, bytes] = {}
        self._paths: dict[int, Sequence[bytes]] = {}
        self._links: dict[int, list[int]] = {}
        for link, file in self._squash.same_file.items():
            self._links.setdefault(file, []).append(link)

    @property
    def total_size(self) -> int:
        """Bytes of all regular files in the tree; a file with several links counts once."""
        visible, same_file = self._squash.tree.values(), self._squash.same_file
        linked = {same_file[entry] for entry in visible if entry in same_file}
        others = (entry for entry in visible if entry not in same_file and entry not in linked)
        return sum(self._column("sizes", file) for file in chain(linked, others))

    def lower(self, count: int) -> Filesystem:
        """Return the file system that the lowest `count` layers make alone."""
        found = Filesystem(self._squash.layers[:count], self.diff_ids[:count])
        found._added = self._added  # numbers of entries count from the base, so they are the same there
        return found

    def get(self, path: str) -> Entry | None:
        """Return what is at `path`, following links in its directories but not the last component."""
        return self._found(self._resolve(path, follow_last=False))

    def lookup(self, path: str) -> Entry | None:
        """Return what `path` leads to, following every link; None where it dangles, loops or is not there."""
        return self._found(self._resolve(path, follow_last=True))

    def entries(self) -> Iterator[Entry]:
        """Yield the whole tree."""
        return self._at(self._squash.tree)

    def named(self, names: Collection[str]) -> Iterator[Entry]:
        """Yield all that is not a directory and whose last component is one of `names`."""
        wanted = {name.encode() for name in names}
        found = (path for path in self._squash.tree if path.rpartition(b"/")[2] in wanted)
        return self._at(path for path in found if self._squash.kind(self._squash.tree[path]) != DIRECTORY)

    def under(self, directory: str) -> Iterator[Entry]:
        """Yield everything below a directory, which links may lead to."""
        real = self._resolve(directory, follow_last=True)
        if real is None or (real and real not in self._squash.directories):
            return iter(())
        prefix = real + b"/" if real else b""
        return self._at(path for path in self._squash.tree if path.startswith(prefix) and path != real)

    def real_path(self, path: str) -> str | None:
        """Return the path that links make of `path`, whether or not anything is there; None where they loop."""
        real = self._resolve(path, follow_last=True)
        return None if real is None else _printable(real)

    def paths(self, starts: Collection[str] = (), ends: Collection[str] = ()) -> Iterator[str]:
        """Yield the paths of the tree that start and end as one of these, without their leading slash and in no order.

        Nothing given is no condition, and costs no look at each path.
        """
        found: Collection[bytes] = self._squash.tree
        if starts:
            first = tuple(start.encode() for start in starts)
            found = [path for path in found if path.startswith(first)]
        if ends:
            last = tuple(end.encode() for end in ends)
            found = [path for path in found if path.endswith(last)]
        return (path.decode("utf-8", "backslashreplace") for path in found)

    def marked(self) -> Iterator[Entry]:
        """Yield the files in whose content a byte signature was found, once each."""
        return self._files(self._having("marks"))

    def elf_files(self) -> Iterator[Entry]:
        """Yield the regular files that start as ELF programs and libraries do, once each."""
        return self._files(self._having("elf"))

    def executables(self) -> Iterator[Entry]:
        """Yield the regular files with any execute bit, once each."""
        return self._files(file for file in self._with_mode(0o111) if self._mode(file) & 0o111)

    def privileged(self) -> Iterator[Entry]:
        """Yield the regular files that give other rights than their caller's, once each.

        That is: set-user-ID, set-group-ID, and file capabilities.
        """
        capable = (
            file
            for entry in self._having("xattrs")
            if _CAPABILITY in self._extra("xattrs", entry, {})
            and entry in (file := self._squash.same_file.get(entry, entry), self._squash.last_link.get(file))
        )
        other = (file for file in self._with_mode(0o6000) if self._mode(file) & 0o6000)
        return self._files(chain(capable, other))

    def removed(self, names: Collection[str] = (), *, marked: bool = False) -> Iterator[Entry]:
        """Yield what layers hold although a later entry deletes or replaces it, directories apart.

        With `names` only what has one of them as last component, with `marked` only files with byte signatures.
        """
        wanted = {name.encode() for name in names}
        squash = self._squash
        candidates = (
            self._having("marks")
            if marked
            else range(squash.starts[-1] + len(squash.layers[-1]) if squash.layers else 0)
        )
        visible = set(squash.tree.values())
        found = []
        for entry in candidates:
            if entry in visible:  # most are, and this is asked for every entry of an image
                continue
            layer, position = self._place(entry)
            path = squash.layers[layer].paths[position]
            if wanted and path.rpartition(b"/")[2] not in wanted:
                continue
            path = squash.moved.get(entry, path)
            if squash.tree.get(path) != entry and squash.layers[layer].types[position] not in _NO_FILES:
                found.append((path, entry))
        return (self._entry(path, entry) for path, entry in sorted(found))

    def removed_contents(self) -> Iterator[tuple[Entry, bytes]]:
        """Yield what the pass kept of files that a later entry deletes or replaces, in the order of their paths."""
        kept = ((self._path(entry), entry) for entry in self._having("kept"))
        for path, entry in sorted(kept):
            if self._squash.tree.get(path) != entry:
                yield self._entry(path, entry), self._extra("kept", entry, b"")

    def content(self, path: str) -> bytes | None:
        """Return the content of a file that evidence needs, following links; None where there is no such file.

        Raises `Unavailable` where the file is there and its content was not kept.
        """
        file = self._file_at(path)
        if file is None:
            return None
        content = self._kept(file)
        if content is None:
            raise Unavailable(
                f"{path} has {self._column('sizes', file):,} bytes, more than the pass may keep",
                hint="a file of this kind is usually far smaller; look at what the image does with it",
            )
        return content

    def not_kept(self, paths: Collection[str]) -> dict[int, set[int]]:
        """Return, by layer, the positions of files that `paths` lead to and whose content the pass did not keep.

        A link can lead to a file that nobody knew to be wanted while its layer was read.
        """
        missing: dict[int, set[int]] = {}
        for path in paths:
            file = self._file_at(path)
            if (
                file is not None
                and self._kept(file) is None
                and self._column("sizes", file) <= LIMITS.kept_file
            ):
                layer, position = self._place(file)
                missing.setdefault(layer, set()).add(position)
        return missing

    def add_content(self, layer: int, position: int, content: bytes) -> None:
        """Give the content of a file that `not_kept` named."""
        self._added[self._squash.starts[layer] + position] = content

    def credentials(self) -> Iterator[tuple[Entry, Credential, bool]]:
        """Yield every credential found in a file of any layer, and whether a later layer removes or replaces that file."""
        for entry in self._having("credentials"):
            path = self._path(entry)
            found: tuple[Credential, ...] = self._extra("credentials", entry, ())
            for credential in found:
                yield self._entry(path, entry), credential, not self._visible_paths(entry)

    def newest_mtime(self, until: int) -> int | None:
        """Return the latest modification time of a regular file in the tree, in seconds since the epoch, up to `until`."""
        files = (entry for entry in self._squash.tree.values() if self._squash.kind(entry) == FILE)
        times = (self._column("mtimes", entry) for entry in files)
        return max((time for time in times if time <= until), default=None)

    def _found(self, real: bytes | None) -> Entry | None:
        """Build the entry at a resolved path.

        A directory that no layer states, only what lies in it, is made by engines as root's, with mode 0755.
        """
        if real is None:
            return None
        entry = self._squash.tree.get(real)
        if entry is not None:
            return self._entry(real, entry)
        if real not in self._squash.directories or real not in self._implied:
            return None
        layer = self._squash.layer_of(self._implied[real])
        return Entry(
            _printable(real), EntryType.DIRECTORY, mode=0o755, uid=0, gid=0, size=0, mtime=0, layer=layer
        )

    @cached_property
    def _implied(self) -> Mapping[bytes, int]:
        """The directories that no layer states, with the first entry that lies in them."""
        first: dict[bytes, int] = {}
        for path, entry in self._squash.tree.items():
            parent = path.rpartition(b"/")[0]
            while parent and parent not in self._squash.tree and first.get(parent, entry + 1) > entry:
                first[parent] = entry
                parent = parent.rpartition(b"/")[0]
        return first

    def _resolve(self, path: str, *, follow_last: bool) -> bytes | None:
        """Resolve links inside the image; a path without an entry is its own answer, one that loops has none.

        Raises `MalformedImage` where links are made to take long: a rule may follow every link of an image.
        """
        squash = self._squash
        real = b""
        todo = self._raw(path).split(b"/")[::-1]
        links = steps = 0
        while todo:
            steps += 1
            if steps > LIMITS.lookup_steps:
                raise MalformedImage(
                    f"links lead from {path[:200]!r} through more than {LIMITS.lookup_steps:,} components"
                )
            part = todo.pop()
            if part == b"..":
                real = real.rpartition(b"/")[0]
            if part in (b"", b".", b".."):
                continue
            parent, real = real, real + b"/" + part if real else part
            entry = squash.tree.get(real)
            kind = DIRECTORY if entry is None else squash.kind(entry)
            if kind == SYMLINK and entry is not None and (any(todo) or follow_last):
                links += 1
                target = squash.target(entry)
                if links > LIMITS.links:
                    return None
                real = b"" if target[:1] == b"/" else parent
                todo.extend(target.split(b"/")[::-1])
            elif kind != DIRECTORY and any(todo):
                return None
        return real

    def _raw(self, path: str) -> bytes:
        """Return the bytes of a path, also of one as `Entry.path` prints it."""
        return ("\\x" in path and self._undecodable.get(path)) or path.encode("utf-8", "surrogatepass")

    @cached_property
    def _undecodable(self) -> Mapping[str, bytes]:
        """The paths that are not UTF-8, as they are printed; raises `MalformedImage` where that hides which is meant."""
        printed: dict[str, bytes] = {}
        for path in self._squash.tree:
            name = _printable(path)
            if name.encode() != b"/" + path:
                if name in printed or name[1:].encode() in self._squash.tree:
                    raise MalformedImage(f"an image has two paths that are printed as {name[:200]!r}")
                printed[name] = path
        return printed

    def _file_at(self, path: str) -> int | None:
        """Return the number of the regular file that a path leads to."""
        real = self._resolve(path, follow_last=True)
        entry = None if real is None else self._squash.tree.get(real)
        if entry is None or self._squash.kind(entry) != FILE:
            return None
        return self._squash.same_file.get(entry, entry)

    def _kept(self, file: int) -> bytes | None:
        """Return the content that the pass, or a second look, kept of a file."""
        added = self._added.get(file)
        return self._extra("kept", file, None) if added is None else added

    def _at(self, paths: Iterable[bytes]) -> Iterator[Entry]:
        """Yield what is at these paths of the tree, in their order; beside them, a million take no more than a list."""
        return (self._entry(path, self._squash.tree[path]) for path in sorted(paths))

    def _files(self, files: Iterable[int]) -> Iterator[Entry]:
        """Yield one entry for each file that the tree shows, at the first of its paths; `files` may have one repeatedly."""
        regular = (file for file in files if self._squash.kind(file) == FILE)
        first = sorted(paths[0] for file in regular if (paths := self._visible_paths(file)))
        return self._at(path for path, _ in groupby(first))

    def _with_mode(self, bits: int) -> Iterator[int]:
        """Yield the files of all layers for which a header states any of these mode bits, once for each such header."""
        squash = self._squash
        for layer, start in zip(squash.layers, squash.starts, strict=True):
            for entry, (mode, kind) in enumerate(zip(layer.modes, layer.types, strict=True), start):
                if mode & bits and kind in (FILE, HARD_LINK):
                    yield squash.same_file.get(entry, entry)

    def _having(self, name: str) -> list[int]:
        """Return the numbers of all entries that have something in the mapping `name`."""
        squash = self._squash
        return [
            start + position
            for layer, start in zip(squash.layers, squash.starts, strict=True)
            for position in getattr(layer, name)
        ]

    def _visible_paths(self, file: int) -> Sequence[bytes]:
        """Return the paths at which the tree shows a file, in order; remembered where it has hard links."""
        known = self._paths.get(file)
        if known is not None:
            return known
        links = self._links.get(file, ())
        paths = ((self._path(entry), entry) for entry in (file, *links))
        found = sorted(path for path, entry in paths if self._squash.tree.get(path) == entry)
        if links:
            self._paths[file] = found
        return found

    def _path(self, entry: int) -> bytes:
        """Return where an entry was put."""
        layer, position = self._place(entry)
        return self._squash.moved.get(entry) or self._squash.layers[layer].paths[position]

    def _place(self, entry: int) -> tuple[int, int]:
        """Return layer and position of an entry."""
        layer = self._squash.layer_of(entry)
        return layer, entry - self._squash.starts[layer]

    def _column(self, name: str, entry: int) -> int:
        """Return a number that an entry's own header states."""
        layer, position = self._place(entry)
        value: int = getattr(self._squash.layers[layer], name)[position]
        return value

    def _extra(self, name: str, entry: int, default: Any) -> Any:
        """Return what only few entries have."""
        layer, position = self._place(entry)
        return getattr(self._squash.layers[layer], name).get(position, default)

    def _is_elf(self, file: int) -> bool:
        """Return whether a file starts as ELF does."""
        layer, position = self._place(file)
        return position in self._squash.layers[layer].elf

    def _mode(self, file: int) -> int:
        """Return the mode that engines leave on a file: that of the last hard link to it, where it has any."""
        return self._column("modes", self._squash.last_link.get(file, file))

    def _entry(self, path: bytes, entry: int) -> Entry:
        """Build the value for people and rules."""
        file = self._squash.same_file.get(entry, entry)
        last = self._squash.last_link.get(file, file)
        paths = self._visible_paths(file)[: _MOST_LINKS + 1] if last != file else ()
        links = sorted(_printable(other) for other in paths if other != path)
        return Entry(
            path=_printable(path),
            type=EntryType(self._squash.kind(entry)),
            mode=self._column("modes", last),
            uid=self._column("uids", last),
            gid=self._column("gids", last),
            size=self._column("sizes", file),
            mtime=self._column("mtimes", last),
            layer=self._squash.layer_of(entry),
            link_target=self._extra("links", file, b"").decode("utf-8", "backslashreplace"),
            xattrs={**self._extra("xattrs", file, {}), **self._extra("xattrs", last, {})},
            marks=self._extra("marks", file, ()),
            interpreter=self._extra("interpreters", file, ""),
            links=tuple(links[:_MOST_LINKS]),
            elf=self._is_elf(file),
        )


def _printable(path: bytes) -> str:
    r"""Write a path for people: from the root, with `\xNN` for what is not UTF-8."""
    return "/" + path.decode("utf-8", "backslashreplace")
