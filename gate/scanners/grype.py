"""Grype: `grype oci-dir:LAYOUT`, with its findings and, from the same run, the packages that it looked at.

Grype's own report lists packages with findings only, so what it saw is read from a CycloneDX document beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

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
from gate.scanners.grype_database import GrypeDatabase, Release
from gate.scanners.grype_packages import KnownPackages, Packages
from gate.scanners.grype_renewal import environment, renew
from gate.scanners.process import Bounds, Command, Finished, Sandbox, run, sandbox
from gate.scanners.program import Program, Requirement, check_version
from gate.scanners.renewal import Replaced, shared, steady

NAME = "grype"
REQUIREMENT = Requirement(
    NAME,
    minimum=(0, 110, 0),
    install="install Grype 0.110 or later (https://github.com/anchore/grype#installation)",
    refused=refusals(NAME),
)
_SEVERITIES = frozenset({"negligible", "low", "medium", "high", "critical"})
_FIX_STATES = frozenset({"fixed", "not-fixed", "wont-fix"})
_NO_CONFIGURATION, _KNOWN = "empty.yaml", "known.json"


class _Available(report.Part, frozen=True):
    date: str = ""


class _Fix(report.Part, frozen=True):
    versions: list[str] | None = None
    state: str = ""
    available: list[_Available] | None = None


class _Advisory(report.Part, frozen=True):
    id: str = ""


class _Metrics(report.Part, frozen=True):
    base_score: float | None = report.named("baseScore", None)


class _Cvss(report.Part, frozen=True):
    source: str = ""
    vector: str = ""
    metrics: _Metrics = _Metrics()


class _Exploited(report.Part, frozen=True):
    cve: str = ""


class _Epss(report.Part, frozen=True):
    score: float | None = report.named("epss", None)


class _Vulnerability(report.Part, frozen=True):
    id: str
    namespace: str = ""
    severity: str = ""
    url: str = report.named("dataSource", "")
    description: str = ""
    fix: _Fix = _Fix()
    advisories: list[_Advisory] | None = None
    cvss: list[_Cvss] | None = None
    exploited: list[_Exploited] | None = report.named("knownExploited", None)
    epss: list[_Epss] | None = None


class _Location(report.Part, frozen=True):
    path: str = ""
    layer: str = report.named("layerID", "")


class _Artifact(report.Part, frozen=True):
    name: str
    version: str
    type: str
    purl: str = ""
    locations: list[_Location] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What the package is called in the list of packages."""
        return self.name, self.version, self.purl


class _Match(report.Part, frozen=True):
    vulnerability: _Vulnerability
    artifact: _Artifact
    related: list[_Vulnerability] | None = report.named("relatedVulnerabilities", None)


class _Target(report.Part, frozen=True):
    image_id: str = report.named("imageID", "")
    manifest_digest: str = report.named("manifestDigest", "")


class _Source(report.Part, frozen=True):
    type: str
    target: _Target


class _Distro(report.Part, frozen=True):
    name: str = ""
    version: str = ""


class _Status(report.Part, frozen=True):
    built: str = ""
    valid: bool = False


class _DatabaseInfo(report.Part, frozen=True):
    status: _Status


class _Descriptor(report.Part, frozen=True):
    name: str
    version: str
    db: _DatabaseInfo


class _Alert(report.Part, frozen=True):
    type: str = ""


class _Alerts(report.Part, frozen=True):
    alerts: list[_Alert] | None = None


class _Report(report.Part, frozen=True, kw_only=True):
    matches: list[_Match]
    source: _Source
    distro: _Distro
    descriptor: _Descriptor
    alerts: list[_Alerts] | None = report.named("alertsByPackage", None)


_Answer = tuple[_Report, Packages, Finished]
"""What Grype wrote in one run."""


def prepare(settings: ScannerSettings, deadline: float) -> Prepared:
    """Find Grype and renew its database; raises `Unavailable` (see `gate.scanners.Scanner`)."""
    program = admit(REQUIREMENT, settings.grype, settings)
    warnings: tuple[str, ...] = ()
    if not settings.offline:
        with started(program, settings) as running:
            warnings = renew(running, settings, Bounds.of(settings, deadline))
    return Prepared(_basis(program, settings), warnings, program.approval)


def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
    """Scan one image; raises `Unavailable` (see `gate.scanners.Scanner`)."""
    program, bounds = admit(REQUIREMENT, settings.grype, settings), Bounds.of(settings, deadline)
    with started(program, settings) as running:
        warnings = () if settings.offline or settings.renewed else renew(running, settings, bounds)
        return steady(lambda: _scan(running, target, settings, bounds, warnings))


