"""Programs by name: what several rules share to find a program wherever it is and whatever leads to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.oci.filesystem import Entry, EntryType, Filesystem
from gate.oci.manifest import ImageConfig

_SHOWN = 4
"""Other names that a message lists; busybox alone has three hundred."""

_SCRIPT_DATA = (
    "/etc/",
    "/usr/share/bug/",
    "/usr/share/bash-completion/",
    "/usr/share/zsh/",
    "/usr/share/fish/",
)
"""Scripts here are named after the program that they belong to (`/etc/cron.daily/dpkg`) and are not it."""


class Program(Struct, frozen=True):
    """One file that can be run, at the first of its paths, and every path by which it has a name that was asked for."""

    entry: Entry
    names: tuple[str, ...]

    @property
    def other_names(self) -> tuple[str, ...]:
        """The names apart from the file's own path."""
        return tuple(name for name in self.names if name != self.entry.path)


def words(text: str) -> tuple[str, ...]:
    """Split a table of names as people write it."""
    return tuple(text.split())


def refuse_windows(config: ImageConfig) -> None:
    """Raise `Unavailable` for a Windows image: its programs, users and rights are not those that the rules know."""
    if config.platform.os.lower() == "windows":
        raise Unavailable(
            "this is a Windows image, and the rule knows Linux only", hint="judge it with `action: off` here"
        )


def programs(filesystem: Filesystem, names: Collection[str]) -> Iterator[Program]:
    """Yield the programs that have one of `names`, through symbolic and hard links, once per file and in order of paths.

    Directories, dangling links and data files of that name are no programs (see `is_program`).
    """
    files: dict[str, Entry] = {}
    found: dict[str, set[str]] = {}
    for named in filesystem.named(names):
        entry = filesystem.lookup(named.path) if named.type is EntryType.SYMLINK else named
        if entry is not None and is_program(entry):
            first = first_path(entry)
            files.setdefault(first, replace(entry, path=first))
            found.setdefault(first, set()).add(named.path)
    for path in sorted(files):
        yield Program(files[path], tuple(sorted(found[path])))


def is_program(entry: Entry) -> bool:
    """Whether a file can be run.

    Its execute bit makes any file one, whatever the content: a name that a caller looks for is reason enough to look at
    it. An ELF file needs no such bit, because the dynamic loader runs it all the same; a script does.
    """
    if entry.type is not EntryType.FILE:
        return False
    if entry.interpreter:
        return entry.executable and not entry.path.startswith(_SCRIPT_DATA)
    return entry.executable or entry.elf


def first_path(entry: Entry) -> str:
    """The first of all paths of a file, which stands for all of them."""
    return min(entry.path, *entry.links) if entry.links else entry.path


def base_name(path: str) -> str:
    """The last component of a path."""
    return path.rpartition("/")[2]


def also_as(paths: Collection[str]) -> str:
    """The end of a message that lists other names of the same file; empty without any."""
    if not paths:
        return ""
    shown = ", ".join(sorted(paths)[:_SHOWN])
    more = len(paths) - _SHOWN
    return f", also as {shown}" + (f" and {more} more" if more > 0 else "")
