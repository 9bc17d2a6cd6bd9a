"""Collect the evidence that rules need: the inspection and both scanners side by side, under one deadline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

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
    from concurrent.futures import Future

    from gate.scanners import Scanner, ScannerReport, ScannerSettings


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
        access: Access,
    ) -> None:
        self._wanted = wanted
        self._scanners = {name: scanners[name] for name in wanted.scanners}
        self._settings = settings
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

            own = replace(settings, work_dir=Path(folder))
            found = kept(lambda: self._scanned(image, subject, own))
        if isinstance(found, Unavailable):
            return dict.fromkeys((Filesystem, Inventory, Secrets, ScanRuns, Vulnerabilities), found)
        return found

    def _scanned(self, image: Image, subject: Subject, settings: ScannerSettings) -> dict[type, object]:
        """Have the image, verified, in a private layout, and let the gate and the scanners read it at the same time.

        What has to be fetched is inspected while it arrives. What lies in files is copied first, so that the scanners,
        which take longer, need not wait for the inspection.
        """
        from concurrent.futures import ThreadPoolExecutor

        from gate.cache.layout import store, stored_manifest
        from gate.scanners import ScanTarget

        layout = settings.work_dir / "image"
        inspection = self._inspection(image)
        if inspection.remote:
            inspection.read()
        copy = store(inspection.image, layout, self._deadline.check)
        if not inspection.remote:
            inspection = self._inspection(copy, verified=True)
        target = ScanTarget(layout, str(stored_manifest(image)), str(image.manifest.config.digest))
        with ThreadPoolExecutor(len(self._scanners)) as pool:
            try:
                scans = {
                    name: pool.submit(scanner.scan, target, settings, self._deadline.at)
                    for name, scanner in self._scanners.items()
                }
                inspected = inspection.evidence()
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
        found = kept(lambda: vulnerabilities(reports, runs, self._wanted.scanners, seen))
        return {ScanRuns: runs, Vulnerabilities: found}


def _outcome(scan: Future[ScannerReport]) -> ScannerReport | Unavailable:
    """Return what a scan came to; what is no report must not read as one without findings."""
    from gate.scanners import ScannerReport

    report: object = kept(scan.result)
    if isinstance(report, ScannerReport | Unavailable):
        return report
    return Fault("a scanner", TypeError(f"it returned a {type(report).__name__}"))
