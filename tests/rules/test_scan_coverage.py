from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.evidence import Database, ScannedPackage, ScanRun, ScanRuns
from gate.options import NoOptions
from gate.rule import Finding, Remark
from gate.rules.scan_coverage import check
from samples.images import alpine, debian
from samples.images.entries import OPAQUE, Entry, file, hard_link, symbolic_link, whiteout, whiteout_of
from samples.images.languages import node_package, python_distribution
from tests.kit import trees

STATUS = "var/lib/dpkg/status"
ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
ALPINE = {**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)}
INFO = {
    f"var/lib/dpkg/info/{package.name}.list": file(f"/usr/bin/{package.name}\n")
    for package in debian.RELEASE_12_0
}
NOTHING = ScanRuns({})


def run(*layers: Mapping[str, Entry], runs: ScanRuns = NOTHING) -> list[Finding | Remark]:
    tree = trees.filesystem(*layers)
    return list(check(trees.inventory(tree), tree, runs, NoOptions()))


def ids(*layers: Mapping[str, Entry]) -> list[str]:
    return [item.id for item in run(*layers) if isinstance(item, Finding)]


def scanner(name: str, *types: str) -> ScanRun:
    database = Database("1", datetime(2026, 11, 23, tzinfo=UTC))
    packages = tuple(ScannedPackage(kind, "a", "1", "") for kind in types)
    return ScanRun(name, "1", "/x", "sha256:0", database, "sha256:0", "debian", "12", None, packages, (), 1.0)


@pytest.mark.parametrize(
    "layers",
    [
        (ROOT,),
        (ALPINE,),
        ({**debian.release_files(), **debian.status_directory(debian.DISTROLESS)},),
        ({"app/server": file("x")},),
        ({},),
        ({**ROOT, **INFO},),
        (ROOT, {**debian.status_file((*debian.RELEASE_12_0, debian.Package("curl", "7.88.1-10")))}),
        (ROOT, python_distribution("Jinja2", "3.1.2"), node_package("jquery", "3.4.1")),
    ],
    ids=["debian", "alpine", "distroless", "scratch", "empty", "file lists", "upgraded", "languages"],
)
def test_honest_images_pass(layers: tuple[Mapping[str, Entry], ...]) -> None:
    assert run(*layers) == []


@pytest.mark.parametrize(
    "upper",
    [
        {whiteout_of(STATUS): whiteout()},
        {whiteout_of("var/lib/dpkg"): whiteout()},
        {whiteout_of("var"): whiteout()},
        {f"var/lib/dpkg/{OPAQUE}": whiteout()},
        {STATUS: file()},
        {STATUS: file("\n\n")},
    ],
)
def test_a_database_that_a_later_layer_removes_or_empties(upper: Mapping[str, Entry]) -> None:
    (found,) = [item for item in run(ROOT, upper) if isinstance(item, Finding)]
    assert found.id == "database-removed"
    assert found.message.startswith(
        "a later layer deletes or empties the package database /var/lib/dpkg/status of layer 0"
    )
    assert (found.location.layer_index, found.location.path) == (0, "/var/lib/dpkg/status")


def test_a_database_that_is_removed_with_its_release() -> None:
    upper = {whiteout_of(STATUS): whiteout(), whiteout_of("usr/lib/os-release"): whiteout()}
    assert ids(ROOT, upper) == ["database-removed"]


def test_apk() -> None:
    assert ids(ALPINE, {whiteout_of("lib/apk"): whiteout()}) == ["database-removed"]


def test_one_record_of_a_distroless_image() -> None:
    root = {**debian.release_files(), **debian.status_directory(debian.DISTROLESS)}
    (found,) = run(root, {whiteout_of("var/lib/dpkg/status.d/libssl3"): whiteout()})
    assert isinstance(found, Finding)
    assert "1 records of the package database /var/lib/dpkg/status.d of layer 0" in found.message


def test_a_record_that_is_upgraded() -> None:
    root = {**debian.release_files(), **debian.status_directory(debian.DISTROLESS)}
    assert run(root, debian.status_directory([debian.Package("libssl3", "9", "openssl")])) == []


def test_the_journal_of_dpkg_comes_and_goes() -> None:
    record = debian.Package("curl", "7.88.1-10").stanza()
    journal = {"var/lib/dpkg/updates/0001": file(record)}
    assert run({**ROOT, **journal}, {whiteout_of("var/lib/dpkg/updates/0001"): whiteout()}) == []


def test_packages_that_are_cut_out_of_the_status() -> None:
    (found,) = run(
        {**ROOT, **INFO}, {STATUS: file(debian.status(debian.RELEASE_12_0[:-2])), **removed_lists(1)}
    )
    assert isinstance(found, Finding)
    assert found.id == "status-edited", "a file list is left of one"
    (found,) = run(ROOT, {STATUS: file(debian.status(debian.RELEASE_12_0[:1]))})
    assert isinstance(found, Finding)
    assert found.id == "packages-dropped"
    assert (
        "drops 22 packages from /var/lib/dpkg/status of layer 0 without removing them (base-files, bash, "
        in found.message
    )


