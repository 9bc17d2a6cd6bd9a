"""Random layers for comparisons with real unpackers. The same number gives the same layers, as tar streams, base first."""

from __future__ import annotations

import random
from collections.abc import Mapping

from samples.images.entries import (
    OPAQUE,
    Entry,
    Kind,
    directory,
    file,
    hard_link,
    symbolic_link,
    whiteout,
    whiteout_of,
    with_parents,
)
from samples.images.layers import tar_of

_NAMES = ("a", "b", "c")
_TARGETS = (*_NAMES, "/a", "/b", "../c", "a/b", "./b", "missing", "/a/../b", "b/..", "..", "/")
_FILE_MODES = (0o644, 0o755, 0o4755, 0o2755)
_DIRECTORY_MODES = (0o755, 0o700, 0o1777)


def wild(number: int) -> list[bytes]:
    """Layers in which anything may follow anything, on so few names that entries meet all the time."""
    chance = random.Random(number)
    return [_wild_layer(chance) for _ in range(chance.choice((1, 2, 2, 3, 4)))]


def _wild_layer(chance: random.Random) -> bytes:
    entries = []
    for _ in range(chance.choice((1, 2, 3, 5, 8))):
        path = _path(chance)
        kind = chance.choice(("file", "file", "directory", "symlink", "symlink", "link", "link", "whiteout", "opaque", "fifo"))
        if kind == "whiteout":
            path = whiteout_of(path)
        elif kind == "opaque":
            path = f"{path}/{OPAQUE}" if chance.random() < 0.9 else OPAQUE
        entries.append({path: _entry(kind, chance)})
    return b"".join(tar_of(entry)[:-1024] for entry in entries) + bytes(1024)


def _entry(kind: str, chance: random.Random) -> Entry:
    match kind:
        case "file":
            return file(b"%x" % chance.getrandbits(32), chance.choice(_FILE_MODES))
        case "directory":
            return directory(chance.choice(_DIRECTORY_MODES))
        case "symlink":
            return symbolic_link(chance.choice(_TARGETS))
        case "link":
            return hard_link(_path(chance), chance.choice(_FILE_MODES))
        case "fifo":
            return Entry(Kind.FIFO)
        case _:
            return whiteout()


def _path(chance: random.Random) -> str:
    return "/".join(chance.choice(_NAMES) for _ in range(chance.choice((1, 1, 2, 2, 3))))


def honest(number: int) -> list[bytes]:
    """Layers as builders write them: the difference between one tree and the next, whiteouts first, parents stated."""
    chance = random.Random(number)
    before: dict[str, Entry] = {}
    layers = []
    for _ in range(chance.choice((1, 2, 3, 4))):
        after = _changed(before, chance)
        layers.append(tar_of(_difference(before, after)))
        before = after
    return layers


def _changed(before: Mapping[str, Entry], chance: random.Random) -> dict[str, Entry]:
    """A tree after some files were added, replaced and removed; a link is only ever the last component of a path."""
    after = dict(before)
    for _ in range(chance.randrange(1, 7)):
        path = _path(chance)
        gone = chance.random() < 0.3
        for other in [other for other in after if (f"{other}/").startswith(f"{path}/")]:
            if gone or after[other].kind is not Kind.DIRECTORY or other != path:
                del after[other]
        parents = [path[:end] for end, letter in enumerate(path) if letter == "/"]
        if gone or any(after.get(parent, directory()).kind is not Kind.DIRECTORY for parent in parents):
            continue
        for parent in parents:
            after.setdefault(parent, directory())
        after[path] = _entry(chance.choice(("file", "file", "directory", "symlink", "fifo")), chance)
        if after[path].kind is Kind.FILE and chance.random() < 0.3:
            after.setdefault(f"link{chance.randrange(3)}", hard_link(path, after[path].mode))
    names = set(after)
    return {path: entry for path, entry in after.items() if entry.kind is not Kind.HARD_LINK or entry.target in names}


def _difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of a layer that makes one tree of the other, sorted as a walk finds them."""
    gone = {path for path in before if path not in after and path.rpartition("/")[0] in {"", *after}}
    changed = {path: entry for path, entry in after.items() if before.get(path) != entry}
    for path, entry in after.items():
        # A link and its file go together: with overlayfs neither is there while the other is written.
        if entry.kind is Kind.HARD_LINK and (path in changed or entry.target in changed):
            changed |= {path: entry, entry.target: after[entry.target]}
    written = {path: changed[path] for path in sorted(changed, key=lambda path: (changed[path].kind is Kind.HARD_LINK, path))}
    marks = {whiteout_of(path): whiteout() for path in sorted(gone) if not before.get(path.rpartition("/")[0], directory()).kind is not Kind.DIRECTORY}
    return with_parents({**marks, **{path: entry for path, entry in written.items()}} | {})
