"""Reuse what a scanner said of an image in an earlier run, where everything that it rests on is the same."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct
from msgspec.structs import replace

from gate.scanners import Basis, Prepared, Scanner, ScannerReport, ScannerSettings, ScanTarget


class Asked(Struct, frozen=True):
    """What scanners are asked about: an image, by its digests, on a day, because they say what is past its end of life."""

    manifest_digest: str
    config_digest: str
    now: datetime


class _Grounds(Struct, frozen=True):
    """All that a report depends on."""

    scanner: str
    manifest_digest: str
    config_digest: str
    day: date
    basis: Basis


class _Kept(Struct, frozen=True):
    """A report, and the time of the run that it comes from."""

    report: ScannerReport
    made: datetime


class ScanTask:
    """One scanner and one image: the report of an earlier run, or one that is made now and kept for later ones."""

    def __init__(self, scanner: Scanner, asked: Asked, settings: ScannerSettings, until: float) -> None:
        self._scanner = scanner
        self._asked = asked
        self._settings = settings
        self._until = until
        self._prepared: Prepared | None = None

    def recall(self) -> ScannerReport | None:
        """Return the report that the scanner would make now, if it is known; raises `Unavailable` where it can make none."""
        memory = self._settings.memory
        if memory is None or self._scanner.prepare is None:
            return None
        self._prepared = self._scanner.prepare(self._settings, self._until)
        kept = memory.get(self._grounds(self._prepared.basis), _Kept)
        if kept is None:
            return None
        run = replace(kept.report.run, reused=kept.made, approval=self._prepared.approval)
        return self._warned(replace(kept.report, run=run))

    def scan(self, target: ScanTarget) -> ScannerReport:
        """Run the scanner, and keep its report; raises `Unavailable`."""
        if self._prepared is None:
            return self._scanner.scan(target, self._settings, self._until)
        report = self._scanner.scan(target, replace(self._settings, renewed=True), self._until)
        memory = self._settings.memory
        if memory is not None and report.basis is not None:
            memory.put(self._grounds(report.basis), _Kept(report, self._asked.now))
        return self._warned(report)

    def _grounds(self, basis: Basis) -> _Grounds:
        """Return what a report on this basis depends on."""
        asked = self._asked
        return _Grounds(
            self._scanner.name, asked.manifest_digest, asked.config_digest, asked.now.date(), basis
        )

    def _warned(self, report: ScannerReport) -> ScannerReport:
        """Add what went wrong with renewing the database in this run."""
        warnings = self._prepared.warnings if self._prepared is not None else ()
        return replace(report, run=replace(report.run, warnings=(*warnings, *report.run.warnings)))
