"""Collect the evidence that rules need: the layer pass and both scanners side by side, under one deadline."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import Fault, MalformedImage, Unavailable
from gate.evidence import Bases, Evidence, ScanRuns, Secret, Secrets, Subject, Vulnerabilities
from gate.limits import LIMITS, MIB
from gate.oci.descriptor import Digest
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image, Layer, Origin
from gate.oci.layer import LayerIndex, Reading, index_layer, read_contents
from gate.oci.manifest import ImageConfig
from gate.packages.inventory import (
    DATABASE_DIRECTORIES,
    LOOKED_AT,
    READS,
    Inventory,
    format_of,
    read_inventory,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gate.scanners import Scanner, ScannerReport, ScannerSettings

T = TypeVar("T")
K = TypeVar("K")

_ACCOUNTS = ("etc/passwd", "etc/group")
_KEPT = frozenset(path.encode() for path in (*READS, *_ACCOUNTS))
_KEPT_BELOW = tuple(directory.encode() for directory in DATABASE_DIRECTORIES)
_LAYER_THREADS = 4
"""Layers read at a time, at most: each holds a few MiB, and more threads than cores gain nothing."""

_WORTH_THREADS = 4 * MIB
"""Stored bytes below which one thread is faster than starting several."""


class Wanted(Struct, frozen=True):
    """What is to be collected: the kinds of evidence, and whether a rule looks at the byte signatures of programs."""

    kinds: frozenset[type]
    marks: bool
    scanners: tuple[str, ...]
    database_max_age: Mapping[str, timedelta]


class Collector:
    """Collects the evidence of one image; what cannot be had is kept as the `Unavailable` that says why."""

    def __init__(
        self,
        wanted: Wanted,
        scanners: Mapping[str, Scanner],
        settings: ScannerSettings | None,
        deadline: Deadline,
    ) -> None:
        self._wanted = wanted
        self._scanners = {name: scanners[name] for name in wanted.scanners}
        self._settings = settings
        self._deadline = deadline

    def collect(self, image: Image, subject: Subject, found: Mapping[type, object] | None = None) -> Evidence:
        """Collect everything that was wanted beside what was `found` before; never raises on account of the image."""
        known: dict[type, object] = {
            Subject: subject, ImageConfig: image.config, Origin: Origin(subject.source), **(found or {}),
        }  # fmt: skip
        kinds = self._wanted.kinds
        if self._scanners and self._settings is not None:
            known.update(self._with_scans(image, subject, self._settings))
        elif kinds - known.keys():
            known.update(self._inspected(image))
            known[ScanRuns] = ScanRuns({})
            known[Vulnerabilities] = Unavailable(
                "no scanner was asked", hint="name one in the policy: scanners: {required: [trivy]}"
            )
        bases, filesystem = known.get(Bases), known.get(Filesystem)
        if isinstance(bases, Bases) and isinstance(filesystem, Filesystem):
            known[Bases] = _with_packages(bases, filesystem)
        return Evidence({kind: value for kind, value in known.items() if kind in kinds})

    def _with_scans(self, image: Image, subject: Subject, settings: ScannerSettings) -> dict[type, object]:
        """Collect everything in a private folder; raises `InvalidInput` where none can be made."""
        from gate.cache import workspace

        with workspace(settings.work_dir) as folder:
            found = _kept(lambda: self._scanned(image, subject, replace(settings, work_dir=folder)))
        if isinstance(found, Unavailable):
            return dict.fromkeys((Filesystem, Inventory, Secrets, ScanRuns, Vulnerabilities), found)
        return found

    def _scanned(self, image: Image, subject: Subject, settings: ScannerSettings) -> dict[type, object]:
        """Copy the image, verified, to a private layout; then read it and let the scanners read it, at the same time."""
        from concurrent.futures import ThreadPoolExecutor

        from gate.cache import store, stored_manifest
        from gate.scanners import ScanTarget

        layout = settings.work_dir / "image"
        copy = store(image, layout, self._deadline.check)
        target = ScanTarget(layout, str(stored_manifest(image)), str(image.manifest.config.digest))
        with ThreadPoolExecutor(len(self._scanners)) as pool:
            try:
                scans = {
                    name: pool.submit(scanner.scan, target, settings, self._deadline.at)
                    for name, scanner in self._scanners.items()
                }
                inspected = self._inspected(copy)
                reports = {name: _outcome(scan) for name, scan in scans.items()}
            except BaseException:
                self._deadline.cancelled.set()
                settings.cancelled.set()
                raise
        return inspected | self._judged(reports, inspected, subject)

    def _judged(
        self,
        reports: Mapping[str, ScannerReport | Unavailable],
        inspected: Mapping[type, object],
        subject: Subject,
    ) -> dict[type, object]:
        """Measure the scans against what the gate saw itself."""
        from gate.scanners.coverage import look, scan_runs, vulnerabilities

        filesystem, inventory = inspected[Filesystem], inspected[Inventory]
        seen = look(filesystem, inventory, subject.checked_at)  # type: ignore[arg-type]  # of its kind, or Unavailable
        runs = scan_runs(reports, seen, self._wanted.database_max_age)
        found = _kept(lambda: vulnerabilities(reports, runs, self._wanted.scanners, seen))
        return {ScanRuns: runs, Vulnerabilities: found}

    def _inspected(self, image: Image) -> dict[type, object]:
        """Read the layers and make the evidence that comes from files."""
        filesystem = _kept(lambda: self._filesystem(image))
        if not isinstance(filesystem, Filesystem):
            return dict.fromkeys((Filesystem, Inventory, Secrets), filesystem)
        return {
            Filesystem: filesystem,
            Inventory: _kept(lambda: _inventory(filesystem)),
            Secrets: _kept(lambda: _secrets(filesystem)),
        }

    def _filesystem(self, image: Image) -> Filesystem:
        """Index the layers in parallel, each blob once, and squash them."""
        reading = Reading(
            keep=_KEPT,
            keep_below=_KEPT_BELOW,
            marks=self._wanted.marks or bool(self._scanners),
            credentials=Secrets in self._wanted.kinds,
        )
        unique = {_blob(layer): layer for layer in image.layers}
        size = sum(layer.descriptor.size for layer in unique.values())
        threads = 1 if size < _WORTH_THREADS else min(os.cpu_count() or 1, _LAYER_THREADS, len(unique))
        stopped = threading.Event()
        calls = {key: partial(self._index, layer, reading, stopped) for key, layer in unique.items()}
        indexes = in_parallel(threads, calls, stopped)
        layers = [indexes[_blob(layer)] for layer in image.layers]
        filesystem = Filesystem(layers, [str(layer.diff_id) for layer in image.layers])
        self._look_again(filesystem, image, reading)
        return filesystem

    def _index(self, layer: Layer, reading: Reading, stopped: threading.Event) -> LayerIndex:
        """Index one layer; once the run is over, or another layer failed, it stops at its next read."""

        def check(_: bytes) -> None:
            if stopped.is_set():
                raise Unavailable("another layer could not be read")
            self._deadline.check()

        return index_layer(layer, reading, sink=check)

    def _look_again(self, filesystem: Filesystem, image: Image, reading: Reading) -> None:
        """Read the layers once more that hold a wanted file under another name, which a link leads to."""
        paths = [*_database_files(filesystem).values(), *(f"/{path}" for path in _ACCOUNTS)]
        for layer, positions in filesystem.not_kept(paths).items():
            self._deadline.check()
            for position, content in read_contents(image.layers[layer], positions).items():
                if reading.allowance.take(len(content)):
                    filesystem.add_content(layer, position, content)


def _blob(layer: Layer) -> tuple[Digest, Digest, int, str]:
    """Return what is claimed of a layer's bytes: layers of which all that is the same are read once."""
    descriptor = layer.descriptor
    return descriptor.digest, layer.diff_id, descriptor.size, descriptor.media_type


