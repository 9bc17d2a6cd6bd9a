"""Grype, simulated: what it is told, what its report becomes, and when its database is renewed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import IntegrityError, Unavailable
from gate.scanners import ScannerReport, ScannerSettings, ScanTarget, grype
from samples.databases.advisories import load
from samples.databases.archive import rfc3339
from samples.databases.grype import write_grype_database
from tests.kit.fake_scanner import Behaviour, FakeScanner, cyclonedx, fake_scanner, grype_report, honest_grype


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the simulated Grype is."""
    return tmp_path / "bin" / "grype"


@pytest.fixture
def honest(target: ScanTarget, built: datetime) -> Behaviour:
    """What Grype does with an image in which nothing is wrong."""
    return honest_grype(target, rfc3339(built))


def scan(path: Path, behaviour: Behaviour, settings: ScannerSettings, target: ScanTarget) -> ScannerReport:
    """Scan with a Grype that behaves so."""
    fake_scanner(path, behaviour)
    return grype.scan(target, replace(settings, grype=str(path)), time.monotonic() + 60)


def changed(honest: Behaviour, target: ScanTarget, built: datetime, **changes: Any) -> Behaviour:
    """The honest behaviour with another report."""
    report = json.dumps(grype_report(target, rfc3339(built), **changes))
    return honest.but(outputs={**honest.outputs, "json": report})


def test_what_it_reports(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, built: datetime
) -> None:
    report = scan(path, honest, settings, target)
    run = report.run
    assert (run.scanner, run.version, run.binary, run.image_id) == (
        "grype",
        "0.121.2",
        str(path),
        target.config_digest,
    )
    assert (run.os_family, run.os_version, run.end_of_life, run.uncovered) == ("debian", "12.0", None, ())
    assert run.database.built == built
    assert [(p.type, p.name, p.version, p.path) for p in run.packages] == [
        ("deb", "libssl3", "3.0.9-1", "/var/lib/dpkg/status")
    ]
    (finding,) = report.findings
    assert (finding.package_type, finding.package_name, finding.path) == (
        "deb",
        "libssl3",
        "/var/lib/dpkg/status",
    )
    assert finding.layer == "sha256:" + "1" * 64
    opinion = finding.opinion
    assert (opinion.id, opinion.aliases) == ("CVE-2023-5363", ("DSA-5532-1",))
    assert (opinion.severity, opinion.severity_source) == ("unknown", "debian")
    assert opinion.severities == {"debian": "unknown", "nvd": "high"}
    assert (opinion.scores, opinion.epss, opinion.known_exploited) == ({"nvd@nist.gov": 7.5}, 0.0123, False)
    assert opinion.vectors == {"nvd@nist.gov": "CVSS:3.1/AV:N"}
    assert (opinion.fixed_versions, opinion.fix_state) == (("3.0.11-1~deb12u2",), "fixed")
    assert opinion.fix_published == "2023-10-25"


