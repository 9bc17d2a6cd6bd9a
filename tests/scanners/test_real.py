"""Both real scanners on small images and on databases of the samples: what they find, and every fault that can be provoked."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.rule import Finding
from gate.rules.scan_coverage import ScanCoverageOptions, check
from gate.scanners import (
    Approval,
    Scanner,
    ScannerReport,
    ScannerSettings,
    ScanTarget,
    built_in,
    grype,
    trivy,
)
from gate.scanners.coverage import look, scan_runs, vulnerabilities
from gate.scanners.disagreements import reasons
from gate.scanners.merge import merge
from gate.scanners.program import located
from samples.databases.advisories import Affected, load
from samples.databases.bolt import PAGE, write_bolt
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.databases.xxhash import xxh64
from samples.images import alpine, debian
from samples.images.entries import Entry, file, program, symbolic_link, whiteout, whiteout_of
from samples.images.languages import java_library, node_package, python_distribution
from samples.images.programs import go_program, static_program
from tests.kit import trees
from tests.kit.scans import write_target

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_process_left")]

Layers = tuple[Mapping[str, Entry], ...]
ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
MIXED: Layers = (
    ROOT,
    {
        **python_distribution("Jinja2", "3.1.2", "opt/venv/lib/python3.11/site-packages"),
        **node_package("jquery", "3.4.1"),
        **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"),
    },
)


@pytest.fixture(params=("grype", "trivy"))
def scanner(request: pytest.FixtureRequest) -> Scanner:
    """Each scanner."""
    return built_in()[request.param]


def scan_all(settings: ScannerSettings, target: ScanTarget) -> dict[str, ScannerReport | Unavailable]:
    """Scan with both."""
    reports: dict[str, ScannerReport | Unavailable] = {}
    for name, scanner in built_in().items():
        try:
            reports[name] = scanner.scan(target, settings, time.monotonic() + 120)
        except Unavailable as error:
            reports[name] = error
    return reports


def problems(
    settings: ScannerSettings, tmp_path: Path, *layers: Mapping[str, Entry]
) -> dict[str, tuple[str, ...]]:
    """Scan an image of these layers with both, and return what speaks against each."""
    reports = scan_all(settings, write_target(tmp_path / "image", *layers))
    tree = trees.filesystem(*layers)
    seen = look(tree, trees.inventory(tree), datetime.now(UTC))
    runs = scan_runs(reports, seen, {})
    assert not [run for run in runs.runs.values() if isinstance(run, Unavailable)]
    return dict(runs.problems)


def test_both_see_the_same_and_agree(real: ScannerSettings, tmp_path: Path) -> None:
    reports = scan_all(real, write_target(tmp_path / "image", *MIXED))
    tree = trees.filesystem(*MIXED)
    seen = look(tree, trees.inventory(tree), datetime.now(UTC))
    runs = scan_runs(reports, seen, {})
    assert runs.problems == {"grype": (), "trivy": ()}
    found = vulnerabilities(reports, runs, ("grype", "trivy"), seen).found
    assert Counter(item.found_by for item in found) == {("grype", "trivy"): len(found)}
    assert len(found) > 200
    by_id = {(item.id, item.package_type): item for item in found}
    log4shell = by_id["CVE-2021-44228", "maven"]
    assert log4shell.purl == "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"
    assert log4shell.path == "/app/lib/log4j-core-2.14.1.jar"
    assert log4shell.layer == tree.diff_ids[1]
    assert {opinion.severity for opinion in log4shell.opinions} == {"critical"}
    assert any(opinion.known_exploited for opinion in log4shell.opinions)
    looney = by_id["CVE-2023-4911", "deb"]
    assert (looney.layer, looney.package_version) == (tree.diff_ids[0], "2.36-9")


def test_every_raw_finding_is_in_one_joined_finding(real: ScannerSettings, tmp_path: Path) -> None:
    reports = scan_all(real, write_target(tmp_path / "image", *MIXED))
    ran = {name: report for name, report in reports.items() if isinstance(report, ScannerReport)}
    went_in = Counter(id(finding.opinion) for report in ran.values() for finding in report.findings)
    came_out = Counter(id(opinion) for found in merge(ran).found for opinion in found.opinions)
    assert came_out == went_in


def test_dates_and_vectors_reach_the_opinions(
    real: ScannerSettings, own_databases: Path, tmp_path: Path
) -> None:
    """Trivy tells when a vulnerability was published, Grype since when there is a fix."""
    database = own_databases / "grype" / "6" / "vulnerability.db"
    with closing(sqlite3.connect(database)) as connection:
        blobs = connection.execute(
            "SELECT id, value FROM blobs WHERE value LIKE '%3.0.11-1~deb12u2%'"
        ).fetchall()
        for number, value in blobs:
            blob = json.loads(value)
            for limits in blob["ranges"]:
                detail = limits["fix"].setdefault("detail", {})
                detail["available"] = {"date": "2023-10-25T00:00:00Z", "kind": "advisory"}
            connection.execute("UPDATE blobs SET value = ? WHERE id = ?", (json.dumps(blob) + "\n", number))
        connection.commit()
    write_import(database)
    told = replace(real, grype_database=own_databases / "grype")
    reports = scan_all(told, write_target(tmp_path / "image", *MIXED))
    ran = {name: report for name, report in reports.items() if isinstance(report, ScannerReport)}
    found = merge(ran).found
    (openssl,) = [one for one in found if (one.id, one.package_name) == ("CVE-2023-5363", "libssl3")]
    by = {opinion.scanner: opinion for opinion in openssl.opinions}
    assert by["grype"].fix_published[:10] == "2023-10-25"
    (log4shell,) = [one for one in found if one.id == "CVE-2021-44228"]
    by = {opinion.scanner: opinion for opinion in log4shell.opinions}
    assert by["trivy"].published.startswith("2021-12-10")
    for opinion in by.values():
        assert set(opinion.vectors) == set(opinion.scores)
        assert all(vector.startswith("CVSS:") for vector in opinion.vectors.values())


@pytest.mark.parametrize(
    ("days", "why"), [(0, "why cannot be told"), (3, "older than that of")], ids=["same day", "older"]
)
def test_what_only_one_database_lists_is_found_by_one_scanner_and_explained(
    real: ScannerSettings, tmp_path: Path, days: int, why: str
) -> None:
    built = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    write_grype_database(tmp_path / "short", [one for one in load() if one.id != "CVE-2023-5363"], built)
    told = replace(real, grype_database=tmp_path / "short")
    reports = scan_all(told, write_target(tmp_path / "image", *MIXED))
    ran = {name: report for name, report in reports.items() if isinstance(report, ScannerReport)}
    found = merge(ran).found
    missing = reasons(found, {name: report.run for name, report in ran.items()})
    alone = [(one, lacking) for one, lacking in zip(found, missing, strict=True) if lacking]
    assert {(one.id, one.found_by) for one, _ in alone} == {("CVE-2023-5363", ("trivy",))}
    assert alone
    assert all(list(lacking) == ["grype"] and why in lacking["grype"] for _, lacking in alone)


def lacking(settings: ScannerSettings, target: ScanTarget) -> dict[tuple[str, str, str], dict[str, str]]:
    """Why one scanner does not have what the other found: by id, version and path."""
    ran = {
        name: report
        for name, report in scan_all(settings, target).items()
        if isinstance(report, ScannerReport)
    }
    assert ran.keys() == {"grype", "trivy"}
    found = merge(ran).found
    missing = reasons(found, {name: report.run for name, report in ran.items()})
    return {
        (one.id, one.package_version, one.path): dict(why)
        for one, why in zip(found, missing, strict=True)
        if why
    }


SERVER = go_program({"golang.org/x/net": "v0.16.0"})


def test_a_package_that_only_one_saw_is_explained(real: ScannerSettings, tmp_path: Path) -> None:
    """Trivy reads Go programs only if they can be executed."""
    target = write_target(tmp_path / "image", {"app/server": file(SERVER)})
    assert lacking(real, target)["CVE-2023-39325", "0.16.0", "/app/server"] == {
        "trivy": "it did not see the package"
    }


def test_a_package_that_one_leaves_to_the_distribution_is_explained_and_covered(
    real: ScannerSettings, tmp_path: Path
) -> None:
    """Trivy leaves out what packages of the distribution own, because those have advisories of their own."""
    path, info = "usr/bin/server", "var/lib/dpkg/info/libc6:amd64"
    layer = {
        **ROOT,
        path: program(SERVER),
        f"{info}.list": file(f"/{path}\n"),
        f"{info}.md5sums": file("0" * 32 + f"  {path}\n"),
    }
    why = lacking(real, write_target(tmp_path / "image", layer))["CVE-2023-39325", "0.16.0", f"/{path}"]
    assert list(why) == ["trivy"]
    assert "the distribution's advisories count for it" in why["trivy"]
    assert problems(real, tmp_path / "covered", layer) == {"grype": (), "trivy": ()}


def test_another_range_of_versions_is_explained(real: ScannerSettings, tmp_path: Path) -> None:
    """Two copies, of which one database takes the newer for not affected."""
    shorter = [
        dataclasses.replace(one, affected=tuple(map(until_3_4, one.affected)))
        if one.id == "CVE-2020-11023"
        else one
        for one in load()
    ]
    built = datetime.now(UTC).replace(microsecond=0)
    write_grype_database(tmp_path / "shorter", shorter, built)
    layers = {**node_package("jquery", "3.3.1", "a"), **node_package("jquery", "3.4.1", "b")}
    why = lacking(
        replace(real, grype_database=tmp_path / "shorter"), write_target(tmp_path / "image", layers)
    )
    assert why["CVE-2020-11023", "3.4.1", "/b/node_modules/jquery/package.json"] == {
        "grype": "it has it in jquery 3.3.1, fixed in 3.4.0, and takes this one for not affected"
    }


def until_3_4(affected: Affected) -> Affected:
    """The same, with 3.4.0 as the version that fixes it."""
    ranges = tuple(dataclasses.replace(one, fixed="3.4.0") for one in affected.ranges)
    return dataclasses.replace(affected, ranges=ranges)


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("app/tool", program(static_program("a tool")), ("unseen-program", "generic")),
        (
            "app/package-lock.json",
            file('{"lockfileVersion": 3, "packages": {}}'),
            ("unseen-lock-file", "npm"),
        ),
        ("app/poetry.lock", file("[["), ("unseen-lock-file", "pypi")),
        ("app/node_modules/x/package.json", file('{"name": "x"}'), ("unseen-package", "npm")),
        ("app/x.jar", file("PK"), ("unseen-package", "maven")),
        ("opt/v/lib/python3.11/site-packages/x.dist-info/METADATA", file("x"), ("unseen-package", "pypi")),
    ],
)
def test_what_no_scanner_saw_is_named(
    real: ScannerSettings, tmp_path: Path, path: str, content: Entry, expected: tuple[str, str]
) -> None:
    """Beside packages of the same kind that both saw."""
    seen = {
        **ROOT,
        **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1", "opt/lib"),
        **node_package("jquery", "3.4.1", "srv" if "lock" in path else "app"),
        **(
            python_distribution("Jinja2", "3.1.2", "opt/v/lib/python3.11/site-packages")
            if "METADATA" in path
            else {}
        ),
    }
    reports = scan_all(real, write_target(tmp_path / "image", {**seen, path: content}))
    tree = trees.filesystem({**seen, path: content})
    runs = scan_runs(reports, look(tree, trees.inventory(tree), datetime.now(UTC)), {})
    found = list(check(trees.inventory(tree), tree, runs, ScanCoverageOptions()))
    named = [
        (one.id, one.details["ecosystem"], one.location.path) for one in found if isinstance(one, Finding)
    ]
    assert named == [(*expected, f"/{path}")]


def test_programs_of_a_java_runtime_come_with_it(real: ScannerSettings, tmp_path: Path) -> None:
    """Grype knows the runtime by its file `release`, and names nothing else of it."""
    root = {
        **ROOT,
        "opt/java/openjdk/release": file(
            'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="21.0.4+7-LTS"\nJAVA_VERSION="21.0.4"\n'
        ),
        "opt/java/openjdk/bin/java": program(static_program("a launcher")),
    }
    reports = scan_all(real, write_target(tmp_path / "image", root))
    tree = trees.filesystem(root)
    runs = scan_runs(reports, look(tree, trees.inventory(tree), datetime.now(UTC)), {})
    assert not [
        one
        for one in check(trees.inventory(tree), tree, runs, ScanCoverageOptions())
        if isinstance(one, Finding)
    ]


def write_import(database: Path) -> None:
    """Tell Grype the digest of a database that was changed."""
    place = database.parent / "import.json"
    told = json.loads(place.read_text())
    place.write_text(json.dumps(told | {"digest": f"xxh64:{xxh64(database.read_bytes()):016x}"}))


@pytest.mark.parametrize(
    "layers",
    [
        ({**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)},),
        ({**debian.release_files(pretty_name="Distroless"), **debian.status_directory(debian.DISTROLESS)},),
        ({"server": program(b"\x7fELF")},),
        (ROOT, {"etc/motd": file("hello")}),
    ],
    ids=["alpine", "distroless", "scratch", "layers"],
)
def test_honest_images_are_covered(real: ScannerSettings, tmp_path: Path, layers: Layers) -> None:
    assert problems(real, tmp_path, *layers) == {"grype": (), "trivy": ()}


UNSEEN: dict[str, tuple[Layers, str, str]] = {
    "no os-release": ((debian.status_file(debian.RELEASE_12_0),), "did not recognise", "did not recognise"),
    "unknown distribution": (
        ({**debian.status_file(debian.RELEASE_12_0), "etc/os-release": file("ID=acme\nVERSION_ID=1\n")},),
        "did not recognise",
        "did not recognise",
    ),
    "release that no database holds": (
        ({**debian.status_file(debian.RELEASE_12_0), "etc/debian_version": file("9.13\n"),
          "etc/os-release": file("ID=debian\nVERSION_ID=9\n")},),
        "no advisories for debian 9.13",
        "no advisories for debian 9.13",
    ),
    "alpine release that Grype takes another one for": (
        ({**alpine.release_files("3.24.0"), **alpine.installed_file(alpine.RELEASE_3_20_0)},),
        "no advisories for alpine 3.24.0",
        "no advisories for alpine 3.24.0",
    ),
    "database behind a link": (
        ({**debian.release_files(), "opt/status": file(debian.status(debian.RELEASE_12_0)),
          "var/lib/dpkg/status": symbolic_link("/opt/status")},),
        "",
        "did not see 23 of the 23 packages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSEEN)
def test_what_a_scanner_cannot_have_seen_is_said(real: ScannerSettings, tmp_path: Path, case: str) -> None:
    layers, of_grype, of_trivy = UNSEEN[case]
    found = problems(real, tmp_path, *layers)
    for name, expected in (("grype", of_grype), ("trivy", of_trivy)):
        assert any(expected in problem for problem in found[name]) if expected else found[name] == ()


def test_a_deleted_database_is_hidden_from_both(real: ScannerSettings, tmp_path: Path) -> None:
    found = problems(real, tmp_path, ROOT, {whiteout_of("var/lib/dpkg"): whiteout()})
    for name in ("grype", "trivy"):
        assert any("deletes or empties the package database" in problem for problem in found[name])


def test_surroundings_have_no_effect(
    real: ScannerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write_target(tmp_path / "image", ROOT)
    before = {
        name: report for name, report in scan_all(real, target).items() if isinstance(report, ScannerReport)
    }
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "trivy.yaml").write_text(
        "severity: [CRITICAL]\nformat: template\ntemplate: '{{ env \"SECRET\" }}'\n"
    )
    (checkout / ".trivyignore").write_text("CVE-2023-4911\n")
    (checkout / ".grype.yaml").write_text("ignore:\n  - vulnerability: CVE-2023-4911\nonly-fixed: true\n")
    monkeypatch.chdir(checkout)
    for name, value in {
        "TRIVY_SEVERITY": "CRITICAL", "TRIVY_IGNOREFILE": str(checkout / ".trivyignore"), "TRIVY_IGNORE_UNFIXED": "true",
        "GRYPE_ONLY_FIXED": "true", "GRYPE_CONFIG": str(checkout / ".grype.yaml"), "XDG_CONFIG_HOME": str(checkout),
        "HOME": str(checkout), "SECRET": "hunter2",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    after = {
        name: report for name, report in scan_all(real, target).items() if isinstance(report, ScannerReport)
    }
    assert merge(after).found == merge(before).found
    assert len(after) == 2


def test_a_stale_database_is_told_by_its_age(real: ScannerSettings, tmp_path: Path) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2000)
    write_trivy_database(tmp_path / "old", load(), moment)
    write_grype_database(tmp_path / "old", load(), moment)
    told = replace(real, trivy_cache=tmp_path / "old", grype_database=tmp_path / "old")
    for name, found in problems(told, tmp_path, ROOT).items():
        assert any("2000 days old" in problem for problem in found), name


def empty(folder: Path) -> None:
    """Databases that hold nothing."""
    write_bolt(folder / "trivy" / "db" / "trivy.db", {"vulnerability": {}})
    write_grype_database(folder / "grype", (), datetime.now(UTC))


def damaged(folder: Path) -> None:
    """Databases of which a page deep inside is damaged."""
    for path in (folder / "trivy" / "db" / "trivy.db", folder / "grype" / "6" / "vulnerability.db"):
        data = bytearray(path.read_bytes())
        for page in range(3, len(data) // PAGE - 1):
            data[page * PAGE + 16 : page * PAGE + 64] = b"\xa5" * 48
        path.write_bytes(data)


def without_a_table(folder: Path) -> None:
    """A database of Grype in which its look-ups fail, with a digest that is right; Trivy's without details."""
    path = folder / "grype" / "6" / "vulnerability.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE vulnerability_handles;")
    record = path.with_name("import.json")
    text = record.read_text()
    start = text.index("xxh64:")
    record.write_text(text[:start] + f"xxh64:{xxh64(path.read_bytes()):016x}" + text[start + 22 :])
    write_bolt(folder / "trivy" / "db" / "trivy.db", {"debian 12": {"glibc": {"CVE-2023-4911": b"{}"}}})


