"""scan-coverage: the scanners could see what is in the image, and the image does nothing to hide it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gate.errors import IntegrityError, Unavailable
from gate.evidence import ScanRun, ScanRuns
from gate.oci.filesystem import Entry, EntryType, Filesystem
from gate.options import NoOptions
from gate.packages import DatabaseFile
from gate.packages.dpkg import STATUS, STATUS_D
from gate.packages.inventory import DATABASE_DIRECTORIES, DATABASE_PATHS, FORMATS, Inventory, format_of
from gate.rule import Finding, Location, Remark, Rule, Severity

_METADATA = frozenset({"METADATA", "PKG-INFO", "package.json"})
_PYTHON = re.compile(r"(?P<site>/(?:.*/)?)(?P<name>[^/]+?)-[^/-]+\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)")
_NODE = re.compile(r"(?P<folder>/(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*)/package\.json")
_LIST = re.compile(r"/(?:usr|var)/lib/dpkg/info/(?P<name>[^/:]+)(?::[^/]+)?\.list")
_SUMS = re.compile(r"/var/lib/dpkg/(?:info|status\.d)/(?P<name>[^/:]+)(?::[^/]+)?\.md5sums")
_SYSTEM_TYPES = frozenset(kind.package_type for kind in FORMATS)
_EXAMPLES = 5


def check(
    inventory: Inventory,
    filesystem: Filesystem,
    runs: ScanRuns,
    options: NoOptions,  # noqa: ARG001
) -> Iterator[Finding | Remark]:
    """Yield what hides packages from scanners; then say what keeps their results from counting.

    What the image does is a finding. What a scanner could not do is unknown, and so is what cannot be read here.
    """
    yield from _identity(inventory)
    yield from _removed_databases(inventory, filesystem)
    yield from _dropped_packages(inventory, filesystem)
    yield from _linked_databases(filesystem)
    yield from _claims(inventory, filesystem)
    yield from _code_without_metadata(filesystem)
    yield from _seen_by_one(runs)
    inventory.complete()
    _established(runs)


def _identity(inventory: Inventory) -> Iterator[Finding]:
    """Scanners choose their advisories by os-release alone."""
    for sentence in inventory.contradictions:
        yield Finding(f"{sentence}; scanners look where nothing is known of these packages", id="identity")
    if inventory.os_release is None and inventory.packages and not inventory.problems:
        database = next(database for database in inventory.databases if database.packages)
        yield Finding(
            f"/{database.path} lists {len(database.packages)} packages, but no os-release says of which distribution",
            Location(path=f"/{database.path}"),
            id="no-os-release",
        )


def _removed_databases(inventory: Inventory, filesystem: Filesystem) -> Iterator[Finding]:
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
        yield Finding(
            f"a later layer deletes or empties {records}the package database /{place} of layer {entries[0].layer}, so "
            "scanners do not see these packages",
            Location.of(entries[0], filesystem),
            id="database-removed",
            remediation="Leave the package database in the image: it is what tells which fixes are missing.",
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
    return current is not None or kind is STATUS_D or not same_kind


def _dropped_packages(inventory: Inventory, filesystem: Filesystem) -> Iterator[Finding]:
    """Packages that dpkg's status of a lower layer names and that of today does not, although nothing removed them.

    dpkg removes a package's file list with it, so a package that left without that was cut out of the status.
    """
    current = {
        package.name
        for database in inventory.databases
        if database.package_type == STATUS.package_type
        for package in (*database.packages, *database.inactive)
    }
    if not current or inventory.problems:
        return
    removed: set[str] | None = None
    dropped: set[str] = set()
    for entry, content in filesystem.removed_contents():
        path = entry.path.lstrip("/")
        if path not in STATUS.paths:
            continue
        try:
            packages = STATUS.parse(DatabaseFile(path, content)).packages
        except Unavailable:
            continue  # what cannot be read was never believed by anyone
        gone = {package.name for package in packages} - current - dropped
        if gone and removed is None:
            removed = {
                match["name"] for item in filesystem.removed() if (match := _LIST.fullmatch(item.path))
            }
        if left := sorted(gone - (removed or set()) - set(inventory.unlisted)):
            dropped.update(left)
            yield Finding(
                f"a later layer drops {len(left)} packages from {entry.path} of layer {entry.layer} without removing them "
                f"({', '.join(left[:_EXAMPLES])}), so scanners do not see them",
                Location.of(entry, filesystem),
                id="packages-dropped",
            )


def _linked_databases(filesystem: Filesystem) -> Iterator[Finding]:
    """A database that is reached over a link: scanners differ on following one."""
    for path in sorted(DATABASE_PATHS):
        entry = filesystem.get(f"/{path}")
        if entry is None or entry.type is EntryType.DIRECTORY:
            continue
        kind = format_of(path)
        linked_folder = entry.path != f"/{path}" and kind is not None and kind.package_type == "deb"
        if entry.type is not EntryType.FILE or entry.links or linked_folder:
            how = _how(entry) if not linked_folder else f"is reached over a linked folder, at {entry.path}"
            yield Finding(
                f"the package database /{path} {how}, and scanners differ on reading it so",
                Location.of(entry, filesystem),
                id="database-linked",
                remediation="Let the package database be a plain file at its usual place.",
            )


def _how(entry: Entry) -> str:
    """Say what a database is instead of a plain file."""
    if entry.type is EntryType.SYMLINK:
        return f"is a symbolic link to {entry.link_target}"
    if entry.type is EntryType.FILE:
        return f"is hard-linked to {', '.join(entry.links[:_EXAMPLES])}"
    return "is a special file"


def _claims(inventory: Inventory, filesystem: Filesystem) -> Iterator[Finding]:
    """Traces of packages that the database does not name: it was edited, or they claim files so that scanners skip those."""
    if inventory.unlisted:
        names = ", ".join(inventory.unlisted[:_EXAMPLES])
        yield Finding(
            f"dpkg keeps file lists of {len(inventory.unlisted)} packages that its status does not name ({names})",
            Location(path="/var/lib/dpkg/status"),
            id="status-edited",
        )
    known = {
        package.name
        for database in inventory.databases
        for package in (*database.packages, *database.inactive)
    } | set(inventory.unlisted)
    if not inventory.problems:
        for entry in filesystem.under("/var/lib/dpkg"):
            match = _SUMS.fullmatch(entry.path)
            if match and match["name"] not in known:
                yield Finding(
                    f"{entry.path} is of no installed package; scanners skip the language packages that such a file names",
                    Location.of(entry, filesystem),
                    id="unowned-sums",
                )


def _code_without_metadata(filesystem: Filesystem) -> Iterator[Finding]:
    """A language package whose metadata a later layer deletes while its code stays."""
    installed = {
        (match["site"], _normal(match["name"]))
        for entry in filesystem.named(_METADATA)
        if (match := _PYTHON.fullmatch(entry.path))
    }
    for entry in filesystem.removed(_METADATA):
        if entry.type is not EntryType.FILE or filesystem.get(entry.path) is not None:
            continue
        if match := _PYTHON.fullmatch(entry.path):
            if (match["site"], _normal(match["name"])) in installed:
                continue
            module = match["site"] + _normal(match["name"]).replace("-", "_")
            left = next((path for path in (module, f"{module}.py") if filesystem.get(path)), None)
        elif match := _NODE.fullmatch(entry.path):
            left = match["folder"] if any(filesystem.under(match["folder"])) else None
        else:
            left = None
        if left is not None:
            yield Finding(
                f"a later layer deletes {entry.path}, by which scanners know the package, and leaves its code in {left}",
                Location.of(entry, filesystem),
                id="metadata-removed",
            )


def _normal(name: str) -> str:
    """Normalise the name of a Python distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _seen_by_one(runs: ScanRuns) -> Iterator[Remark]:
    """Kinds of language packages that one scanner saw and another did not: often harmless, worth knowing."""
    known = {
        name: {package.type for package in run.packages} - _SYSTEM_TYPES
        for name, run in sorted(runs.runs.items())
        if isinstance(run, ScanRun)
    }
    for name, types in known.items():
        for other, others in known.items():
            for kind in sorted(types - others):
                yield Remark(f"{name} saw {kind} packages and {other} saw none")


def _established(runs: ScanRuns) -> None:
    """Raise what keeps the scanners' results from counting, all of it in one sentence per scanner."""
    reasons: list[Unavailable] = []
    for name, run in sorted(runs.runs.items()):
        if isinstance(run, Unavailable):
            reasons.append(run)
        reasons.extend(Unavailable(f"{name}: {problem}") for problem in runs.problems.get(name, ()))
    if reasons:
        kind = (
            IntegrityError if any(isinstance(reason, IntegrityError) for reason in reasons) else Unavailable
        )
        hints = dict.fromkeys(reason.hint for reason in reasons if reason.hint)
        raise kind("; ".join(reason.message for reason in reasons), hint="; ".join(hints))


RULE = Rule(
    id="scan-coverage",
    title="The scanners could see what is in the image",
    rationale=(
        "A scanner that does not recognise a distribution, or finds its package database deleted, reports no findings and "
        "success. Nothing found counts only where something could have been found."
    ),
    remediation=(
        "Keep /etc/os-release and the package database in the image, in their places; use a release that the scanners' "
        "databases know, and renew the databases."
    ),
    severity=Severity.HIGH,
    check=check,
)
