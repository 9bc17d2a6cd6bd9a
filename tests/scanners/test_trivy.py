"""Trivy, simulated: what it is told, what its report becomes, and when its database is renewed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import IntegrityError, Unavailable
from gate.scanners import ScannerReport, ScannerSettings, ScanTarget, trivy
from samples.databases.advisories import load
from samples.databases.trivy import write_trivy_database
from tests.kit.fake_scanner import Behaviour, FakeScanner, fake_scanner, honest_trivy, trivy_report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the simulated Trivy is."""
    return tmp_path / "bin" / "trivy"


def scan(path: Path, behaviour: Behaviour, settings: ScannerSettings, target: ScanTarget) -> ScannerReport:
    """Scan with a Trivy that behaves so."""
    fake_scanner(path, behaviour)
    return trivy.scan(target, replace(settings, trivy=str(path)), time.monotonic() + 60)


def scan_report(
    path: Path, changed: Mapping[str, Any], settings: ScannerSettings, target: ScanTarget
) -> ScannerReport:
    """Scan with a Trivy that reports so."""
    return scan(path, honest_trivy(target, **changed), settings, target)


def test_what_it_reports(path: Path, settings: ScannerSettings, target: ScanTarget, built: datetime) -> None:
    report = scan(path, honest_trivy(target), settings, target)
    run = report.run
    assert (run.scanner, run.version, run.binary, run.image_id) == (
        "trivy",
        "0.76.0",
        str(path),
        target.config_digest,
    )
    assert (run.os_family, run.os_version, run.end_of_life, run.uncovered) == ("debian", "12.0", False, ())
    assert run.binary_digest.startswith("sha256:")
    assert run.database.built == built
    assert [(package.type, package.name, package.version) for package in run.packages] == [
        ("deb", "libssl3", "3.0.9-1")
    ]
    (finding,) = report.findings
    assert (finding.package_type, finding.package_name, finding.package_version) == (
        "deb",
        "libssl3",
        "3.0.9-1",
    )
    assert (finding.layer, finding.path) == ("sha256:" + "1" * 64, "")
    opinion = finding.opinion
    assert (opinion.id, opinion.aliases) == ("CVE-2023-5363", ("DSA-5532-1",))
    assert (opinion.severity, opinion.severity_source, opinion.severities) == ("high", "nvd", {"nvd": "high"})
    assert (opinion.scores, opinion.fixed_versions, opinion.fix_state) == (
        {"nvd": 7.5},
        ("3.0.11-1~deb12u2",),
        "fixed",
    )


