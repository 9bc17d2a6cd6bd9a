"""Apply layers on top of each other, as containerd's unpacker does (`archive.Apply`), without unpacking anything.

Every entry has a number that grows in the order of application. A path maps to its last entry; deletions are notes that
hide what is older than they are, so no deletion ever has to search for children. Paths are bytes without a leading
slash; the root is the empty path.

Engines apply a layer in two ways. Some write it into a copy of what is below, and see all of that. Those that use
overlayfs, the default of containerd and Docker, write it into an empty directory: no link and no file of a lower layer is
there, and what the layer itself removes again has deleted nothing below. Where the two ways hide different things, the
layers are refused: nothing may be hidden here that an engine shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci.layer import DIRECTORY, HARD_LINK, OPAQUE, SYMLINK, WHITEOUT, LayerIndex


class Squash:
    """The tree that layers make together.

    `tree` maps each path of the result to the number of its entry. `same_file` maps the number of a hard link to that
    of the file it shares; `last_link` maps that file to its last link, whose mode and owner engines set on the file.
    `moved` has the real path of entries that a linked directory led elsewhere, `directories` every path that something
    was put below. Raises `MalformedImage` for layers that
    engines fail to unpack.
    """

    def __init__(self, layers: Sequence[LayerIndex]) -> None:
        self.layers = layers
        self.starts: list[int] = []
        self.tree: dict[bytes, int] = {}
        self.same_file: dict[int, int] = {}
        self.last_link: dict[int, int] = {}
        self.moved: dict[int, bytes] = {}
        self._deleted: dict[bytes, int] = {}
        self._opaque: dict[bytes, int] = {}
        self._real: dict[bytes, bytes] = {b"": b""}
        self.directories: set[bytes] = set()
        self._followed: set[bytes] = set()
        self._steps = 0
        total = 0
        for layer in layers:
            self.starts.append(total)
            total += len(layer)
            if total > LIMITS.image_entries:
                raise MalformedImage(f"an image has more than {LIMITS.image_entries:,} entries")
        for number, layer in enumerate(layers):
            self._apply(layer, self.starts[number])
        for entry, path in self.moved.items():
            if self.tree.get(path) == entry and not self._visible(path, entry):
                raise MalformedImage(
                    f"{path[:200]!r}, written through a link, is deleted without it, where engines differ"
                )
        if self._deleted or self._opaque:
            floors: dict[bytes, int] = {}
            self.tree = {
                path: entry for path, entry in self.tree.items() if self._visible(path, entry, floors)
            }

    def layer_of(self, entry: int) -> int:
        """Return the index of the layer that holds an entry."""
        return bisect_right(self.starts, entry) - 1

    def kind(self, entry: int) -> int:
        """Return the type of an entry; that of a hard link is the type of what it shares."""
        entry = self.same_file.get(entry, entry)
        layer = self.layer_of(entry)
        return self.layers[layer].types[entry - self.starts[layer]]

    def target(self, entry: int) -> bytes:
        """Return where a symbolic link points, as stored."""
        entry = self.same_file.get(entry, entry)
        layer = self.layer_of(entry)
        return self.layers[layer].links[entry - self.starts[layer]]

    def _apply(self, layer: LayerIndex, start: int) -> None:
        """Apply one layer whose first entry has the number `start`."""
        tree, real_paths, directories, followed = self.tree, self._real, self.directories, self._followed
        moved, deleted = self.moved, self._deleted
        for entry, (stated, kind) in enumerate(zip(layer.paths, layer.types, strict=True), start):
            if kind == OPAQUE:
                self._hide_lower(stated, start)
                continue
            path = stated
            parent, _, base = stated.rpartition(b"/")
            real = real_paths.get(parent)
            if real is None:
                real = self._directory(parent)
            if moved or real != parent:
                path = self._move(entry, stated, _join(real, base), start)
            if kind == DIRECTORY:
                if path in followed or path in deleted:
                    self._create(path, entry, start)
            elif kind == WHITEOUT or path in directories or path in followed:
                self._forget(path, entry)
            if kind == WHITEOUT:
                continue
            if kind == HARD_LINK:
                self._share(entry, path, layer.links[entry - start])
            tree[path] = entry

    def _hide_lower(self, path: bytes, start: int) -> None:
        """Hide what layers before the entry `start` have in a directory.

        With overlayfs a link of a lower layer is not there to be followed, neither here nor by the layer's own entries.
        """
        if self._directory(path) != path or next(reversed(self.moved), -1) >= start:
            raise MalformedImage(
                f"a layer follows links and makes {path[:200]!r} opaque, where engines differ"
            )
        self._opaque[path] = start
        self._real.clear()

    def _move(self, entry: int, path: bytes, real: bytes, start: int) -> bytes:
        """Return where an entry is put, whose path links may lead elsewhere.

        With overlayfs a directory takes the place of a lower layer's link. What is added is found in both ways; what is
        replaced or deleted is still there in one of them, unless the layer itself had just written it by that path.
        """
        kind = self.kind(entry)
        old = self.tree.get(real)
        if old is not None and self._visible(real, old):
            own = old >= start and self._written(old) == path
            merged = kind == self.kind(old) == DIRECTORY
            if not own and not merged and (path != real or old in self.moved):
                raise MalformedImage(
                    f"{path[:200]!r} replaces {real[:200]!r} behind a link, where engines differ"
                )
            if kind == WHITEOUT:
                del self.tree[real]
        if path != real:
            if kind != DIRECTORY and real in self.directories:
                raise MalformedImage(
                    f"{path[:200]!r} replaces a directory behind a link, where engines differ"
                )
            self.moved[entry] = real
        return real

    def _create(self, path: bytes, entry: int, start: int) -> None:
        """Let a directory take the place of what the layer deleted or replaced, or of a link that was followed.

        With overlayfs such a directory shows again what lower layers have in it.
        """
        if self._deleted.get(path, -1) >= start and path in self.directories:
            raise MalformedImage(f"a layer removes {path[:200]!r} and creates it again, where engines differ")
        old = self.tree.get(path) if path in self._followed else None
        if old is not None and self._visible(path, old) and self.kind(old) == SYMLINK:
            if old < start:
                raise MalformedImage(
                    f"a directory replaces the followed link {path[:200]!r}, where engines differ"
                )
            self._forget(path, entry)

    def _written(self, entry: int) -> bytes:
        """Return the path of an entry as its layer states it."""
        layer = self.layer_of(entry)
        return self.layers[layer].paths[entry - self.starts[layer]]

    def _forget(self, path: bytes, entry: int) -> None:
        """Hide a path, and all below it, that is older than `entry`."""
        self._deleted[path] = entry
        if path in self.directories or path in self._followed:
            self._real.clear()

    def _share(self, entry: int, path: bytes, target: bytes) -> None:
        """Note the file that a hard link shares; engines fail on a target that is not there."""
        parent, _, base = target.rpartition(b"/")
        resolved = _join(self._directory(parent), base)
        found = self.tree.get(resolved)
        if found is None or not self._visible(resolved, found) or (resolved + b"/").startswith(path + b"/"):
            raise MalformedImage(
                f"the hard link {path[:200]!r} has the target {target[:200]!r}, which is not there"
            )
        found = self.same_file.get(found, found)
        if self.kind(found) == DIRECTORY:
            raise MalformedImage(f"the hard link {path[:200]!r} points to a directory")
        self.same_file[entry] = found
        self.last_link[found] = entry

    def _visible(self, path: bytes, entry: int, floors: dict[bytes, int] | None = None) -> bool:
        """Whether nothing hides `entry` at `path`; `floors` remembers directories, once the tree is final."""
        if not self._deleted and not self._opaque:
            return True
        parent = path.rpartition(b"/")[0]
        hidden = max(
            self._deleted.get(path, -1), self._floor(parent, {} if floors is None else floors) if path else -1
        )
        return hidden <= entry

    def _floor(self, directory: bytes, floors: dict[bytes, int]) -> int:
        """Return the number below which all entries in a directory are hidden."""
        pending = []
        while directory not in floors:
            pending.append(directory)
            if not directory:
                break
            directory = directory.rpartition(b"/")[0]
        floor = floors.get(directory, -1)
        for directory in reversed(pending):
            floor = max(floor, self._deleted.get(directory, -1), self._opaque.get(directory, -1))
            floors[directory] = floor
        return floor

    def _directory(self, path: bytes) -> bytes:
        """Resolve a directory that an entry lies in, through links, inside the root, and remember the answer.

        containerd follows links in parent directories (`fs.RootPath`): a layer that writes `bin/sh` over a base whose
        `bin` links to `usr/bin` writes `usr/bin/sh`. A parent that is a file is malformed. So are chains of links on
        which containerd goes another way than the kernel: it walks on before a link inside a link is resolved, and
        drops what stands before a `..`, be it a link.
        """
        known = self._real.get(path)
        if known is not None:
            return known
        trail = [(b"", self._opaque.get(b"", -1))]
        todo = path.split(b"/")[::-1]
        links = behind = 0
        while todo:
            self._steps += 1
            part = todo.pop()
            if part == b".." and len(trail) > 1:
                trail.pop()
            if part in (b"", b".", b".."):
                continue
            real, floor = trail[-1]
            here = _join(real, part)
            entry = self.tree.get(here)
            floor = max(floor, self._deleted.get(here, -1))
            kind = self.kind(entry) if entry is not None and entry >= floor else DIRECTORY
            if kind == SYMLINK and entry is not None:
                links += 1
                target = self.target(entry).split(b"/")
                climbs = any(
                    before not in (b"", b".", b"..") and after == b".." for before, after in pairwise(target)
                )
                if climbs or 0 < behind <= len(todo) or links > LIMITS.links:
                    raise MalformedImage(f"links lead from {path[:200]!r} in a loop, or where engines differ")
                self._followed.add(here)
                behind = len(todo)
                todo.extend(reversed(target))
                if not target[0]:
                    del trail[1:]
            elif kind != DIRECTORY:
                raise MalformedImage(f"a tar entry lies below {here[:200]!r}, which is not a directory")
            else:
                self.directories.add(here)
                trail.append((here, max(floor, self._opaque.get(here, -1))))
        if self._steps > LIMITS.link_steps:
            raise MalformedImage(
                f"the layers take more than {LIMITS.link_steps:,} steps from directory to directory"
            )
        real = trail[-1][0]
        self._real[path] = real
        return real


def _join(directory: bytes, base: bytes) -> bytes:
    """Join a directory and a name in it."""
    return directory + b"/" + base if directory else base
