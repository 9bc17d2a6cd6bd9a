"""All package databases of an image together: the inventory that scanners are measured against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gate.errors import Unavailable
from gate.packages import DatabaseFile, DatabaseFormat, Package, PackageDatabase
from gate.packages.formats import FORMATS
from gate.packages.identity import contradictions
from gate.packages.os_release import OS_RELEASE_PATHS, OsRelease

DATABASE_PATHS: frozenset[str] = frozenset(
    path + suffix for kind in FORMATS for path in kind.paths for suffix in ("", *kind.beside)
)
"""Files that the layer pass must keep for `read_inventory`, together with those below `DATABASE_DIRECTORIES`."""

DATABASE_DIRECTORIES: tuple[str, ...] = tuple(directory for kind in FORMATS for directory in kind.directories)

READS: frozenset[str] = DATABASE_PATHS | frozenset(OS_RELEASE_PATHS)

_UNREAD = (
    ("chisel", "var/lib/chisel/", "manifest.wall"),
    ("guix", "var/guix/db/", "db.sqlite"),
    ("homebrew", "home/linuxbrew/.linuxbrew/Cellar/", "/INSTALL_RECEIPT.json"),
    ("nix", "nix/var/nix/db/", "db.sqlite"),
    ("portage", "var/db/pkg/", "/PF"),
    ("slackware", "var/lib/pkgtools/packages/", ""),
    ("slackware", "var/log/packages/", ""),
    ("xbps", "var/db/xbps/pkgdb-", ".plist"),
)
"""Package databases that are not read: name, and how their paths start and end."""
_UNREAD_STARTS = tuple(start for _, start, _ in _UNREAD)
_FILE_LISTS = "var/lib/dpkg/info/"

LISTS: tuple[tuple[str, str], ...] = ((_FILE_LISTS, ".list"),)
"""What the layer pass keeps beside the databases, for `gate.packages.file_lists`: how the paths start and end."""

LOOKED_AT: tuple[str, ...] = (_FILE_LISTS, *_UNREAD_STARTS)
"""How the paths start that `read_inventory` looks at by name; it needs no others."""


class Problem(Struct, frozen=True):
    """A file whose content could not be established, and why."""

    path: str
    error: Unavailable


class Inventory(Struct, frozen=True):
    """What an image's package databases and os-release say.

    `os_release` is None where there is none (or none that can be read, which is then a problem). `problems` are the files
    that could not be read: with any, packages may be missing here. `contradictions` say where os-release and packages do
    not fit together. `unread` names package databases of formats that are not read, with one path each. `unlisted` are
    packages that dpkg keeps a file list of, but that its status file does not name.
    """

    databases: tuple[PackageDatabase, ...] = ()
    os_release: OsRelease | None = None
    problems: tuple[Problem, ...] = ()
    contradictions: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[Package, ...]:
        """The installed packages of all databases, each once."""
        return tuple(dict.fromkeys(package for database in self.databases for package in database.packages))

    def complete(self) -> Inventory:
        """Return the inventory itself if every file was read; else raise the worst problem, what blocks first."""
        errors = [problem.error for problem in self.problems]
        for error in sorted(errors, key=lambda error: not error.blocks):
            raise error
        return self


def read_inventory(contents: Mapping[str, bytes | Unavailable], paths: Iterable[str] = ()) -> Inventory:
    """Read the inventory from the kept files of an image's final file system.

    `contents` maps paths (relative to the root, without a leading slash) to bytes, or to the reason why they were not kept;
    files that are no evidence are passed over. `paths` are the paths of the image, as far as they start as one of
    `LOOKED_AT`. Raises nothing on account of what the files contain: what cannot be read is among `problems`.
    """
    databases: list[PackageDatabase] = []
    problems: list[Problem] = []
    os_releases: dict[str, OsRelease] = {}
    for path in sorted(contents):
        try:
            if path in OS_RELEASE_PATHS:
                os_releases[path] = OsRelease.parse(_bytes(contents, path), path)
            elif (kind := format_of(path)) is not None:
                databases.append(_read(kind, path, contents))
        except Unavailable as error:
            problems.append(Problem(path, error))
    unread, listed = _look_at(paths)
    known = {package.name for database in databases for package in (*database.packages, *database.inactive)}
    return Inventory(
        tuple(databases),
        next((os_releases[path] for path in OS_RELEASE_PATHS if path in os_releases), None),
        tuple(problems),
        tuple(contradictions(os_releases, databases)),
        tuple(sorted(unread.items())),
        tuple(sorted(listed - known)),
    )


def format_of(path: str) -> DatabaseFormat | None:
    """Return the format of the package database at `path`, None if it is none."""
    if path not in DATABASE_PATHS and not path.startswith(DATABASE_DIRECTORIES):
        return None
    return next((kind for kind in FORMATS if kind.reads(path)), None)


def _bytes(contents: Mapping[str, bytes | Unavailable], path: str) -> bytes:
    content = contents.get(path, b"")
    if isinstance(content, Unavailable):
        raise content
    return content


def _read(kind: DatabaseFormat, path: str, contents: Mapping[str, bytes | Unavailable]) -> PackageDatabase:
    beside = {suffix: _bytes(contents, path + suffix) for suffix in kind.beside}
    entries = kind.parse(DatabaseFile(path, _bytes(contents, path), beside))
    return PackageDatabase(kind.name, kind.package_type, path, entries.packages, entries.inactive)


def _look_at(paths: Iterable[str]) -> tuple[dict[str, str], set[str]]:
    """Return the databases of unread formats (format and first path) and the packages that dpkg has a file list of."""
    unread: dict[str, str] = {}
    listed: set[str] = set()
    for path in paths:
        if path.startswith(_FILE_LISTS) and path.endswith(".list"):
            listed.add(path.removeprefix(_FILE_LISTS).removesuffix(".list").partition(":")[0])
        elif path.startswith(_UNREAD_STARTS):
            for name, start, end in _UNREAD:
                if path.startswith(start) and path.endswith(end):
                    unread.setdefault(name, path)
    return unread, listed
