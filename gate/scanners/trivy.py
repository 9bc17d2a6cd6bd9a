"""Trivy: `trivy image --input LAYOUT`, offline, with a database that was looked into before (Trivy's report names none)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from gate.errors import IntegrityError, Unavailable
from gate.evidence import Opinion, ScannedPackage, ScanRun
from gate.packages.formats import SYSTEM_TYPES
from gate.packages.purls import type_of
from gate.scanners import (
    Basis,
    Prepared,
    RawFinding,
    Scanner,
    ScannerReport,
    ScannerSettings,
    ScanTarget,
    report,
)
from gate.scanners.approval import admit, refusals, started
from gate.scanners.basis import NO_PLACE, NOWHERE, basis_of, settled
from gate.scanners.process import Bounds, Command, Finished, Sandbox, run, sandbox
from gate.scanners.program import Program, Requirement, check_version
from gate.scanners.renewal import Replaced, shared, steady
from gate.scanners.trivy_database import TrivyDatabase
from gate.scanners.trivy_layers import AnalysedLayers, link_databases
from gate.scanners.trivy_renewal import JAVA, renew, renew_due

NAME = "trivy"
REQUIREMENT = Requirement(
    NAME,
    minimum=(0, 70, 0),
    install=(
        "install Trivy 0.70 or later (image-gate scanners install trivy, or "
        "https://trivy.dev/docs/latest/getting-started/installation/)"
    ),
    mark=b"github.com/aquasecurity/trivy/pkg/version/app.ver=",
    refused=refusals(NAME),
)
_JAVA_NEEDED = "skip-java-db-update"
"""What Trivy's error names where an image holds jars and there is no database for them."""
_LEVELS = ("unknown", "low", "medium", "high", "critical")
_FIX_STATES = {
    "fixed": "fixed",
    "will_not_fix": "wont-fix",
    "affected": "not-fixed",
    "fix_deferred": "not-fixed",
    "end_of_life": "wont-fix",
}
_DATABASE_FILES = {"db": "trivy.db", "java-db": "trivy-java.db"}
_TITLED = frozenset({"conda-pkg", "gemspec", "jar", "node-pkg", "python-pkg"})
"""Types whose packages state their own path; their target is a title such as `Node.js`, not a path."""


class _OperatingSystem(report.Part, frozen=True, rename="pascal"):
    family: str
    name: str
    end_of_life: bool = report.named("EOSL", False)


class _Metadata(report.Part, frozen=True):
    image_id: str = report.named("ImageID", "")
    os: _OperatingSystem | None = report.named("OS", None)


class _Identifier(report.Part, frozen=True):
    purl: str = report.named("PURL", "")


class _Layer(report.Part, frozen=True):
    diff_id: str = report.named("DiffID", "")