def in_parallel(threads: int, calls: Mapping[K, Callable[[], T]], stopped: threading.Event) -> dict[K, T]:
    """Return what calls return, several at a time.

    The first error in their order is raised. By then what has not begun never does, and what runs finds `stopped` set.
    """
    if threads == 1:
        return {key: call() for key, call in calls.items()}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        try:
            started = {key: pool.submit(call) for key, call in calls.items()}
            return {key: future.result() for key, future in started.items()}
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _database_files(filesystem: Filesystem) -> dict[str, str]:
    """Return where the files are that tell what is installed, by the path under which they are known.

    Links can lead a whole directory of them elsewhere. Raises `MalformedImage` for more than any package manager keeps.
    """
    places = {path: f"/{path}" for path in READS}
    for directory in DATABASE_DIRECTORIES:
        start = len(filesystem.real_path(directory) or "") + 1
        for entry in filesystem.under(directory):
            path = directory + entry.path[start:]
            if format_of(path) is not None:
                places[path] = entry.path
            if len(places) > LIMITS.database_files:
                raise MalformedImage(
                    f"the image has more than {LIMITS.database_files:,} package database files"
                )
    return places


def _inventory(filesystem: Filesystem) -> Inventory:
    """Read the package databases; one that many links lead to is read again and again, but not without end."""
    contents: dict[str, bytes | Unavailable] = {}
    left = LIMITS.kept_total
    for path, place in _database_files(filesystem).items():
        content = _kept(lambda place=place: filesystem.content(place))  # type: ignore[misc]
        if isinstance(content, bytes) and (left := left - len(content)) < 0:
            raise MalformedImage(
                f"the package databases have more than {LIMITS.kept_total:,} bytes, with all links to them"
            )
        if content is not None:
            contents[path] = content
    return read_inventory(contents, filesystem.paths(LOOKED_AT))