def test_what_it_is_told(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    scan(path, honest_trivy(target), settings, target)
    (start,) = FakeScanner(path).starts
    argv = start["argv"]
    assert argv[1:4] == ["image", "--input", "/layout"]
    for option, value in {
        "--config": "",
        "--ignorefile": "",
        "--cache-backend": "fs",
        "--scanners": "vuln",
    }.items():
        assert argv[argv.index(option) + 1] == value
    assert {
        "--skip-db-update",
        "--skip-java-db-update",
        "--offline-scan",
        "--skip-version-check",
        "--disable-telemetry",
    } <= set(argv)
    assert not {"-q", "--quiet", "--exit-code"} & set(argv)
    cache = argv[argv.index("--cache-dir") + 1]
    assert cache.startswith(str(settings.work_dir)), "its cache is its own; only databases are shared"


@pytest.mark.parametrize("code", [0, 1])
def test_its_warnings_are_kept(path: Path, settings: ScannerSettings, target: ScanTarget, code: int) -> None:
    log = (
        '2026-11-23T21:03:04Z\tINFO\tall is well\n2026-11-23T21:03:06Z\tWARN\tUnsupported os\tfamily="none"\n'
    )
    behaviour = honest_trivy(target).but(log=log, exit=code)
    if code:
        with pytest.raises(Unavailable, match="Unsupported os"):
            scan(path, behaviour, settings, target)
    else:
        assert scan(path, behaviour, settings, target).run.warnings == ('Unsupported os family="none"',)


def test_an_image_without_anything(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    report = scan_report(
        path, {"Metadata": {"ImageID": target.config_digest}, "Results": None}, settings, target
    )
    assert (report.run.os_family, report.run.end_of_life, report.run.packages, report.findings) == (
        "",
        None,
        (),
        (),
    )


def test_a_distribution_it_does_not_know(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    metadata = {"ImageID": target.config_digest, "OS": {"Family": "none", "Name": ""}}
    assert scan_report(path, {"Metadata": metadata}, settings, target).run.os_family == ""


def test_a_release_that_has_ended_and_is_not_in_its_database(
    path: Path, settings: ScannerSettings, target: ScanTarget
) -> None:
    metadata = {"ImageID": target.config_digest, "OS": {"Family": "debian", "Name": "9.13", "EOSL": True}}
    run = scan_report(path, {"Metadata": metadata}, settings, target).run
    assert (run.end_of_life, run.uncovered) == (True, ("debian 9.13",))


def test_a_language_that_is_not_in_its_database(
    path: Path, settings: ScannerSettings, target: ScanTarget
) -> None:
    packages = [{"Name": "rails", "Version": "7", "Identifier": {"PURL": "pkg:gem/rails@7"}}]
    result = {"Target": "Ruby", "Class": "lang-pkgs", "Type": "gemspec", "Packages": packages}
    assert scan_report(path, {"Results": [result]}, settings, target).run.uncovered == ("gem",)


def one_finding(**changes: Any) -> dict[str, Any]:
    """A result with one finding."""
    item = {
        "VulnerabilityID": "CVE-1",
        "PkgName": "a",
        "InstalledVersion": "1",
        "Severity": "HIGH",
        **changes,
    }
    return {"Target": "app/server", "Class": "lang-pkgs", "Type": "gobinary", "Vulnerabilities": [item]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"FixedVersion": "2.15.0, 2.3.1, 2.12.2"}, {"fixed_versions": ("2.12.2", "2.15.0", "2.3.1"), "fix_state": "fixed"}),
        ({"Status": "affected"}, {"fixed_versions": (), "fix_state": "not-fixed"}),
        ({"Status": "will_not_fix"}, {"fix_state": "wont-fix"}),
        ({"Status": "under_investigation"}, {"fix_state": "unknown"}),
        ({}, {"fix_state": "unknown", "aliases": (), "severities": {}, "scores": {}, "known_exploited": None}),
        ({"Severity": "UNKNOWN"}, {"severity": "unknown"}),
        ({"Severity": "<script>"}, {"severity": "unknown"}),
        ({"VendorSeverity": {"nvd": 4, "ghsa": 1, "x": 99, "y": -1}},
         {"severities": {"nvd": "critical", "ghsa": "low", "x": "unknown", "y": "unknown"}}),
        ({"CVSS": {"nvd": {"V2Score": 5, "V3Score": 7.5}, "a": {"V40Score": 9.1, "V3Score": 8}, "b": {}}},
         {"scores": {"nvd": 7.5, "a": 9.1}, "vectors": {}}),
        ({"CVSS": {"nvd": {"V3Score": 7.5, "V3Vector": "CVSS:3.1/AV:N", "V2Score": 5, "V2Vector": "AV:N"}, "a": {"V3Vector": "x"}}},
         {"scores": {"nvd": 7.5}, "vectors": {"nvd": "CVSS:3.1/AV:N"}}),
        ({"PublishedDate": "2023-10-25T18:17:43.613Z"}, {"published": "2023-10-25T18:17:43.613Z", "fix_published": ""}),
        ({"VendorIDs": ["GHSA-b", "CVE-1", "GHSA-a"]}, {"aliases": ("GHSA-a", "GHSA-b")}),
    ],
)  # fmt: skip
def test_opinions(
    path: Path,
    settings: ScannerSettings,
    target: ScanTarget,
    changes: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    (finding,) = scan_report(path, {"Results": [one_finding(**changes)]}, settings, target).findings
    assert {name: getattr(finding.opinion, name) for name in expected} == expected


def test_places(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    programs = one_finding()
    jars = {**one_finding(PkgPath="app/x.jar"), "Target": "Java", "Type": "jar"}
    titled = {**one_finding(), "Target": "Node.js", "Type": "node-pkg"}
    report = scan_report(path, {"Results": [programs, jars, titled]}, settings, target)
    assert [finding.path for finding in report.findings] == ["/app/server", "/app/x.jar", ""]


@pytest.mark.parametrize("version", ["0.69.4", "0.69.5", "0.69.6"])
def test_a_compromised_release_is_never_started(
    path: Path, settings: ScannerSettings, target: ScanTarget, version: str
) -> None:
    fake = fake_scanner(path, honest_trivy(target))
    with path.open("a") as file:
        file.write(f"# github.com/aquasecurity/trivy/pkg/version/app.ver={version}\n")
    with pytest.raises(Unavailable, match="carried code that steals credentials"):
        trivy.scan(target, replace(settings, trivy=str(path)), time.monotonic() + 60)
    assert fake.starts == []


@pytest.mark.parametrize(
    ("version", "why"),
    [("0.69.5", "steals credentials"), ("0.65.0", "older than 0.70.0"), ("dev", "not known what")],
)
def test_a_version_that_only_the_report_tells(
    path: Path, settings: ScannerSettings, target: ScanTarget, version: str, why: str
) -> None:
    with pytest.raises(Unavailable, match=why):
        scan_report(path, {"Trivy": {"Version": version}}, settings, target)


def test_another_image(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    with pytest.raises(IntegrityError, match="Trivy scanned the image"):
        scan_report(path, {"Metadata": {"ImageID": "sha256:" + "d" * 64}}, settings, target)


@pytest.mark.parametrize("changed", [{"SchemaVersion": 1}, {"ArtifactType": "filesystem"}])
def test_a_report_on_something_else(
    path: Path, settings: ScannerSettings, target: ScanTarget, changed: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable, match="not on an image in schema 2"):
        scan_report(path, changed, settings, target)


def write_old_database(settings: ScannerSettings, tmp_path: Path, behaviour: Behaviour) -> ScannerSettings:
    """Give Trivy a database whose update is overdue, and the network."""
    cache = tmp_path / "cache"
    write_trivy_database(cache, load(), datetime.now(UTC).replace(microsecond=0) - timedelta(days=3))
    fake_scanner(tmp_path / "bin" / "trivy", behaviour)
    return replace(settings, trivy=str(tmp_path / "bin" / "trivy"), trivy_cache=cache, offline=False)


def starts(path: Path) -> list[str]:
    """What each start of the simulated Trivy was for."""
    kinds = {"--download-db-only": "database", "--download-java-db-only": "java", "--input": "scan"}
    return [
        next(kind for option, kind in kinds.items() if option in start["argv"])
        for start in FakeScanner(path).starts
    ]


def test_a_fresh_database_is_not_renewed(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    scan(path, honest_trivy(target), replace(settings, offline=False), target)
    assert starts(path) == ["scan"]


def test_an_overdue_database_is_renewed_from_where_it_is_told(
    path: Path, settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = write_old_database(settings, tmp_path, honest_trivy(target))
    told = replace(
        told, trivy_sources=("mirror.example/db:2",), trivy_java_sources=("mirror.example/java:1",)
    )
    trivy.scan(target, told, time.monotonic() + 60)
    assert starts(path) == ["database", "java", "scan"]
    first, second, _ = (start["argv"] for start in FakeScanner(path).starts)
    assert first[first.index("--db-repository") + 1] == "mirror.example/db:2"
    assert second[second.index("--java-db-repository") + 1] == "mirror.example/java:1"
    assert first[first.index("--cache-dir") + 1].startswith(f"{told.trivy_cache}/.image-gate-renewal-")
    assert sorted(path.name for path in told.trivy_cache.iterdir()) == [".image-gate.lock", "db", "java-db"]


def test_offline_nothing_is_renewed(
    path: Path, settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = replace(write_old_database(settings, tmp_path, honest_trivy(target)), offline=True)
    trivy.scan(target, told, time.monotonic() + 60)
    assert starts(path) == ["scan"]


def test_a_failed_renewal_leaves_the_old_database_and_a_warning(
    settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = write_old_database(settings, tmp_path, Behaviour())
    program = tmp_path / "bin" / "trivy"
    report = json.dumps(trivy_report(target))
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *download*) echo 'FATAL no route' >&2; exit 1;; esac\n"
        f'while [ $# -gt 1 ]; do [ "$1" = --output ] && cat > "$2" <<\'END\'\n{report}\nEND\nshift; done\n'.replace(
            "cat >", "/bin/cat >"
        )
    )
    run = trivy.scan(target, told, time.monotonic() + 60).run
    assert [
        warning for warning in run.warnings if "database download failed" in warning and "no route" in warning
    ]
    assert (datetime.now(UTC) - run.database.built).days == 3, (
        "its age is in the evidence, and the policy judges it"
    )


def test_a_failed_first_download_is_unavailable(
    path: Path, settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = replace(settings, trivy=str(path), trivy_cache=tmp_path / "empty", offline=False)
    fake_scanner(path, Behaviour(log="FATAL\tno route\n", exit=1))
    with pytest.raises(Unavailable, match=r"download failed with exit code 1: .*no route"):
        trivy.scan(target, told, time.monotonic() + 60)


def test_a_download_that_brings_nothing_is_unavailable(
    path: Path, settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = replace(settings, trivy=str(path), trivy_cache=tmp_path / "empty", offline=False)
    fake_scanner(path, Behaviour())
    with pytest.raises(Unavailable, match="Trivy has no vulnerability database"):
        trivy.scan(target, told, time.monotonic() + 60)


def test_the_java_database_is_fetched_when_an_image_needs_it(
    settings: ScannerSettings, target: ScanTarget, tmp_path: Path, own_databases: Path
) -> None:
    cache = own_databases / "trivy"
    (cache / "java-db").rename(own_databases / "saved")
    program = tmp_path / "trivy"
    report = json.dumps(trivy_report(target))
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *download-java*) while [ "$1" != --cache-dir ]; do shift; done; '
        f"/bin/cp -r '{own_databases}/saved' \"$2/java-db\"; exit 0;; esac\n"
        f"[ -d '{cache}/java-db' ] || {{ echo \"FATAL '--skip-java-db-update' cannot be specified on the first run\" >&2; exit 1; }}\n"
        f'while [ $# -gt 1 ]; do [ "$1" = --output ] && /bin/cat > "$2" <<\'END\'\n{report}\nEND\nshift; done\n'
    )
    program.chmod(0o755)
    told = replace(settings, trivy=str(program), trivy_cache=cache)
    with pytest.raises(Unavailable, match="skip-java-db-update"):
        trivy.scan(target, told, time.monotonic() + 60)
    assert trivy.scan(target, replace(told, offline=False), time.monotonic() + 60).findings


def test_a_database_that_is_replaced_during_every_scan(
    path: Path, settings: ScannerSettings, target: ScanTarget, own_databases: Path
) -> None:
    cache = own_databases / "trivy"
    metadata = cache / "db" / "metadata.json"
    changed = json.dumps({**json.loads(metadata.read_text()), "more": 1})
    behaviour = honest_trivy(target).but(files={str(metadata): changed})
    with pytest.raises(Unavailable, match="Trivy's database was replaced during the scan"):
        scan(path, behaviour, replace(settings, trivy_cache=cache), target)
    assert len(FakeScanner(path).starts) == 2, "once is an accident, so it tries again"


def test_scans_side_by_side(path: Path, settings: ScannerSettings, target: ScanTarget) -> None:
    fake_scanner(path, honest_trivy(target).but(sleep=0.2))
    told, done = replace(settings, trivy=str(path)), []
    threads = [
        threading.Thread(target=lambda: done.append(trivy.scan(target, told, time.monotonic() + 60)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6
    assert all(report.findings == done[0].findings for report in done)
