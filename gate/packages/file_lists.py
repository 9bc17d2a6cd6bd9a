"""Which files belong to packages of the distribution, by the lists that their package managers keep.

What a package owns is covered by the distribution's own advisories, and scanners leave out what they find inside it. What
none owns was brought in some other way, and has to be known by itself. Sources: dpkg-query(1), --listfiles; distroless,
PACKAGE_METADATA.md (md5sums beside a record).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Set

from msgspec import Struct

from gate.oci.filesystem import Filesystem
from gate.packages import DatabaseFile, Package, PackageDatabase
from gate.packages.apk import listed_files
from gate.packages.formats import APK, DPKG_STATUS, DPKG_STATUS_D, RPM_BDB, RPM_NDB, RPM_SQLITE
from gate.packages.inventory import LISTS, Inventory

_SYSTEM = re.compile(r"/(?:bin|sbin|lib(?:32|64|x32)?|usr/(?!local/)[^/]+)/")
"""Folders that are the distribution's (FHS 3.0, 3 and 4)."""
_OPTIONAL = "/opt/"
"""Where packages of other publishers install."""
_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr/sbin")
"""Folders that are links to others today (`/bin` to `/usr/bin`, `/usr/sbin` too), while packages still list the old paths."""


class Owned(Struct, frozen=True):
    """Which of the asked paths packages own; `complete` says that every installed package has a list that was read."""

    paths: frozenset[str]
    complete: bool

    def __contains__(self, path: str) -> bool:
        """Say whether a package owns a path, or may own it: where lists are missing, by its folder."""
        return path in self.paths or (not self.complete and is_of_system(path))


def is_of_system(path: str) -> bool:
    """Say whether a path lies in a folder that is the distribution's own."""
    return _SYSTEM.match(path) is not None


def owned(filesystem: Filesystem, inventory: Inventory, paths: Iterable[str]) -> Owned:
    """Return which of `paths`, as the tree has them, belong to installed packages of the distribution.

    Lists are believed only where packages install. Scanners believe them anywhere, so one that names an application's
    files would hide what is in it. Raises `Unavailable` for a list that is there and was not kept.
    """
    names = _names(filesystem, paths)
    if not names:
        return Owned(frozenset(), True)
    found: set[bytes] = set()
    complete = True
    for database in inventory.databases:
        if not database.packages:
            continue
        for files in _lists(filesystem, database, names.keys()):
            complete &= files is not None
            found.update(names.keys() & (files or ()))
    return Owned(frozenset(names[file] for file in found), complete)


def _names(filesystem: Filesystem, paths: Iterable[str]) -> dict[bytes, str]:
    """Return every name under which a package may list one of `paths`, without its leading slash."""
    names = {
        path[1:].encode("utf-8", "backslashreplace"): path
        for path in paths
        if path.startswith(_OPTIONAL) or is_of_system(path)
    }
    for folder in _MERGED:
        real = filesystem.real_path(f"/{folder}")
        if real is not None and real != f"/{folder}":
            prefix = real[1:].encode() + b"/"
            old = folder.encode() + b"/"
            names |= {
                old + name.removeprefix(prefix): path
                for name, path in names.items()
                if name.startswith(prefix)
            }
    return names


def _lists(
    filesystem: Filesystem, database: PackageDatabase, wanted: Set[bytes]
) -> Iterator[Collection[bytes] | None]:
    """Yield the files of a database's packages, without leading slashes; None where they are not told, or not read here.

    Of rpm's only the `wanted` ones.
    """
    if database.format == DPKG_STATUS.name:
        yield from (listed_by_dpkg(filesystem, package) for package in database.packages)
    elif database.format == DPKG_STATUS_D.name:
        yield _md5sums(filesystem, database)
    elif database.format == APK.name:
        yield _apk(filesystem, database)
    elif database.format in (RPM_SQLITE.name, RPM_NDB.name, RPM_BDB.name):
        yield _rpm(filesystem, database, wanted)
    else:
        yield None


def listed_by_dpkg(filesystem: Filesystem, package: Package) -> Collection[bytes] | None:
    """Return the files that dpkg lists of a package, without leading slashes; None where it has no list of it.

    That of a package for one of several architectures has its name (`libc6:amd64.list`). Raises `Unavailable` for a list
    that is there and was not kept.
    """
    ((folder, ending),) = LISTS
    stems = (package.name, f"{package.name}:{package.architecture}")
    contents = (filesystem.content(f"/{folder}{stem}{ending}") for stem in stems)
    content = next((content for content in contents if content is not None), None)
    return None if content is None else {line[1:] for line in content.split(b"\n")}


def _md5sums(filesystem: Filesystem, database: PackageDatabase) -> Collection[bytes] | None:
    """Return the files of one record of `status.d`, from the sums beside it."""
    content = filesystem.content(f"/{database.path}.md5sums")
    return None if content is None else {line[34:].removeprefix(b"./") for line in content.split(b"\n")}


def _apk(filesystem: Filesystem, database: PackageDatabase) -> Collection[bytes]:
    """Return the files of all packages of apk's database."""
    return {path for _, path in listed_files(filesystem.content(f"/{database.path}") or b"")}


def _rpm(filesystem: Filesystem, database: PackageDatabase, wanted: Set[bytes]) -> Collection[bytes]:
    """Return those of the `wanted` files that rpm's database lists."""
    from gate.packages import rpm_bdb, rpm_ndb, rpm_sqlite  # here, because few images have such databases
    from gate.packages.rpm_header import listed_files as listed_by_rpm

    headers = {
        RPM_BDB.name: rpm_bdb.headers,
        RPM_NDB.name: rpm_ndb.headers,
        RPM_SQLITE.name: rpm_sqlite.headers,
    }
    beside = {suffix: filesystem.content(f"/{database.path}{suffix}") or b"" for suffix in RPM_SQLITE.beside}
    file = DatabaseFile(database.path, filesystem.content(f"/{database.path}") or b"", beside)
    return set(listed_by_rpm(file, headers[database.format](file), wanted))