def _with_packages(bases: Bases, filesystem: Filesystem) -> Bases | Unavailable:
    """Add what the package databases of the recognised base list, read from its layers alone.

    Databases that cannot be read there leave open which packages are its own, and nothing else.
    """
    under = bases.under(filesystem.diff_ids)
    if not under:
        return bases
    lower = _kept(lambda: filesystem.lower(len(under[0].diff_ids)))
    if isinstance(lower, Unavailable):
        return lower
    inventory = _kept(lambda: _inventory(lower).complete())
    if isinstance(inventory, Unavailable):
        return inventory if isinstance(inventory, Fault) else bases
    found = ((one.type, one.name, one.version.removeprefix("0:")) for one in inventory.packages)
    return replace(bases, packages=frozenset(found))


def _secrets(filesystem: Filesystem) -> Secrets:
    """Gather the credentials that the pass found."""
    found = [
        Secret(credential.kind, entry.layer, entry.path, "", credential.redacted, removed)
        for entry, credential, removed in filesystem.credentials()
    ]
    return Secrets(tuple(found))


def _outcome(scan: Future[ScannerReport]) -> ScannerReport | Unavailable:
    """Return what a scan came to; what is no report must not read as one without findings."""
    from gate.scanners import ScannerReport

    report: object = _kept(scan.result)
    if isinstance(report, ScannerReport | Unavailable):
        return report
    return Fault("a scanner", TypeError(f"it returned a {type(report).__name__}"))


def _kept(call: Callable[[], T]) -> T | Unavailable:
    """Return what a call returns, or the error that says why it is not available; a bug is one that cannot be excused."""
    try:
        return call()
    except Unavailable as error:
        return error
    except Exception as error:  # noqa: BLE001 -- of whatever kind, what it should have established is unknown
        return Fault("the collection of evidence", error)