def removed_lists(count: int) -> dict[str, Entry]:
    """Whiteouts of the file lists of the last packages, as removing them leaves."""
    return {whiteout_of(path): whiteout() for path in list(INFO)[-count:]}


def test_packages_that_a_later_layer_removes_honestly() -> None:
    fewer = {STATUS: file(debian.status(debian.RELEASE_12_0[:-2])), **removed_lists(2)}
    assert run({**ROOT, **INFO}, fewer) == []


def test_packages_of_which_the_configuration_remains() -> None:
    status = debian.status(debian.RELEASE_12_0)
    kept = status.replace(
        "Package: zlib1g\nStatus: install ok installed", "Package: zlib1g\nStatus: deinstall ok config-files"
    )
    assert kept != status
    assert run({**ROOT, **INFO}, {STATUS: file(kept)}) == []


def test_a_lower_status_that_cannot_be_read_says_nothing() -> None:
    assert run({STATUS: file("garbage")}, ROOT) == []


@pytest.mark.parametrize(
    ("entries", "how"),
    [
        ({"opt/status": file("x"), STATUS: symbolic_link("/opt/status")}, "is a symbolic link to /opt/status"),
        ({STATUS: symbolic_link("/nowhere")}, "is a symbolic link to /nowhere"),
        ({"opt/status": file("x"), STATUS: hard_link("opt/status")}, "is hard-linked to /opt/status"),
        ({"opt/dpkg/status": file("x"), "var/lib/dpkg": symbolic_link("/opt/dpkg")}, "is reached over a linked folder"),
    ],
)  # fmt: skip
def test_a_database_behind_a_link(entries: dict[str, Entry], how: str) -> None:
    text = debian.status(debian.RELEASE_12_0)
    real = {path: file(text) if entry.content else entry for path, entry in entries.items()}
    found = [item for item in run({**debian.release_files(), **real}) if isinstance(item, Finding)]
    assert [item.id for item in found] == ["database-linked"]
    assert how in found[0].message


def test_a_linked_folder_is_how_rpm_moved_its_database() -> None:
    root = {
        "usr/lib/sysimage/rpm/readme": file("x"),
        "var/lib/rpm": symbolic_link("../../usr/lib/sysimage/rpm"),
    }
    assert run(root) == []


def test_packages_without_a_release() -> None:
    assert ids(debian.status_file(debian.RELEASE_12_0)) == ["no-os-release"]


def test_a_release_that_contradicts_the_packages() -> None:
    assert set(ids({**ROOT, "usr/lib/os-release": file(alpine.WOLFI_OS_RELEASE)})) == {"identity"}


def test_file_lists_of_packages_that_the_status_does_not_name() -> None:
    assert ids({**ROOT, "var/lib/dpkg/info/curl.list": file("/usr/bin/curl\n")}) == ["status-edited"]


def test_sums_of_no_package() -> None:
    sums = file("d41d8cd98f00b204e9800998ecf8427e  app/node_modules/a/package.json\n")
    assert ids({**ROOT, "var/lib/dpkg/info/x.md5sums": sums}) == ["unowned-sums"]
    assert ids({**ROOT, "var/lib/dpkg/info/libc6:amd64.md5sums": sums}) == []


def test_a_python_package_whose_metadata_is_deleted() -> None:
    package = python_distribution("Jinja2", "3.0.3")
    folder = next(path for path in package if path.endswith("METADATA")).rpartition("/")[0]
    (found,) = run({**ROOT, **package}, {whiteout_of(folder): whiteout()})
    assert isinstance(found, Finding)
    assert found.id == "metadata-removed"
    assert "leaves its code in /usr/lib/python3/dist-packages/jinja2" in found.message


def test_a_python_package_that_is_upgraded_or_removed() -> None:
    old, new = python_distribution("Jinja2", "3.0.3"), python_distribution("jinja2", "3.1.4")
    folder = next(path for path in old if path.endswith("METADATA")).rpartition("/")[0]
    assert run({**ROOT, **old}, {**new, whiteout_of(folder): whiteout()}) == []
    module = "usr/lib/python3/dist-packages/jinja2"
    assert run({**ROOT, **old}, {whiteout_of(folder): whiteout(), whiteout_of(module): whiteout()}) == []


def test_a_node_package_whose_metadata_is_deleted() -> None:
    package = node_package("jquery", "3.4.1")
    assert ids({**ROOT, **package}, {whiteout_of("app/node_modules/jquery/package.json"): whiteout()}) == [
        "metadata-removed"
    ]
    assert ids({**ROOT, **package}, {whiteout_of("app/node_modules/jquery"): whiteout()}) == []


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
    found = check(trees.inventory(tree), tree, ScanRuns({"trivy": Unavailable("missing")}), NoOptions())
    first = next(found)
    assert isinstance(first, Finding)
    with pytest.raises(Unavailable):
        list(found)


def test_languages_that_one_scanner_alone_saw_are_a_remark() -> None:
    runs = ScanRuns(
        {"trivy": scanner("trivy", "deb", "npm"), "grype": scanner("grype", "deb", "npm", "pypi", "apk")}
    )
    (remark,) = run(ROOT, runs=runs)
    assert isinstance(remark, Remark)
    assert remark.message == "grype saw pypi packages and trivy saw none"
