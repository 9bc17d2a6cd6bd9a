"""Collect the evidence that rules need: the inspection and both scanners side by side, under one deadline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import Fault, Unavailable, kept
from gate.evidence import Bases, Evidence, ScanRuns, Secrets, Subject, Vulnerabilities
from gate.inspection import Inspection, reading, with_packages
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image, Origin
from gate.oci.manifest import ImageConfig
from gate.packages.inventory import Inventory
from gate.sources import Access

if TYPE_CHECKING:
    from gate.scanners import Scanner, ScannerReport, ScannerSettings, ScanTarget


class Wanted(Struct, frozen=True):
    """What is to be collected: the kinds of evidence, and whether a rule looks at the byte signatures of programs."""

    kinds: frozenset[type]
    marks: bool
    scanners: tuple[str, ...]
    database_max_age: Mapping[str, timedelta]


class Collector:
    """Collects the evidence of one image; what cannot be had is kept as the `Unavailable` that says why.

    Scanners whose reports are `known` are not asked.
    """

    def __init__(
        self,
        wanted: Wanted,
        scanners: Mapping[str, Scanner],
        settings: ScannerSettings | None,
        access: Access,
        known: Mapping[str, ScannerReport] | None = None,
    ) -> None:
        self._wanted = wanted
        self._scanners = {name: scanners[name] for name in wanted.scanners}
        self._settings = settings
        self._known = known or {}
        self._access = access
        self._deadline = access.deadline

    def collect(self, image: Image, subject: Subject, found: Mapping[type, object] | None = None) -> Evidence:
        """Collect everything that was wanted beside what was `found` before; never raises on account of the image."""
        known: dict[type, object] = {
            Subject: subject, ImageConfig: image.config, Origin: Origin(subject.source), **(found or {}),
        }  # fmt: skip
        kinds = self._wanted.kinds
        if self._scanners and self._settings is not None:
            known.update(self._with_scans(image, subject, self._settings))
        elif kinds - known.keys():
            known.update(self._inspection(image).evidence())
            known[ScanRuns] = ScanRuns({})
            known[Vulnerabilities] = Unavailable(
                "no scanner was asked", hint="name one in the policy: scanners: {required: [trivy]}"
            )
        bases, filesystem = known.get(Bases), known.get(Filesystem)
        if isinstance(bases, Bases) and isinstance(filesystem, Filesystem):
            known[Bases] = with_packages(bases, filesystem)
        return Evidence({kind: value for kind, value in known.items() if kind in kinds})

    def _inspection(self, image: Image, *, verified: bool = False) -> Inspection:
        """Prepare the inspection of an image."""
        look = reading(
            marks=self._wanted.marks or bool(self._scanners), credentials=Secrets in self._wanted.kinds
        )
        return Inspection(image, look, self._deadline, self._access.cache, verified=verified)

    def _with_scans(self, image: Image, subject: Subject, settings: ScannerSettings) -> dict[type, object]:
        """Collect everything in a private folder; raises `InvalidInput` where none can be made."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(dir=self._access.work_dir) as folder:
            from pathlib import Path

            cache = self._access.cache
            own = replace(settings, work_dir=Path(folder), memory=None if cache is None else cache.scans)
            found = kept(lambda: self._scanned(image, subject, own))
        if isinstance(found, Unavailable):
            return dict.fromkeys((Filesystem, Inventory, Secrets, ScanRuns, Vulnerabilities), found)
        return found

    def _scanned(self, image: Image, subject: Subject, settings: ScannerSettings) -> dict[type, object]:
        """Recall what the scanners said of this image before, or have them scan it while the gate reads it."""
        from gate.cache.layout import stored_manifest
        from gate.scanners import ScanTarget
        from gate.scanners.approval import without_refused
        from gate.scanners.reuse import Asked, ScanTask

        digests = str(stored_manifest(image)), str(image.manifest.config.digest)
        asked = Asked(*digests, subject.checked_at)
        tasks = {
            name: ScanTask(scanner, asked, settings, self._deadline.at)
            for name, scanner in self._scanners.items()
            if name not in self._known
        }
        recalled, _ = self._together({name: task.recall for name, task in tasks.items()}, settings)
        reports: dict[str, ScannerReport | Unavailable] = {
            name: _report(found) for name, found in recalled.items() if found is not None
        }
        inspection, target = self._inspection(image), ScanTarget(settings.work_dir / "image", *digests)
        if len(reports) < len(tasks):
            inspection = self._copied(inspection, target)
        scans = {name: partial(task.scan, target) for name, task in tasks.items() if name not in reports}
        scanned, inspected = self._together(scans, settings, lambda: _seen(inspection, subject))
        reports |= {**self._known, **{name: _report(found) for name, found in scanned.items()}}
        if settings.told is not None:
            settings.told(subject.digest, reports)
        return inspected | self._judged(without_refused(reports, settings.approval), inspected)

    def _copied(self, inspection: Inspection, target: ScanTarget) -> Inspection:
        """Have the image, verified, in a private layout, and return the inspection that reads what the scanners read.

        What has to be fetched is inspected while it arrives. What lies in files is copied first, so that the scanners,
        which take longer, need not wait for the inspection.
        """
        from gate.cache.layout import store

        if inspection.remote:
            inspection.read()
        copy = store(inspection.image, target.layout, self._deadline.check)
        return inspection if inspection.remote else self._inspection(copy, verified=True)

    def _together(
        self,
        calls: Mapping[str, Callable[[], object]],
        settings: ScannerSettings,
        meanwhile: Callable[[], dict[type, object]] = dict,
    ) -> tuple[dict[str, object], dict[type, object]]:
        """Return what calls come to that run at the same time, and what is done meanwhile.

        That waits where the calls keep all cores busy: they end last, and everything that contends with them delays the end.
        """
        if not calls:
            return {}, meanwhile()
        from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

        with ThreadPoolExecutor(len(calls)) as pool:
            try:
                started = {name: pool.submit(call) for name, call in calls.items()}
                if len(started) >= (os.cpu_count() or 1):
                    wait(started.values(), return_when=FIRST_COMPLETED)
                done = meanwhile()
                return {name: kept(future.result) for name, future in started.items()}, done
            except BaseException:
                self._deadline.cancelled.set()
                settings.cancelled.set()
                raise

    def _judged(
        self, reports: Mapping[str, ScannerReport | Unavailable], inspected: Mapping[type, object]
    ) -> dict[type, object]:
        """Measure the scans against what the gate saw itself."""
        from gate.scanners.coverage import Seen, scan_runs, vulnerabilities

        seen = cast("Seen | Unavailable", inspected[Seen])
        runs = scan_runs(reports, seen, self._wanted.database_max_age)
        found = kept(lambda: vulnerabilities(reports, runs, self._wanted.scanners, seen))
        return {ScanRuns: runs, Vulnerabilities: found}


def _seen(inspection: Inspection, subject: Subject) -> dict[type, object]:
    """Return what an inspection comes to, and what of that scans are measured against."""
    from gate.scanners.coverage import Seen, look

    found = inspection.evidence()
    filesystem = cast("Filesystem | Unavailable", found[Filesystem])
    inventory = cast("Inventory | Unavailable", found[Inventory])
    return {**found, Seen: look(filesystem, inventory, subject.checked_at)}


def _report(found: object) -> ScannerReport | Unavailable:
    """Return what a scan came to; what is no report must not read as one without findings."""
    from gate.scanners import ScannerReport

    if isinstance(found, ScannerReport | Unavailable):
        return found
    return Fault("a scanner", TypeError(f"it returned a {type(found).__name__}"))
