"""What an image does that keeps packages from being seen: by scanners, by the gate's own inventory, or by both.

Some of it is done without ill will, to save space. The effect is the same: nothing found means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from gate.errors import Unavailable
from gate.oci.filesystem import Entry, EntryType, Filesystem
from gate.packages import DatabaseFile
from gate.packages.apk import listed_files
from gate.packages.file_lists import is_of_system, listed_by_dpkg, owned
from gate.packages.formats import APK, DPKG_STATUS, DPKG_STATUS_D
from gate.packages.inventory import DATABASE_DIRECTORIES, DATABASE_PATHS, Inventory, format_of

_METADATA = frozenset({"METADATA", "PKG-INFO", "package.json"})
_PYTHON = re.compile(r"(?P<site>/(?:.*/)?)(?P<name>[^/]+?)-[^/-]+\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)")
_NODE = re.compile(r"(?P<folder>/(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*)/package\.json")
_LIST = re.compile(r"/(?:usr|var)/lib/dpkg/info/(?P<name>[^/:]+)(?::[^/]+)?\.list")
_SUMS = re.compile(r"/var/lib/dpkg/(?:info|status\.d)/(?P<name>[^/:]+)(?::[^/]+)?\.md5sums")
_EXAMPLES = 5


class Trace(Struct, frozen=True):
    """One thing that hides packages.

    `id` names its kind, `message` says what it is and what follows, `entry` is where it is in the image, if at one place.
    `unseen` says that there are packages which no reader of package databases can see, the gate itself included.
    """

    id: str
    message: str
    entry: Entry | None = None
    unseen: bool = False


def traces(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Yield everything in an image that hides packages."""
    yield from _identity(inventory)
    yield from _removed_databases(inventory, filesystem)
    yield from _dropped_packages(inventory, filesystem)
    yield from _dropped_by_apk(inventory, filesystem)
    yield from _removed_by_word_alone(inventory, filesystem)
    yield from _linked_databases(filesystem)
    yield from _claims(inventory, filesystem)
    yield from _code_without_metadata(filesystem)


def _identity(inventory: Inventory) -> Iterator[Trace]:
    """Scanners choose their advisories by os-release alone."""
    for sentence in inventory.contradictions:
        yield Trace("identity", f"{sentence}; scanners look where nothing is known of these packages")
    if inventory.os_release is None and inventory.packages and not inventory.problems:
        database = next(database for database in inventory.databases if database.packages)
        count = len(database.packages)
        yield Trace(
            "no-os-release",
            f"/{database.path} lists {count} packages, but no os-release says of which distribution",
        )


