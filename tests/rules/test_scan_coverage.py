from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import pytest

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.evidence import Database, ScannedPackage, ScanRun, ScanRuns
from gate.rule import Action, Finding, Remark
from gate.rules.scan_coverage import ScanCoverageOptions, check
from samples.images import alpine, debian
from samples.images.entries import Entry, file, program, whiteout, whiteout_of
from samples.images.programs import static_program
from tests.kit import trees

STATUS = "var/lib/dpkg/status"
ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
NOTHING = ScanRuns({})


def run(
    *layers: Mapping[str, Entry], runs: ScanRuns = NOTHING, unseen: Literal["deny", "warn", "ignore"] = "deny"
) -> list[Finding | Remark]:
    tree = trees.filesystem(*layers)
    return list(check(trees.inventory(tree), tree, runs, ScanCoverageOptions(unseen=unseen)))


def scanner(name: str, *types: str) -> ScanRun:
    database = Database("1", datetime(2026, 11, 23, tzinfo=UTC))
    packages = tuple(ScannedPackage(kind, "a", "1", "") for kind in types)
    return ScanRun(name, "1", "/x", "sha256:0", database, "sha256:0", "debian", "12", None, packages, (), 1.0)


@pytest.mark.parametrize(
    "layers",
    [
        (ROOT,),
        ({**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)},),
        ({**debian.release_files(), **debian.status_directory(debian.DISTROLESS)},),
        ({"app/server": file("x")},),
    ],
    ids=["debian", "alpine", "distroless", "scratch"],
)
def test_honest_images_pass(layers: tuple[Mapping[str, Entry], ...]) -> None:
    assert run(*layers, runs=ScanRuns({"trivy": scanner("trivy", "deb")}, {"trivy": ()})) == []


def test_what_hides_packages_is_a_finding_with_its_place() -> None:
    (found,) = run(ROOT, {whiteout_of(STATUS): whiteout()})
    assert isinstance(found, Finding)
    assert found.id == "database-removed"
    assert "package database /var/lib/dpkg/status of layer 0" in found.message
    assert (found.location.layer_index, found.location.path) == (0, "/var/lib/dpkg/status")


def test_what_has_no_place_is_a_finding_without_one() -> None:
    (found,) = run(debian.status_file(debian.RELEASE_12_0))
    assert isinstance(found, Finding)
    assert (found.id, found.location.path) == ("no-os-release", None)


def test_a_database_that_cannot_be_read_is_unknown_and_no_finding() -> None:
    with pytest.raises(MalformedImage):
        run({**ROOT, STATUS: file("garbage")})
    with pytest.raises(MalformedImage):
        run(ROOT, {STATUS: file("garbage")})


def test_what_a_scanner_could_not_see_is_unknown() -> None:
    runs = ScanRuns(
        {"trivy": scanner("trivy")}, {"trivy": ("it did not see 3 packages", "its database is old")}
    )
    with pytest.raises(
        Unavailable, match="trivy: it did not see 3 packages; trivy: its database is old"
    ) as caught:
        run(ROOT, runs=runs)
    assert not isinstance(caught.value, IntegrityError)


def test_a_scanner_that_failed_is_unknown() -> None:
    runs = ScanRuns(
        {"trivy": scanner("trivy"), "grype": Unavailable("grype is not installed", hint="install it")}
    )
    with pytest.raises(Unavailable, match="grype is not installed") as caught:
        run(ROOT, runs=runs)
    assert caught.value.hint == "install it"


def test_a_scan_of_another_image_is_an_integrity_error() -> None:
    with pytest.raises(IntegrityError):
        run(ROOT, runs=ScanRuns({"trivy": IntegrityError("another image")}))


def test_what_the_image_hides_comes_before_what_is_unknown() -> None:
    tree = trees.filesystem(ROOT, {whiteout_of(STATUS): whiteout()})
    found = check(
        trees.inventory(tree), tree, ScanRuns({"trivy": Unavailable("missing")}), ScanCoverageOptions()
    )
    first = next(found)
    assert isinstance(first, Finding)
    with pytest.raises(Unavailable):
        list(found)


TOOL = {"app/server": program(static_program("a tool"))}
RAN = ScanRuns({"trivy": scanner("trivy", "deb")})


def test_what_no_scanner_saw_is_unknown_with_its_path() -> None:
    (found,) = run(TOOL, runs=RAN)
    assert isinstance(found, Finding)
    assert (found.id, found.location.path, found.unknown) == ("unseen-program", "/app/server", True)
    assert (found.action, found.details) == (None, {"ecosystem": "generic"})


def test_what_no_scanner_saw_may_only_warn_or_be_ignored() -> None:
    (found,) = run(TOOL, runs=RAN, unseen="warn")
    assert isinstance(found, Finding)
    assert found.action is Action.WARN
    assert run(TOOL, runs=RAN, unseen="ignore") == []


def test_where_no_scanner_ran_nothing_is_compared() -> None:
    assert run(TOOL) == []


def test_languages_that_one_scanner_alone_saw_are_a_remark() -> None:
    runs = ScanRuns(
        {"trivy": scanner("trivy", "deb", "npm"), "grype": scanner("grype", "deb", "npm", "pypi", "apk")}
    )
    (remark,) = run(ROOT, runs=runs)
    assert isinstance(remark, Remark)
    assert remark.message == "grype saw pypi packages and trivy saw none"
