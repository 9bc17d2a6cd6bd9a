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
)
from samples.images.layers import tar_of
from tests.kit.raw_tar import END

_NAMES = ("a", "b", "c")
_TARGETS = (*_NAMES, "/a", "/b", "../c", "a/b", "missing", "..", "/")
_ODD_TARGETS = (*_TARGETS, "./b", "/a/../b", "b/..")
_WILD_KINDS = (
    *("file", "directory", "directory", "symlink") * 2,
    "link",
    "whiteout",
    "whiteout",
    "opaque",
    "fifo",
)
_FILE_MODES = (0o644, 0o755, 0o4755, 0o2755)
_DIRECTORY_MODES = (0o755, 0o700, 0o1777)


def wild(number: int) -> list[bytes]:
    """Layers in which anything may follow anything, on so few names that entries meet all the time."""
    chance = random.Random(number)
    files = ["a"]
    return [_wild_layer(chance, files) for _ in range(chance.choice((1, 2, 2, 3, 4)))]


def _wild_layer(chance: random.Random, files: list[str]) -> bytes:
    """One layer; hard links lead to one of `files`, which grow as they are written."""
    entries = []
    for _ in range(chance.choice((1, 2, 3, 4, 6))):
        path, kind = _path(chance), chance.choice(_WILD_KINDS)
        entry = symbolic_link(chance.choice(_ODD_TARGETS)) if kind == "symlink" else _entry(kind, chance)
        if kind == "whiteout":
            path = whiteout_of(path)
        elif kind == "opaque":
            path = f"{path}/{OPAQUE}" if chance.random() < 0.9 else OPAQUE
        elif kind == "link":
            entry = hard_link(chance.choice(files), entry.mode)
        elif kind == "file":
            files.append(path)
        entries.append({path: entry})
    return b"".join(tar_of(entry)[: -len(END)] for entry in entries) + END


def _entry(kind: str, chance: random.Random) -> Entry:
    match kind:
        case "file":
            return file(b"%x" % chance.getrandbits(32), chance.choice(_FILE_MODES))
        case "directory":
            return directory(chance.choice(_DIRECTORY_MODES))
        case "symlink":
            return symbolic_link(chance.choice(_TARGETS))
        case "fifo":
            return Entry(Kind.FIFO)
        case _:
            return whiteout()


def _path(chance: random.Random) -> str:
    return "/".join(chance.choice(_NAMES) for _ in range(chance.choice((1, 1, 1, 2, 2, 3))))


def honest(number: int) -> list[bytes]:
    """Layers as builders write them: the difference between one tree and the next, each entry after its parents."""
    chance = random.Random(number)
    before: dict[str, Entry] = {}
    layers = []
    for _ in range(chance.choice((1, 2, 3, 4))):
        after = dict(before)
        for _ in range(chance.randrange(1, 7)):
            _change(after, _path(chance), chance)
        layers.append(tar_of(_difference(before, after)))
        before = after
    return layers


def _change(tree: dict[str, Entry], path: str, chance: random.Random) -> None:
    """Remove a path or put something there, with all directories above it; links are never written through."""
    for other in [other for other in tree if f"{other}/".startswith(f"{path}/")]:
        del tree[other]
    if chance.random() < 0.3:
        return
    for end in (end for end, letter in enumerate(path) if letter == "/"):
        if tree.setdefault(path[:end], directory()).kind is not Kind.DIRECTORY:
            tree[path[:end]] = directory()
    tree[path] = _entry(chance.choice(("file", "file", "directory", "symlink", "fifo")), chance)
    if chance.random() < 0.2:
        name = f"{path}-{chance.getrandbits(32):x}"
        tree[name] = _entry("file", chance)
        tree[f"{name}-link"] = hard_link(name, tree[name].mode)


def _difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of the layer that makes one tree of the other."""
    gone = (path for path in before if path not in after)
    stays = {path for path, entry in after.items() if entry.kind is Kind.DIRECTORY} & before.keys() | {""}
    changes = {whiteout_of(path): whiteout() for path in gone if path.rpartition("/")[0] in stays}
    changes |= {path: entry for path, entry in after.items() if before.get(path) != entry}
    parents = {path[:end] for path in changes for end, letter in enumerate(path) if letter == "/"}
    changes |= {path: after[path] for path in parents}
    return dict(sorted(changes.items()))