def _basis(
    program: Program,
    settings: ScannerSettings,
    databases: tuple[str, ...] = ("vulnerability.db", "import.json"),
) -> Basis:
    """Return what a scan rests on now, or what a part of it does that uses these files of the database."""
    files = (settings.grype_database / "6" / name for name in databases)
    plain = replace(program, copy="")  # which lies elsewhere in each run
    return basis_of(plain, _scan_command(plain, _image(NOWHERE), settings, NO_PLACE), files)


def _scan(
    program: Program, target: ScanTarget, settings: ScannerSettings, bounds: Bounds, warnings: tuple[str, ...]
) -> ScannerReport:
    """Run Grype once on a database that does not change meanwhile."""
    folder = settings.grype_database
    with shared(folder, bounds), sandbox(settings.work_dir, NAME) as place:
        basis, kept = settled(lambda: _basis(program, settings))
        database = GrypeDatabase.read(folder)
        place.path(_NO_CONFIGURATION).touch()
        known = KnownPackages(settings.memory, target, _basis(program, settings, ()))

        def ask(source: str) -> _Answer:
            finished = run(_scan_command(program, source, settings, place), place, bounds)
            if _basis(program, settings) != basis:
                raise Replaced("Grype")
            found = report.read(place.path("report.json"), _Report, "report of Grype")
            return (
                found,
                report.read(place.path("packages.json"), Packages, "package list of Grype"),
                finished,
            )

        listed = known.give(place.path(_KNOWN))
        answer = _as_of_image(ask(f"sbom:{place.path(_KNOWN)}"), listed, target) if listed else None
        found, packages, finished = answer or ask(_image(target))
        _check(found, packages, finished, target)
        status = found.descriptor.db.status
        database.check_used(status.built, valid=status.valid)
        if kept and answer is None:
            known.keep(place.path("packages.json"), packages)
    made = _report(program, database, (found, packages), finished, warnings)
    return replace(made, basis=basis if kept else None)


def _image(target: ScanTarget) -> str:
    """Return how Grype is told to read an image."""
    return f"oci-dir:{target.layout}"


def _as_of_image(answer: _Answer, listed: Packages, target: ScanTarget) -> _Answer | None:
    """Return what Grype says of the list of packages of an image as what it says of the image.

    The list is sealed with the digests of its image, of which it states the manifest's alone. Nor does it state which of
    its places a package was found at first. Returns None where Grype did not take all of the list.
    """
    found, packages, finished = answer
    places = {component.key: component.place for component in listed.listed}
    if packages.keys != listed.keys or not all(match.artifact.key in places for match in found.matches):
        return None
    matches = [
        replace(match, artifact=replace(match.artifact, locations=[_Location(*places[match.artifact.key])]))
        for match in found.matches
    ]
    image = replace(found.source.target, image_id=target.config_digest)
    return replace(found, matches=matches, source=replace(found.source, target=image)), listed, finished


def _scan_command(program: Program, source: str, settings: ScannerSettings, place: Sandbox) -> Command:
    """Build the scan's command line; not with `-q`, which hides that a part of the matching failed."""
    outputs = place.path("report.json"), place.path("packages.json")
    argv = (
        program.start, source, "--config", str(place.path(_NO_CONFIGURATION)),
        "-o", f"json={outputs[0]}", "-o", f"cyclonedx-json={outputs[1]}",
    )  # fmt: skip
    return Command("Grype", argv, environment(place, settings, network=False), outputs, network=False)


def _check(found: _Report, packages: Packages, finished: Finished, target: ScanTarget) -> None:
    """Refuse a report of another image, of another program, or of a run that lost a part of its work."""
    check_version(REQUIREMENT, found.descriptor.version)
    if found.descriptor.name != "grype" or found.source.type != "image" or packages.bom_format != "CycloneDX":
        raise Unavailable(
            f"the report of Grype is of {found.descriptor.name[:40]!r} on a {found.source.type[:40]!r}",
            hint=REQUIREMENT.install,
        )
    image = found.source.target
    if image.image_id != target.config_digest or image.manifest_digest != target.manifest_digest:
        raise IntegrityError(
            f"Grype scanned the image {image.image_id[:80]!r}, not {target.config_digest}",
            hint="the image was changed between the check and the scan, or the scanner is another program; run again",
        )
    if "matcher returned error" in finished.log:
        raise Unavailable(
            "Grype could not look up some packages (matcher returned error), so findings are missing",
            hint="its database is usually damaged or of another version: grype db delete, then grype db update",
        )


