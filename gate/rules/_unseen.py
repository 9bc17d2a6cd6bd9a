"""What is in an image and no scanner reported: files by which packages are known, lock files, and programs.

Nothing found in them means nothing. That one scanner misses what another sees is no matter of this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from gate.evidence import ScanRun
from gate.oci.filesystem import Entry, EntryType, Filesystem
from gate.packages.file_lists import owned
from gate.packages.inventory import Inventory
from gate.packages.languages import (
    BESIDE,
    ENDINGS,
    GO,
    LOCK_FILES,
    RUST,
    has_go_modules,
    installed_in,
    language_of,
    locked_by,
)

_LIBRARY = re.compile(r".*\.so(?:\.[^/]*)?")
"""Shared libraries: those outside of the distribution's folders were put there with the program that needs them."""

_AMONG_LIBRARIES = re.compile(r"/(?:usr/)?lib(?:32|64|x32)?/(?:[^/]+-linux-[^/]+/)?[^/]+")
"""Where a distribution's own libraries are; in folders of their own below, honest images put what comes in one piece (JRE)."""
_RUNTIME, _FOLDERS = "/release", ("/bin/", "/jre/", "/lib/")
"""The file that says which Java runtime its folder is, by which scanners know one, and the folders with its programs."""
_COMPILED_IN = {
    GO: ("golang", "a Go program that does not state its modules"),
    RUST: ("cargo", "a Rust program that does not state its crates"),
}
_ARCHIVE = re.compile(r"\.(?:jar|war|ear|par)(?=/)")


class Unseen(Struct, frozen=True):
    """One file that speaks of software which no scanner saw; `ecosystem` is a purl type, or `generic` for programs."""

    id: str
    ecosystem: str
    message: str
    entry: Entry


class _Reported:
    """What scanners reported: which types of packages, and where; what lies in an archive is at the archive as well."""

    def __init__(self, runs: Iterable[ScanRun]) -> None:
        self._found = {(package.type, package.path) for run in runs for package in run.packages}
        self.types = {kind for kind, _ in self._found}
        self.places = {place for _, path in self._found for place in (path, *_archives(path))}
        self.folders = {installed_in(place) for place in self.places} - {None}
        homes = [place.removesuffix(_RUNTIME) for place in self.places if place.endswith(_RUNTIME)]
        self._of_runtimes = tuple(home + folder for home in homes for folder in _FOLDERS)

    def brings(self, program: str) -> bool:
        """Say whether a program came with a package that was reported: of a language, or a Java runtime."""
        return installed_in(program) in self.folders or program.startswith(self._of_runtimes)

    def has(self, kind: str, folder: str) -> bool:
        """Say whether a package of this type was reported below a folder; empty stands for anywhere."""
        return any(kind == known and path.startswith(folder) for known, path in self._found)


def _archives(path: str) -> Iterator[str]:
    """Yield the paths of the archives in which something lies, as in `/srv/a.war/WEB-INF/lib/b.jar`."""
    return (path[: found.end()] for found in _ARCHIVE.finditer(path))


def unseen(filesystem: Filesystem, inventory: Inventory, runs: Iterable[ScanRun]) -> Iterator[Unseen]:
    """Yield everything that none of the scanners which ran reported, in the order of kinds and paths.

    A type of packages of which nothing at all was seen is left to `gate.scanners.coverage`, which says so by scanner.
    """
    reported = _Reported(runs)
    yield from _packages(filesystem, inventory, reported)
    yield from _lock_files(filesystem, reported)
    yield from _programs(filesystem, inventory, reported)


def _packages(filesystem: Filesystem, inventory: Inventory, reported: _Reported) -> Iterator[Unseen]:
    """Files that stand for an installed package, and were read by nobody: without a version, damaged, without coordinates."""
    kinds = {f"/{path}": kind for path in filesystem.paths(ends=ENDINGS) if (kind := language_of(path))}
    missed = [path for path, kind in kinds.items() if kind in reported.types and path not in reported.places]
    by_distribution = owned(filesystem, inventory, missed)
    for path in sorted(missed):
        entry = filesystem.get(path)
        if path in by_distribution or entry is None or entry.type is not EntryType.FILE:
            continue
        if reported.places.isdisjoint(entry.links):
            yield Unseen(
                "package", kinds[path], f"of which {kinds[path]} package it is, no scanner could tell", entry
            )


def _lock_files(filesystem: Filesystem, reported: _Reported) -> Iterator[Unseen]:
    """Lock files without a package of their type where those are installed: bundled, compiled in, or not there.

    An empty one lists nothing, such as the requirements.txt of a program that needs nothing.
    """
    for entry in filesystem.named(LOCK_FILES):
        kind = locked_by(entry.path.lstrip("/"))
        if kind is None or entry.type is not EntryType.FILE or not entry.size:
            continue
        folder = entry.path.rpartition("/")[0] + "/" if kind in BESIDE else ""
        if not reported.has(kind, folder):
            where = f" below {folder}" if folder else ""
            yield Unseen("lock-file", kind, f"it lists {kind} packages, and no scanner saw any{where}", entry)


def _programs(filesystem: Filesystem, inventory: Inventory, reported: _Reported) -> Iterator[Unseen]:
    """Programs that no package owns and in which no scanner recognised anything, and libraries among the distribution's.

    Those with Go modules are left to `gate.scanners.coverage`, which wants them seen by each scanner. A library of no
    package that lies among those of packages is what is left where one was cut out of the database.
    """
    entries = [
        entry
        for entry in filesystem.elf_files()
        if not has_go_modules(entry.marks, entry.path)
        and not reported.brings(entry.path)
        and reported.places.isdisjoint(_names(entry))
    ]
    by_distribution = owned(filesystem, inventory, [path for entry in entries for path in _names(entry)])
    for entry in entries:
        if any(name in by_distribution for name in _names(entry)):
            continue
        if _LIBRARY.fullmatch(entry.path):
            if inventory.packages and _AMONG_LIBRARIES.fullmatch(entry.path):
                yield Unseen(
                    "library",
                    "generic",
                    "a library among those of the distribution, and of no package",
                    entry,
                )
        elif entry.executable:
            ecosystem, what = next(
                (kind for mark, kind in _COMPILED_IN.items() if mark in entry.marks),
                ("generic", "a program of no package"),
            )
            yield Unseen("program", ecosystem, f"{what}, in which no scanner saw anything", entry)


def _names(entry: Entry) -> tuple[str, ...]:
    """Return every path of a file."""
    return (entry.path, *entry.links)