class _Package(report.Part, frozen=True, rename="pascal"):
    name: str
    version: str = ""
    release: str = ""
    epoch: int = 0
    identifier: _Identifier = _Identifier()
    file_path: str = ""

    @property
    def full_version(self) -> str:
        """The version with epoch and release, as package managers print it."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}" if self.release else f"{epoch}{self.version}"


class _Score(report.Part, frozen=True):
    v2: float | None = report.named("V2Score", None)
    v3: float | None = report.named("V3Score", None)
    v4: float | None = report.named("V40Score", None)
    vector2: str = report.named("V2Vector", "")
    vector3: str = report.named("V3Vector", "")
    vector4: str = report.named("V40Vector", "")

    @property
    def newest(self) -> tuple[float | None, str]:
        """Score and vector of the newest version of CVSS that is scored."""
        every = (self.v4, self.vector4), (self.v3, self.vector3), (self.v2, self.vector2)
        return next((pair for pair in every if pair[0]), (None, ""))


class _Finding(report.Part, frozen=True, kw_only=True, rename="pascal"):
    id: str = report.named("VulnerabilityID")
    aliases: list[str] | None = report.named("VendorIDs", None)
    pkg_name: str
    pkg_path: str = ""
    pkg_identifier: _Identifier = _Identifier()
    installed_version: str
    fixed_version: str = ""
    status: str = ""
    layer: _Layer = _Layer()
    severity: str
    severity_source: str = ""
    vendor_severity: dict[str, int] | None = None
    scores: dict[str, _Score] | None = report.named("CVSS", None)
    url: str = report.named("PrimaryURL", "")
    title: str = ""
    published_date: str = ""


class _Result(report.Part, frozen=True, kw_only=True, rename="pascal"):
    target: str
    class_: str = report.named("Class", "")
    type: str = ""
    packages: list[_Package] | None = None
    vulnerabilities: list[_Finding] | None = None


class _Tool(report.Part, frozen=True, rename="pascal"):
    version: str


class _Report(report.Part, frozen=True, kw_only=True, rename="pascal"):
    schema_version: int
    tool: _Tool = report.named("Trivy")
    artifact_type: str
    metadata: _Metadata
    results: list[_Result] | None = None


def prepare(settings: ScannerSettings, deadline: float) -> Prepared:
    """Find Trivy and renew its databases; raises `Unavailable` (see `gate.scanners.Scanner`)."""
    program = admit(REQUIREMENT, settings.trivy, settings)
    warnings: tuple[str, ...] = ()
    if not settings.offline:
        with started(program, settings) as running:
            warnings = renew_due(running, settings, Bounds.of(settings, deadline))
    return Prepared(_basis(program, settings), warnings, program.approval)


def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
    """Scan one image; raises `Unavailable` (see `gate.scanners.Scanner`)."""
    program, bounds = admit(REQUIREMENT, settings.trivy, settings), Bounds.of(settings, deadline)
    with started(program, settings) as running:
        return _renewed_scan(running, target, settings, bounds)


def _renewed_scan(
    program: Program, target: ScanTarget, settings: ScannerSettings, bounds: Bounds
) -> ScannerReport:
    """Scan with databases that were renewed where they were due."""
    warnings = () if settings.offline or settings.renewed else renew_due(program, settings, bounds)
    try:
        return steady(lambda: _scan(program, target, settings, bounds, warnings))
    except Unavailable as error:
        if (
            settings.offline
            or _JAVA_NEEDED not in error.message
            or (settings.trivy_cache / "java-db").exists()
        ):
            raise
    warnings += renew(program, settings, bounds, JAVA)
    return _scan(program, target, settings, bounds, warnings)


def _basis(
    program: Program, settings: ScannerSettings, databases: tuple[str, ...] = ("db", "java-db")
) -> Basis:
    """Return what a scan rests on now, or what a part of it does that uses these databases."""
    files = [
        settings.trivy_cache / folder / name
        for folder in databases
        for name in (_DATABASE_FILES[folder], "metadata.json")
    ]
    plain = replace(program, copy="")  # which lies elsewhere in each run
    return basis_of(plain, _scan_command(plain, NOWHERE, settings, NO_PLACE), files)


def _scan(
    program: Program, target: ScanTarget, settings: ScannerSettings, bounds: Bounds, warnings: tuple[str, ...]
) -> ScannerReport:
    """Run Trivy once on databases that do not change meanwhile."""
    with shared(settings.trivy_cache, bounds), sandbox(settings.work_dir, NAME) as place:
        basis, kept = settled(lambda: _basis(program, settings))
        database = TrivyDatabase.read(settings.trivy_cache, settings.memory)
        layers = AnalysedLayers(settings.memory, target, _basis(program, settings, ("java-db",)))
        link_databases(settings.trivy_cache, place.path("cache"))
        layers.give(place.path("cache"))
        finished = run(_scan_command(program, target, settings, place), place, bounds)
        if _basis(program, settings) != basis:
            raise Replaced("Trivy")
        found = report.read(place.path("report.json"), _Report, "report of Trivy")
        _check(found, target)
        if kept:
            layers.keep(place.path("cache"))
    return replace(_report(program, database, found, finished, warnings), basis=basis if kept else None)


def _scan_command(program: Program, target: ScanTarget, settings: ScannerSettings, place: Sandbox) -> Command:
    """Build the scan's command line."""
    output = place.path("report.json")
    argv = (
        program.start, "image", "--input", str(target.layout),
        "--config", "", "--ignorefile", "", "--module-dir", str(place.path("modules")),
        "--cache-dir", str(place.path("cache")), "--cache-backend", "fs",
        "--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check", "--disable-telemetry",
        "--scanners", "vuln", "--pkg-types", "os,library", "--list-all-pkgs", "--no-progress",
        "--timeout", f"{max(1, int(settings.timeout))}s",
        "--format", "json", "--output", str(output),
    )  # fmt: skip
    return Command("Trivy", argv, place.environment(network=False), (output,), network=False)