@pytest.mark.parametrize("damage", [empty, damaged, without_a_table])
def test_a_database_that_is_no_good(
    real: ScannerSettings,
    scanner: Scanner,
    own_databases: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    damage(own_databases)
    told = replace(real, trivy_cache=own_databases / "trivy", grype_database=own_databases / "grype")
    with pytest.raises(Unavailable) as caught:
        scanner.scan(write_target(tmp_path / "image", ROOT), told, time.monotonic() + 120)
    assert caught.value.hint


def test_a_locked_database_ends_with_the_time_limit(
    real: ScannerSettings, own_databases: Path, tmp_path: Path
) -> None:
    told = replace(real, trivy_cache=own_databases / "trivy", timeout=3)
    with (own_databases / "trivy" / "db" / "trivy.db").open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not end in time"):
            built_in()["trivy"].scan(write_target(tmp_path / "image", ROOT), told, began + 120)
    assert time.monotonic() - began < 15


def test_an_image_that_changes_after_it_was_verified(
    real: ScannerSettings, scanner: Scanner, tmp_path: Path
) -> None:
    target = write_target(tmp_path / "image", ROOT)
    other = write_target(tmp_path / "other", {"etc/motd": file("clean")})
    shutil.rmtree(target.layout)
    shutil.copytree(other.layout, target.layout)
    with pytest.raises(Unavailable, match="scanned the image"):
        scanner.scan(target, real, time.monotonic() + 120)


@pytest.mark.parametrize("missing", ["index.json", "blobs"])
def test_a_layout_that_is_broken(
    real: ScannerSettings, scanner: Scanner, tmp_path: Path, missing: str
) -> None:
    target = write_target(tmp_path / "image", ROOT)
    path = target.layout / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(Unavailable):
        scanner.scan(target, real, time.monotonic() + 120)


def test_cancelling_ends_a_scan(real: ScannerSettings, scanner: Scanner, tmp_path: Path) -> None:
    target = write_target(tmp_path / "image", ROOT)
    told = replace(real, cancelled=threading.Event())
    told.cancelled.set()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="cancelled"):
        scanner.scan(target, told, began + 120)
    assert time.monotonic() - began < 10


