"""Both real scanners and their databases, served on the loopback interface: fetched, renewed, refused, and carried elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.scanners import (
    ScannerReport,
    ScannerSettings,
    built_in,
    transfer,
)
from gate.scanners.databases import KINDS, update
from gate.scanners.merge import merge
from gate.scanners.renewal import Wish
from samples.databases.advisories import load
from samples.databases.bolt import write_bolt
from samples.databases.grype import grype_archive, write_grype_database
from samples.databases.oci_artifact import (
    TRIVY_JAVA_LAYER,
    Artifact,
    Served,
    grype_paths,
    registry_paths,
    trivy_paths,
)
from samples.databases.trivy import trivy_archive, trivy_java_archive, write_trivy_database
from samples.images.builder import Blob
from tests.kit.loopback import serving
from tests.kit.scans import write_target
from tests.scanners.test_real import MIXED, ROOT, scan_all

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_process_left")]


def served(databases: Path, built: datetime) -> dict[str, Served]:
    """What a server of both databases answers."""
    return {
        **trivy_paths(trivy_archive(databases / "trivy" / "db", built)),
        **grype_paths(grype_archive(databases / "grype" / "6" / "vulnerability.db", built), built),
    }


def test_databases_are_downloaded_once(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path
) -> None:
    target = write_target(tmp_path / "image", ROOT)
    with serving(served(databases, built)) as server:
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "new" / "trivy",
            grype_database=tmp_path / "new" / "grype",
            trivy_sources=(f"{server.host}/trivy-db:2",),
            grype_sources=(f"http://{server.host}",),
        )
        first = scan_all(told, target)
        asked = len(server.requests)
        second = scan_all(told, target)
        assert len(server.requests) == asked > 0, "a fresh database is not asked for again"
    for reports in (first, second):
        ran = {name: report for name, report in reports.items() if isinstance(report, ScannerReport)}
        assert ran.keys() == {"grype", "trivy"}, reports
        assert len(merge(ran).found) > 100


def altered(paths: Mapping[str, Served]) -> dict[str, Served]:
    """The same answers with a byte of every archive changed."""
    changed = dict(paths)
    for path, answer in paths.items():
        if "/blobs/" in path or path.endswith(".tar.gz"):
            body = bytearray(answer.body)
            body[len(body) // 2] ^= 1
            changed[path] = Served(answer.media_type, bytes(body))
    return changed


def bad_mirror(kind: str, good: Mapping[str, Served], folder: Path, built: datetime) -> Mapping[str, Served]:
    """What a mirror answers that is bad in one way."""
    if kind == "corrupt":
        return altered(good)
    if kind not in ("empty", "too old"):
        return {}
    empty, when = kind == "empty", built if kind == "empty" else built - timedelta(days=9)
    write_trivy_database(folder, load(), when)
    if empty:
        write_bolt(folder / "db" / "trivy.db", {"vulnerability": {}})
    write_grype_database(folder, () if empty else load(), when)
    return {
        **trivy_paths(trivy_archive(folder / "db", when)),
        **grype_paths(grype_archive(folder / "6" / "vulnerability.db", when), when),
    }


@pytest.mark.parametrize("bad", ["unreachable", "corrupt", "not found", "rate limited", "empty", "too old"])
def test_the_next_mirror_is_tried_whatever_is_wrong_with_the_first(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path, bad: str
) -> None:
    target, good, moment = (
        write_target(tmp_path / "image", ROOT), served(databases, built), built - timedelta(days=2),
    )  # fmt: skip
    for name in ("own", "other"):
        write_trivy_database(tmp_path / name, load(), moment)
        write_grype_database(tmp_path / name, load(), moment)
    with serving(bad_mirror(bad, good, tmp_path / "bad", built)) as worse, serving(good) as server:
        worse.status = HTTPStatus.TOO_MANY_REQUESTS if bad == "rate limited" else None
        host = "127.0.0.1:1" if bad == "unreachable" else worse.host
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "own",
            grype_database=tmp_path / "own",
            trivy_sources=(f"{host}/trivy-db:2", f"{server.host}/trivy-db:2"),
            trivy_java_sources=("127.0.0.1:1/trivy-java-db:1",),
            grype_sources=(f"http://{host}", f"http://{server.host}"),
        )
        renewed = scan_all(told, target)
        alone = replace(
            told,
            trivy_cache=tmp_path / "other",
            grype_database=tmp_path / "other",
            trivy_sources=told.trivy_sources[:1],
            grype_sources=told.grype_sources[:1],
        )
        kept = scan_all(alone, target)
    for name, report in renewed.items():
        assert isinstance(report, ScannerReport), report
        assert report.run.database.built == built, (name, report.run.warnings)
    for name, report in kept.items():
        assert isinstance(report, ScannerReport), report
        assert report.run.database.built == moment, "the last good one is used"
        # Grype itself takes only what is newer, and says that there is nothing.
        if (bad, name) != ("too old", "grype"):
            assert any(f": {bad}: " in warning for warning in report.run.warnings), report.run.warnings


def test_a_dead_source_with_a_database_is_a_warning(real: ScannerSettings, tmp_path: Path) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    write_trivy_database(tmp_path / "old", load(), moment)
    write_grype_database(tmp_path / "old", load(), moment)
    told = replace(
        real,
        offline=False,
        trivy_cache=tmp_path / "old",
        grype_database=tmp_path / "old",
        trivy_sources=("127.0.0.1:1/trivy-db:2",),
        trivy_java_sources=("127.0.0.1:1/trivy-java-db:1",),
        grype_sources=("http://127.0.0.1:1",),
    )
    for name, report in scan_all(told, write_target(tmp_path / "image", ROOT)).items():
        assert isinstance(report, ScannerReport), report
        assert any("download failed" in warning for warning in report.run.warnings), name
        assert report.run.database.built == moment


def test_a_dead_source_without_a_database_is_unavailable(real: ScannerSettings, tmp_path: Path) -> None:
    told = replace(
        real,
        offline=False,
        trivy_cache=tmp_path / "new",
        grype_database=tmp_path / "new",
        trivy_sources=("127.0.0.1:1/trivy-db:2",),
        grype_sources=("http://127.0.0.1:1",),
    )
    for report in scan_all(told, write_target(tmp_path / "image", ROOT)).values():
        assert isinstance(report, Unavailable)
        assert "download failed" in report.message


def test_an_altered_download_is_refused(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path
) -> None:
    with serving(altered(served(databases, built))) as server:
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "new",
            grype_database=tmp_path / "new",
            trivy_sources=(f"{server.host}/trivy-db:2",),
            grype_sources=(f"http://{server.host}",),
        )
        reports = scan_all(told, write_target(tmp_path / "image", ROOT))
    assert all(isinstance(report, Unavailable) for report in reports.values())


def test_the_java_database_is_downloaded_when_an_image_has_a_jar(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path
) -> None:
    archive = trivy_java_archive(databases / "trivy" / "java-db", built)
    java = registry_paths(Artifact(Blob(TRIVY_JAVA_LAYER, archive), "javadb.tar.gz"), "trivy-java-db", "1")
    with serving({**served(databases, built), **java}) as server:
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "new",
            trivy_sources=(f"{server.host}/trivy-db:2",),
            trivy_java_sources=(f"{server.host}/trivy-java-db:1",),
        )
        trivy = built_in()["trivy"]
        trivy.scan(write_target(tmp_path / "plain", ROOT), told, time.monotonic() + 120)
        assert not (tmp_path / "new" / "java-db").exists()
        report = trivy.scan(write_target(tmp_path / "java", *MIXED), told, time.monotonic() + 120)
    assert any(finding.package_type == "maven" for finding in report.findings)


def test_scans_and_a_renewal_side_by_side(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path
) -> None:
    target = write_target(tmp_path / "image", ROOT)
    done: list[dict[str, ScannerReport | Unavailable]] = []
    with serving(served(databases, built)) as server:
        told = replace(
            real,
            offline=False,
            trivy_cache=tmp_path / "new",
            grype_database=tmp_path / "new",
            trivy_sources=(f"{server.host}/trivy-db:2",),
            grype_sources=(f"http://{server.host}",),
        )
        threads = [threading.Thread(target=lambda: done.append(scan_all(told, target))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.requests.count("GET /v6/latest.json") <= 2
    found = [
        len(
            merge(
                {name: report for name, report in reports.items() if isinstance(report, ScannerReport)}
            ).found
        )
        for reports in done
    ]
    assert len(set(found)) == 1
    assert found[0] > 100


def test_databases_are_renewed_apart_from_scans_and_used_offline(
    real: ScannerSettings, databases: Path, built: datetime, tmp_path: Path
) -> None:
    archive = trivy_java_archive(databases / "trivy" / "java-db", built)
    java = registry_paths(Artifact(Blob(TRIVY_JAVA_LAYER, archive), "javadb.tar.gz"), "trivy-java-db", "1")
    with serving({**served(databases, built), **java}) as server:
        told = replace(
            real,
            trivy_cache=tmp_path / "new" / "trivy",
            grype_database=tmp_path / "new" / "grype",
            trivy_sources=(f"{server.host}/trivy-db:2",),
            trivy_java_sources=(f"{server.host}/trivy-java-db:1",),
            grype_sources=(f"http://{server.host}",),
        )
        failed: list[object] = []

        def job() -> None:
            for kind in KINDS.values():
                try:
                    failed.extend(update(kind, told, Wish(), time.monotonic() + 120))
                except Unavailable as error:
                    failed.append(error)

        threads = [threading.Thread(target=job) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        asked = [
            path
            for path in server.requests
            if path.startswith("GET") and ("blobs" in path or "tar.gz" in path)
        ]
        assert max(Counter(asked).values()) == 1, "several jobs share one download"
        before = len(server.requests)
        assert update(KINDS["trivy"], told, Wish(force=True), time.monotonic() + 120) == ()
        assert len(server.requests) > before
    transfer.export(list(KINDS.values()), told, tmp_path / "databases.tar", Deadline(60))
    other = replace(told, trivy_cache=tmp_path / "other", grype_database=tmp_path / "other")
    transfer.import_(tmp_path / "databases.tar", other, Deadline(60))
    for report in scan_all(other, write_target(tmp_path / "image", *MIXED)).values():
        assert isinstance(report, ScannerReport), report
        assert report.run.database.built == built
        assert len(report.findings) > 100