def _check(found: _Report, target: ScanTarget) -> None:
    """Refuse a report of another image, of another kind of thing, or of a version that may not be used."""
    check_version(REQUIREMENT, found.tool.version)
    if found.schema_version != 2 or found.artifact_type != "container_image":
        raise Unavailable(
            f"Trivy reports on {found.artifact_type[:40]!r} in schema {found.schema_version}, not on an image in schema 2",
            hint=REQUIREMENT.install,
        )
    if found.metadata.image_id != target.config_digest:
        raise IntegrityError(
            f"Trivy scanned the image {found.metadata.image_id[:80]!r}, not {target.config_digest}",
            hint="the image was changed between the check and the scan, or the scanner is another program; run again",
        )


def _report(
    program: Program, database: TrivyDatabase, found: _Report, finished: Finished, warnings: tuple[str, ...]
) -> ScannerReport:
    """Turn Trivy's words into the gate's."""
    system = found.metadata.os
    family = "" if system is None or system.family == "none" else system.family
    version = "" if system is None else system.name
    results = found.results or []
    packages = tuple(_packages(results))
    run_ = ScanRun(
        scanner=NAME,
        version=found.tool.version,
        binary=program.path,
        binary_digest=program.digest,
        approval=program.approval,
        database=database.database,
        image_id=found.metadata.image_id,
        os_family=family,
        os_version=version,
        end_of_life=system.end_of_life if system is not None and family else None,
        packages=packages,
        warnings=(*warnings, *_warnings(finished.log)),
        seconds=finished.seconds,
        confinement=finished.confinement,
        uncovered=tuple(_uncovered(database, family, version, packages)),
    )
    return ScannerReport(run_, tuple(_findings(results)))


def _warnings(log: str) -> Iterator[str]:
    """Yield the messages of level WARN and above, without their time."""
    for line in log.splitlines():
        parts = line.split("\t", 2)
        if len(parts) == 3 and parts[1] in ("WARN", "ERROR", "FATAL"):
            yield parts[2].replace("\t", " ")[:300]


def _uncovered(
    database: TrivyDatabase, family: str, version: str, packages: tuple[ScannedPackage, ...]
) -> Iterator[str]:
    """Yield what was seen in the image and has no advisories in the database."""
    types = {package.type for package in packages}
    if family and types & SYSTEM_TYPES and not database.covers_release(family, version):
        yield f"{family} {version}".strip()
    yield from sorted(kind for kind in types if not database.covers_type(kind))


def _packages(results: list[_Result]) -> Iterator[ScannedPackage]:
    """Yield every package that Trivy saw."""
    for result in results:
        for package in result.packages or ():
            purl = package.identifier.purl
            yield ScannedPackage(
                type_of(purl) or result.type,
                package.name,
                package.full_version,
                purl,
                _path(result, package.file_path),
            )


def _findings(results: list[_Result]) -> Iterator[RawFinding]:
    """Yield every vulnerability that Trivy reports."""
    for result in results:
        for item in result.vulnerabilities or ():
            purl = item.pkg_identifier.purl
            yield RawFinding(
                package_type=type_of(purl) or result.type,
                package_name=item.pkg_name,
                package_version=item.installed_version,
                purl=purl,
                opinion=_opinion(item),
                layer=item.layer.diff_id,
                path=_path(result, item.pkg_path),
            )


def _path(result: _Result, path: str) -> str:
    """Return where a package is, with a leading slash; programs with modules inside are the target themselves."""
    if not path and result.class_ == "lang-pkgs" and result.type not in _TITLED:
        path = result.target
    return f"/{path.lstrip('/')}" if path else ""


def _opinion(item: _Finding) -> Opinion:
    """Turn one finding's judgement into an opinion."""
    fixed = tuple(sorted({version.strip() for version in item.fixed_version.split(",") if version.strip()}))
    severities: Mapping[str, str] = {
        source: _LEVELS[level] if 0 <= level < len(_LEVELS) else "unknown"
        for source, level in (item.vendor_severity or {}).items()
    }
    cvss = {source: given.newest for source, given in (item.scores or {}).items()}
    severity = item.severity.lower()
    return Opinion(
        scanner=NAME,
        id=item.id,
        aliases=tuple(sorted(set(item.aliases or ()) - {item.id})),
        severity=severity if severity in _LEVELS else "unknown",
        severity_source=item.severity_source,
        severities=severities,
        scores={source: score for source, (score, _) in cvss.items() if score is not None},
        fixed_versions=fixed,
        fix_state="fixed" if fixed else _FIX_STATES.get(item.status, "unknown"),
        published=item.published_date,
        url=item.url,
        title=item.title,
        vectors={source: vector for source, (_, vector) in cvss.items() if vector},
    )


SCANNER = Scanner(NAME, scan, prepare)