def _removed_databases(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Package databases that a later layer deletes or empties, with none of the same kind in their place."""
    lost: dict[str, list[Entry]] = {}
    for entry in filesystem.removed():
        path = entry.path.lstrip("/")
        if path not in DATABASE_PATHS and not path.startswith(DATABASE_DIRECTORIES):
            continue
        if entry.type is EntryType.FILE and entry.size and _is_lost(path, inventory):
            place = path if path in DATABASE_PATHS else path.rpartition("/")[0]
            lost.setdefault(place, []).append(entry)
    for place, entries in sorted(lost.items()):
        records = "" if place in DATABASE_PATHS else f"{len({entry.path for entry in entries})} records of "
        yield Trace(
            "database-removed",
            f"a later layer deletes or empties {records}the package database /{place} of layer {entries[0].layer}, so "
            "these packages are not seen",
            entries[0],
            unseen=True,
        )


def _is_lost(path: str, inventory: Inventory) -> bool:
    """Whether what a lower layer's database file said is said nowhere now.

    A newer file in its place is what package managers leave, rpm has moved its database and changed its format, and others
    have one file per version of a package. Only in `status.d`, which no package manager tends, each file counts.
    """
    kind = format_of(path)
    if kind is None or any(problem.path == path for problem in inventory.problems):
        return False
    current = next((database for database in inventory.databases if database.path == path), None)
    if current is not None and current.packages:
        return False
    same_kind = any(
        database.packages for database in inventory.databases if database.package_type == kind.package_type
    )
    return current is not None or kind is DPKG_STATUS_D or not same_kind


def _dropped_packages(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Packages that dpkg's status of a lower layer names and that of today does not, although nothing removed them.

    dpkg removes a package's file list with it, so a package that left without that was cut out of the status.
    """
    current = {
        package.name
        for database in inventory.databases
        if database.package_type == DPKG_STATUS.package_type
        for package in (*database.packages, *database.inactive)
    }
    if not current or inventory.problems:
        return
    explained: set[str] | None = None
    for entry, content in filesystem.removed_contents():
        path = entry.path.lstrip("/")
        if path not in DPKG_STATUS.paths:
            continue
        try:
            packages = DPKG_STATUS.parse(DatabaseFile(path, content)).packages
        except Unavailable:
            continue  # what cannot be read now was not read by anyone before
        gone = {package.name for package in packages} - current
        if gone and explained is None:
            lists = (_LIST.fullmatch(removed.path) for removed in filesystem.removed())
            explained = {match["name"] for match in lists if match} | set(inventory.unlisted)
        if left := sorted(gone - (explained or set())):
            current.update(left)  # once is enough
            yield Trace(
                "packages-dropped",
                f"a later layer drops {len(left)} packages from {entry.path} of layer {entry.layer} without removing them "
                f"({', '.join(left[:_EXAMPLES])}), so they are not seen",
                entry,
                unseen=True,
            )


def _dropped_by_apk(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Packages that apk's database of a lower layer names and that of today does not, although their files are there.

    apk removes the files with the package. What another package lists now was handed over, and configuration may stay.
    """
    databases = [database for database in inventory.databases if database.format == APK.name]
    if not databases or inventory.problems:
        return
    current = {package.name.encode() for database in databases for package in database.packages}
    listed = {
        path
        for database in databases
        for _, path in listed_files(filesystem.content(f"/{database.path}") or b"")
    }
    for entry, content in filesystem.removed_contents():
        if entry.path.lstrip("/") not in APK.paths:
            continue
        left = {
            package.decode("utf-8", "backslashreplace")
            for package, path in listed_files(content)
            if package not in current and path not in listed and _is_there(filesystem, path)
        }
        if left:
            current.update(name.encode() for name in left)  # once is enough
            yield Trace(
                "packages-dropped",
                f"a later layer drops {len(left)} packages from {entry.path} of layer {entry.layer} and leaves their files "
                f"({', '.join(sorted(left)[:_EXAMPLES])}), so they are not seen",
                entry,
                unseen=True,
            )


def _removed_by_word_alone(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Packages that dpkg's status calls removed, although their files are there.

    dpkg removes the files with the package, and takes all but its configuration off its list. What an installed package
    lists now was handed over.
    """
    if inventory.problems:
        return
    files: dict[str, str] = {}
    for database in inventory.databases:
        for package in database.inactive if database.format == DPKG_STATUS.name else ():
            for name in listed_by_dpkg(filesystem, package) or ():
                place = "/" + name.decode("utf-8", "backslashreplace")
                entry = filesystem.get(place) if is_of_system(place) else None
                if entry is not None and entry.type is EntryType.FILE:
                    files[entry.path] = package.name
    if not files:
        return
    kept = owned(filesystem, inventory, files).paths
    if left := sorted({name for path, name in files.items() if path not in kept}):
        example = min(path for path, name in files.items() if path not in kept and name == left[0])
        more = f" and {len(left) - _EXAMPLES} more" if len(left) > _EXAMPLES else ""
        yield Trace(
            "removed-in-name",
            f"dpkg's status calls packages removed whose files are there ({', '.join(left[:_EXAMPLES])}{more}), "
            "so they are not seen",
            filesystem.get(example),
            unseen=True,
        )


def _is_there(filesystem: Filesystem, path: bytes) -> bool:
    """Whether a file lies in a folder of the distribution."""
    text = "/" + path.decode("utf-8", "backslashreplace")
    return is_of_system(text) and filesystem.get(text) is not None


def _linked_databases(filesystem: Filesystem) -> Iterator[Trace]:
    """A database that is reached over a link: scanners differ on following one."""
    for path in sorted(DATABASE_PATHS):
        entry = filesystem.get(f"/{path}")
        if entry is None or entry.type is EntryType.DIRECTORY:
            continue
        kind = format_of(path)
        # rpm and apk have moved their databases and left links to folders; dpkg has not.
        linked_folder = (
            entry.path != f"/{path}" and kind is not None and kind.package_type == DPKG_STATUS.package_type
        )
        if entry.type is not EntryType.FILE or entry.links or linked_folder:
            how = f"is reached over a linked folder, at {entry.path}" if linked_folder else _how(entry)
            yield Trace(
                "database-linked",
                f"the package database /{path} {how}, and scanners differ on reading it so",
                entry,
            )


def _how(entry: Entry) -> str:
    """Say what a database is instead of a plain file."""
    if entry.type is EntryType.SYMLINK:
        return f"is a symbolic link to {entry.link_target}"
    if entry.type is EntryType.FILE:
        return f"is hard-linked to {', '.join(entry.links[:_EXAMPLES])}"
    return "is a special file"


def _claims(inventory: Inventory, filesystem: Filesystem) -> Iterator[Trace]:
    """Traces of packages that the database does not name: it was edited, or they claim files so that scanners skip those."""
    if inventory.unlisted:
        names = ", ".join(inventory.unlisted[:_EXAMPLES])
        yield Trace(
            "status-edited",
            f"dpkg keeps file lists of {len(inventory.unlisted)} packages that its status does not name ({names})",
            filesystem.lookup("/var/lib/dpkg/status"),
            unseen=True,
        )
    if inventory.problems:
        return
    databases = inventory.databases
    known = {package.name for database in databases for package in (*database.packages, *database.inactive)}
    for entry in filesystem.under("/var/lib/dpkg"):
        match = _SUMS.fullmatch(entry.path)
        if match is None or match["name"] in known or match["name"] in inventory.unlisted:
            continue
        # A record of status.d may have another name than its package.
        if filesystem.get(entry.path.removesuffix(".md5sums")) is None:
            yield Trace(
                "unowned-sums",
                f"{entry.path} is of no installed package; scanners skip the language packages that such a file names",
                entry,
                unseen=True,
            )


def _code_without_metadata(filesystem: Filesystem) -> Iterator[Trace]:
    """A language package whose metadata a later layer deletes while its code stays."""
    installed = {
        (match["site"], _normal(match["name"]))
        for entry in filesystem.named(_METADATA)
        if (match := _PYTHON.fullmatch(entry.path))
    }
    for entry in filesystem.removed(_METADATA):
        if entry.type is not EntryType.FILE or filesystem.get(entry.path) is not None:
            continue
        left = None
        if match := _PYTHON.fullmatch(entry.path):
            name = _normal(match["name"])
            if (match["site"], name) not in installed:
                module = match["site"] + name.replace("-", "_")
                left = next((path for path in (module, f"{module}.py") if filesystem.get(path)), None)
        elif match := _NODE.fullmatch(entry.path):
            left = match["folder"] if any(filesystem.under(match["folder"])) else None
        if left is not None:
            yield Trace(
                "metadata-removed",
                f"a later layer deletes {entry.path}, by which a package is known, and leaves its code in {left}",
                entry,
                unseen=True,
            )


def _normal(name: str) -> str:
    """Normalise the name of a Python distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