def _report(
    program: Program,
    database: GrypeDatabase,
    documents: tuple[_Report, Packages],
    finished: Finished,
    warnings: tuple[str, ...],
) -> ScannerReport:
    """Turn Grype's words into the gate's."""
    found, listed = documents
    packages = tuple(_packages(listed))
    release = (
        database.release(found.distro.name, found.distro.version) if found.distro.name else Release(False)
    )
    types = {package.type for package in packages}
    uncovered = [kind for kind in sorted(types) if not database.covers_type(kind)]
    if found.distro.name and types & SYSTEM_TYPES and not release.covered:
        uncovered.insert(0, f"{found.distro.name} {found.distro.version}".strip())
    run_ = ScanRun(
        scanner=NAME,
        version=found.descriptor.version,
        binary=program.path,
        binary_digest=program.digest,
        approval=program.approval,
        database=database.database,
        image_id=found.source.target.image_id,
        os_family=found.distro.name,
        os_version=found.distro.version,
        end_of_life=_end_of_life(found, release),
        packages=packages,
        warnings=(*warnings, *_warnings(finished.log)),
        seconds=finished.seconds,
        confinement=finished.confinement,
        uncovered=tuple(uncovered),
    )
    return ScannerReport(run_, tuple(_finding(match) for match in found.matches))


def _end_of_life(found: _Report, release: Release) -> bool | None:
    """Return Grype's opinion of the release, None where it has none."""
    if any(alert.type == "distro-eol" for group in found.alerts or () for alert in group.alerts or ()):
        return True
    return None if release.end_of_life is None else release.end_of_life < datetime.now(UTC)


def _warnings(log: str) -> Iterator[str]:
    """Yield the messages of level WARN and above, without their time."""
    for line in log.splitlines():
        level, _, message = line.partition("]")[2].strip().partition(" ")
        if level in ("WARN", "ERROR", "FATAL"):
            yield message.strip()[:300]


def _packages(packages: Packages) -> Iterator[ScannedPackage]:
    """Yield every package that Grype saw."""
    for component in packages.listed:
        kind = type_of(component.purl) or component.kind
        yield ScannedPackage(kind, component.name, component.version, component.purl, component.place[0])


def _finding(match: _Match) -> RawFinding:
    """Turn one match into a finding."""
    artifact = match.artifact
    location = artifact.locations[0] if artifact.locations else _Location()
    return RawFinding(
        package_type=type_of(artifact.purl) or artifact.type,
        package_name=artifact.name,
        package_version=artifact.version,
        purl=artifact.purl,
        opinion=_opinion(match.vulnerability, match.related or []),
        layer=location.layer,
        path=location.path,
    )


def _opinion(item: _Vulnerability, related: list[_Vulnerability]) -> Opinion:
    """Turn one match's judgement into an opinion; related records add the severities of other sources."""
    records = (item, *related)
    aliases = {record.id for record in related} | {advisory.id for advisory in item.advisories or ()}
    severities: dict[str, str] = {}
    scores: dict[str, float] = {}
    vectors: dict[str, str] = {}
    for record in records:
        source = record.namespace.partition(":")[0]
        severities.setdefault(source, _severity(record.severity))
        for cvss in record.cvss or ():
            given_by = cvss.source or source
            if cvss.metrics.base_score is not None and given_by not in scores:
                scores[given_by] = cvss.metrics.base_score
                vectors |= {given_by: cvss.vector} if cvss.vector else {}
    epss = next((entry.score for record in records for entry in record.epss or ()), None)
    state = item.fix.state
    return Opinion(
        scanner=NAME,
        id=item.id,
        aliases=tuple(sorted(aliases - {item.id, ""})),
        severity=_severity(item.severity),
        severity_source=item.namespace.partition(":")[0],
        severities=severities,
        scores=scores,
        fixed_versions=tuple(sorted({version for version in item.fix.versions or () if version})),
        fix_state=state if state in _FIX_STATES else "unknown",
        url=item.url,
        title=item.description.partition("\n")[0][:200],
        known_exploited=any(record.exploited for record in records),
        epss=epss,
        vectors=vectors,
        fix_published=min((fix.date for fix in item.fix.available or () if fix.date), default=""),
    )


def _severity(word: str) -> str:
    """Return a severity in the gate's words."""
    return word.lower() if word.lower() in _SEVERITIES else "unknown"


SCANNER = Scanner(NAME, scan, prepare)