def test_what_it_is_told(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    scan(path, honest, settings, target)
    (start,) = FakeScanner(path).starts
    assert start["argv"][1] == "oci-dir:/layout"
    assert not {"-q", "--quiet", "--fail-on"} & set(start["argv"])
    told = {name: value for name, value in start["environment"].items() if name.startswith("GRYPE_")}
    assert told == {
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_CACHE_DIR": str(settings.grype_database),
        "GRYPE_DB_VALIDATE_AGE": "false",
        "GRYPE_DB_VALIDATE_BY_HASH_ON_START": "true",
    }


@pytest.mark.parametrize("matcher", ["dpkg-matcher", "x"])
def test_a_part_of_the_matching_that_failed(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, matcher: str
) -> None:
    log = f"[0001]  WARN matcher returned error error=no such table matcher={matcher}\n"
    with pytest.raises(Unavailable, match="findings are missing"):
        scan(path, honest.but(log=log), settings, target)


def test_its_warnings_are_kept(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    log = "[0001]  INFO x\n[0001]  WARN distro detection failed: x\nwords\n"
    assert scan(path, honest.but(log=log), settings, target).run.warnings == ("distro detection failed: x",)


def test_no_package_list(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    with pytest.raises(Unavailable, match="there is no package list of Grype"):
        scan(path, honest.but(outputs={"json": honest.outputs["json"]}), settings, target)


def test_a_package_list_of_another_kind(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    behaviour = honest.but(outputs={**honest.outputs, "cyclonedx-json": json.dumps({"bomFormat": "SPDX"})})
    with pytest.raises(Unavailable, match="the report of Grype is of"):
        scan(path, behaviour, settings, target)


def test_packages_without_a_place_or_purl(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    component = {
        "type": "library",
        "name": "a",
        "version": "1",
        "properties": [{"name": "syft:package:type", "value": "binary"}],
    }
    document = {**cyclonedx(), "components": [component, {"type": "library", "name": "no type"}]}
    report = scan(
        path, honest.but(outputs={**honest.outputs, "cyclonedx-json": json.dumps(document)}), settings, target
    )
    assert [(package.type, package.name, package.path) for package in report.run.packages] == [
        ("binary", "a", "")
    ]


@pytest.mark.parametrize(
    "image", [{"imageID": "sha256:" + "d" * 64}, {"manifestDigest": "sha256:" + "d" * 64}, {"imageID": ""}]
)
def test_another_image(
    path: Path,
    settings: ScannerSettings,
    target: ScanTarget,
    honest: Behaviour,
    built: datetime,
    image: Mapping[str, str],
) -> None:
    own = {"imageID": target.config_digest, "manifestDigest": target.manifest_digest}
    source = {"type": "image", "target": {**own, **image}}
    with pytest.raises(IntegrityError, match="Grype scanned the image"):
        scan(path, changed(honest, target, built, source=source), settings, target)


def test_something_that_is_no_image(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, built: datetime
) -> None:
    source = {"type": "directory", "target": {"imageID": target.config_digest}}
    with pytest.raises(Unavailable, match="is of 'grype' on a 'directory'"):
        scan(path, changed(honest, target, built, source=source), settings, target)


@pytest.mark.parametrize(
    ("version", "why"), [("0.79.0", "older than 0.110.0"), ("[not provided]", "not known what")]
)
def test_a_version_that_may_not_be_used(
    path: Path,
    settings: ScannerSettings,
    target: ScanTarget,
    honest: Behaviour,
    built: datetime,
    version: str,
    why: str,
) -> None:
    descriptor = {**grype_report(target, rfc3339(built))["descriptor"], "version": version}
    with pytest.raises(Unavailable, match=why):
        scan(path, changed(honest, target, built, descriptor=descriptor), settings, target)


@pytest.mark.parametrize(
    "status",
    [{"built": "2020-01-01T00:00:00Z", "valid": True}, {"valid": False}, {"built": "x", "valid": True}],
)
def test_another_database_than_the_one_that_was_looked_into(
    path: Path,
    settings: ScannerSettings,
    target: ScanTarget,
    honest: Behaviour,
    built: datetime,
    status: Mapping[str, Any],
) -> None:
    descriptor = {
        "name": "grype",
        "version": "0.121.2",
        "db": {"status": {"built": rfc3339(built), **status}},
    }
    with pytest.raises(Unavailable, match=r"another database|the database that Grype used"):
        scan(path, changed(honest, target, built, descriptor=descriptor), settings, target)


def test_a_distribution_it_does_not_know(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, built: datetime
) -> None:
    behaviour = changed(honest, target, built, distro={"name": "", "version": "", "idLike": None})
    run = scan(path, behaviour, settings, target).run
    assert (run.os_family, run.os_version, run.end_of_life) == ("", "", None)


def test_a_release_that_is_not_in_its_database(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, built: datetime
) -> None:
    behaviour = changed(honest, target, built, distro={"name": "debian", "version": "9.13"})
    assert scan(path, behaviour, settings, target).run.uncovered == ("debian 9.13",)


def test_an_alert_of_the_end_of_life(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, built: datetime
) -> None:
    alerts = [{"package": {"name": "x"}, "alerts": [{"type": "distro-eol", "message": "x"}]}]
    assert (
        scan(path, changed(honest, target, built, alertsByPackage=alerts), settings, target).run.end_of_life
        is True
    )


def test_the_end_of_life_by_its_database(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, own_databases: Path
) -> None:
    database = own_databases / "grype" / "6" / "vulnerability.db"
    for year, expected in ((2020, True), (2999, False)):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("UPDATE operating_systems SET eol_date = ?", (f"{year}-06-30 00:00:00+00:00",))
            connection.commit()
        told = replace(settings, grype_database=own_databases / "grype")
        assert scan(path, honest, told, target).run.end_of_life is expected


def old_database(settings: ScannerSettings, tmp_path: Path) -> tuple[ScannerSettings, datetime]:
    """Give Grype a database of some days ago, and the network."""
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    write_grype_database(tmp_path / "old", load(), moment)
    return replace(settings, grype_database=tmp_path / "old", offline=False), moment


def test_a_fresh_database_is_not_renewed(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour
) -> None:
    scan(path, honest, replace(settings, offline=False), target)
    assert [start["argv"][1] for start in FakeScanner(path).starts] == ["oci-dir:/layout"]


def test_an_old_database_is_renewed_from_where_it_is_told(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, tmp_path: Path
) -> None:
    told, moment = old_database(settings, tmp_path)
    told = replace(told, grype_sources=("https://mirror.example/grype",))
    scan(path, changed(honest, target, moment), told, target)
    update, _ = FakeScanner(path).starts
    assert update["argv"][1:3] == ["db", "update"]
    assert update["environment"]["GRYPE_DB_UPDATE_URL"] == "https://mirror.example/grype"


def test_offline_nothing_is_renewed(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, tmp_path: Path
) -> None:
    told, moment = old_database(settings, tmp_path)
    scan(path, changed(honest, target, moment), replace(told, offline=True), target)
    assert len(FakeScanner(path).starts) == 1


def test_a_failed_renewal_leaves_the_old_database_and_a_warning(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, tmp_path: Path
) -> None:
    told, moment = old_database(settings, tmp_path)
    fake_scanner(path, changed(honest, target, moment))
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\n[ "$1" = db ] && {{ echo \'no route\' >&2; exit 1; }}\nexec {path} "$@"\n'
    )
    wrapper.chmod(0o755)
    run = grype.scan(target, replace(told, grype=str(wrapper)), time.monotonic() + 60).run
    assert run.warnings == (
        "the default source: unreachable: Grype's database download failed with exit code 1: no route",
    )
    assert run.database.built == moment


def test_a_failed_first_download_is_unavailable(
    path: Path, settings: ScannerSettings, target: ScanTarget, tmp_path: Path
) -> None:
    told = replace(settings, grype_database=tmp_path / "empty", offline=False)
    with pytest.raises(Unavailable, match="Grype's database download failed with exit code 1: no route"):
        scan(path, Behaviour(log="no route\n", exit=1), told, target)


def test_a_database_that_is_replaced_during_every_scan(
    path: Path, settings: ScannerSettings, target: ScanTarget, honest: Behaviour, own_databases: Path
) -> None:
    record = own_databases / "grype" / "6" / "import.json"
    behaviour = honest.but(files={str(record): record.read_text()})
    with pytest.raises(Unavailable, match="Grype's database was replaced during the scan"):
        scan(path, behaviour, replace(settings, grype_database=own_databases / "grype"), target)
    assert len(FakeScanner(path).starts) == 2, "once is what a new version does to an old database"


@pytest.mark.parametrize("links", [True, False])
def test_a_renewal_that_brings_something_bad_brings_the_last_good_one_back(
    path: Path,
    settings: ScannerSettings,
    target: ScanTarget,
    honest: Behaviour,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    told, moment = old_database(settings, tmp_path)
    fake_scanner(path, changed(honest, target, moment))
    database = tmp_path / "old" / "6" / "vulnerability.db"
    content = database.read_bytes()
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f"#!/bin/sh\n[ \"$1\" = db ] && {{ /bin/rm '{database}'; echo bad > '{database}'; exit 0; }}\n"
        f'exec {path} "$@"\n'
    )
    wrapper.chmod(0o755)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    run = grype.scan(target, replace(told, grype=str(wrapper)), time.monotonic() + 60).run
    assert ": corrupt: " in run.warnings[0]
    assert run.database.built == moment
    assert database.read_bytes() == content
    assert sorted(one.name for one in (tmp_path / "old").iterdir()) == [".image-gate.lock", "6"]


def refuse(*_: object, **__: object) -> None:
    raise OSError(95, "Operation not supported")