def test_a_read_only_database_is_enough(real: ScannerSettings, own_databases: Path, tmp_path: Path) -> None:
    for folder, _, names in os.walk(own_databases):
        for name in names:
            (Path(folder) / name).chmod(0o444)
        Path(folder).chmod(0o555)
    told = replace(real, trivy_cache=own_databases / "trivy", grype_database=own_databases / "grype")
    try:
        reports = scan_all(told, write_target(tmp_path / "image", *MIXED))
    finally:
        for folder, _, _ in os.walk(own_databases):
            Path(folder).chmod(0o755)
    assert all(isinstance(report, ScannerReport) for report in reports.values())


def test_approved_copies_of_both_scan(real: ScannerSettings, tmp_path: Path) -> None:
    digests = tuple(
        located(one, path).digest
        for one, path in ((trivy.REQUIREMENT, real.trivy), (grype.REQUIREMENT, real.grype))
    )
    told = replace(real, approval=Approval(listed=True, programs=digests))
    target = write_target(tmp_path / "image", ROOT)
    expected = {
        name: report for name, report in scan_all(real, target).items() if isinstance(report, ScannerReport)
    }
    found = {
        name: report for name, report in scan_all(told, target).items() if isinstance(report, ScannerReport)
    }
    assert merge(found).found == merge(expected).found
    assert {name: report.run.binary for name, report in found.items()} == {
        "grype": real.grype,
        "trivy": real.trivy,
    }
