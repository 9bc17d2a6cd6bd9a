"""Scanners: programs of others that look for known vulnerabilities, run side by side on one verified image.

This file holds the one protocol, `Scanner`, and what a scan is given and gives back. A scan either returns a
`ScannerReport` that was established completely, or raises `Unavailable` and says why not and what to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.evidence import Opinion, ScanRun
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.registry import RegistrySettings
from gate.scanners.program import FileIdentity

if TYPE_CHECKING:
    from gate.scanners.approval import Copies


class Approval(Struct, frozen=True):
    """Which programs may run, as a policy says.

    `listed` lets only those run whose bytes the shipped table or `programs` approves. `programs` are digests
    (`sha256:…`) that the policy approves beside the table, of programs or of archives to install them from. `refused` are
    further ones that never run: digests, or a name and a version (`trivy 0.77.1`).
    """

    listed: bool = False
    programs: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class ScannerSettings(Struct, frozen=True):
    """What the caller says about all scanners.

    `work_dir` takes the private folders of each run. `trivy` and `grype` are paths of the programs; None looks them up
    on `PATH`. `trivy_cache` holds `db/` and `java-db/`, `grype_database` holds `6/`. `timeout` bounds one program on one
    image, in seconds. `offline` forbids renewing a database. The three lists of sources replace where the programs renew
    their databases from: mirrors, tried in their order; an empty one leaves it to the program. `feeds` holds `kev/` and
    `epss/`, `feed_sources` are addresses of these by name, and `network` says how they are asked. `approval` says which
    programs may run, and `copies` keeps the private copies that are started where only listed ones may. `renewed` says that what was due is renewed already. `memory` keeps what was found out about files
    that do not change. `told` is told what all scanners said of an image, by the digest of its manifest. Setting `cancelled`
    ends every running program.
    """

    work_dir: Path
    trivy_cache: Path
    grype_database: Path
    trivy: str | None = None
    grype: str | None = None
    timeout: float = LIMITS.scanner_seconds
    offline: bool = False
    trivy_sources: tuple[str, ...] = ()
    trivy_java_sources: tuple[str, ...] = ()
    grype_sources: tuple[str, ...] = ()
    feeds: Path | None = None
    feed_sources: Mapping[str, tuple[str, ...]] = {}
    network: RegistrySettings = field(default_factory=RegistrySettings)
    approval: Approval = Approval()
    copies: Copies | None = None
    renewed: bool = False
    memory: ScanStore | None = None
    told: Callable[[Digest, Mapping[str, ScannerReport | Unavailable]], object] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class ScanTarget(Struct, frozen=True):
    """One image to scan: a private, verified OCI layout that lists nothing else, and the digests it was verified by."""

    layout: Path
    manifest_digest: str
    config_digest: str


class RawFinding(Struct, frozen=True):
    """One vulnerability in one package, as one scanner reported it.

    `purl` is as the scanner wrote it, or empty. `layer` is a diff ID; `path` starts with a slash; both may be empty.
    """

    package_type: str
    package_name: str
    package_version: str
    purl: str
    opinion: Opinion
    layer: str = ""
    path: str = ""


class Basis(Struct, frozen=True):
    """All that a report rests on beside the image.

    `program` is the digest of the scanner, `command` its command line and environment with names in place of the folders of
    the run, and `files` are the program and the files of its databases, each as what changes with it; None for one that
    is not there.
    """

    program: str
    command: tuple[str, ...]
    files: tuple[FileIdentity | None, ...]


class ScannerReport(Struct, frozen=True):
    """All that one scanner said of one image, and what that rests on; no `basis`: it holds for this run alone."""

    run: ScanRun
    findings: tuple[RawFinding, ...]
    basis: Basis | None = None


class Prepared(Struct, frozen=True):
    """A scanner that may run now: what its report will rest on, what went wrong with renewing its database, who approved it."""

    basis: Basis
    warnings: tuple[str, ...] = ()
    approval: str = ""


Prepare = Callable[[ScannerSettings, float], Prepared]
Scan = Callable[[ScanTarget, ScannerSettings, float], ScannerReport]


class Scanner(Struct, frozen=True):
    """One scanner: its name, the function that runs it, and the one that prepares that.

    `scan(target, settings, deadline)` ends before `deadline` (of `time.monotonic()`), leaves no process and no file
    behind, and raises `Unavailable` for everything that keeps its report from being complete.

    `prepare(settings, deadline)` finds the program, renews its databases where that is due, and says what a scan would rest
    on now; it raises `Unavailable` where there can be none. Without it, nothing is reused.
    """

    name: str
    scan: Scan
    prepare: Prepare | None = None


def built_in() -> Mapping[str, Scanner]:
    """Return the scanners that image-gate knows, by name."""
    from gate.scanners import grype, trivy  # here, because both need the protocol above

    return {scanner.name: scanner for scanner in (grype.SCANNER, trivy.SCANNER)}
