"""What hides packages, each kind with the honest images that look like it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from gate.packages.hiding import Trace, traces
from samples.images import alpine, debian
from samples.images.entries import (
    OPAQUE,
    Entry,
    character_device,
    file,
    hard_link,
    symbolic_link,
    whiteout,
    whiteout_of,
)
from samples.images.languages import node_package, python_distribution
from samples.images.programs import static_program
from tests.kit import trees

STATUS = "var/lib/dpkg/status"
TOOL = static_program("a tool")
ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
ALPINE = {**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)}
INFO = {
    f"var/lib/dpkg/info/{package.name}.list": file(f"/usr/bin/{package.name}\n")
    for package in debian.RELEASE_12_0
}


def run(*layers: Mapping[str, Entry]) -> list[Trace]:
    tree = trees.filesystem(*layers)
    return list(traces(trees.inventory(tree), tree))


def ids(*layers: Mapping[str, Entry]) -> list[str]:
    return [trace.id for trace in run(*layers)]


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
    (found,) = run(ROOT, upper)
    assert found.id == "database-removed"
    assert found.message.startswith(
        "a later layer deletes or empties the package database /var/lib/dpkg/status of layer 0"
    )
    assert found.entry is not None
    assert (found.entry.layer, found.entry.path) == (0, "/var/lib/dpkg/status")
    assert found.unseen


def test_a_database_that_is_removed_with_its_release() -> None:
    upper = {whiteout_of(STATUS): whiteout(), whiteout_of("usr/lib/os-release"): whiteout()}
    assert ids(ROOT, upper) == ["database-removed"]


def test_apk() -> None:
    assert ids(ALPINE, {whiteout_of("lib/apk"): whiteout()}) == ["database-removed"]


def test_one_record_of_a_distroless_image() -> None:
    root = {**debian.release_files(), **debian.status_directory(debian.DISTROLESS)}
    (found,) = run(root, {whiteout_of("var/lib/dpkg/status.d/libssl3"): whiteout()})
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
    assert found.id == "status-edited", "a file list is left of one"
    (found,) = run(ROOT, {STATUS: file(debian.status(debian.RELEASE_12_0[:1]))})
    assert found.id == "packages-dropped"
    assert (
        "drops 22 packages from /var/lib/dpkg/status of layer 0 without removing them (base-files, bash, "
        in found.message
    )


def apk_database(*packages: str) -> dict[str, Entry]:
    """Apk's database of these packages, each with a program of its name."""
    records = (
        alpine.Package(name, "1-r0").record(0) + f"F:usr\nF:usr/bin\nR:{name}\nF:etc\nR:{name}.conf\n\n"
        for name in packages
    )
    return {"lib/apk/db/installed": file("".join(records))}


APK_ROOT = {
    **alpine.release_files(),
    **apk_database("busybox", "curl"),
    "usr/bin/busybox": file("x"),
    "usr/bin/curl": file("x"),
    "etc/curl.conf": file("x"),
}


def test_packages_that_are_cut_out_of_apk_s_database() -> None:
    (found,) = run(APK_ROOT, apk_database("busybox"))
    assert (found.id, found.unseen) == ("packages-dropped", True)
    assert (
        "drops 1 packages from /lib/apk/db/installed of layer 0 and leaves their files (curl)"
        in found.message
    )


@pytest.mark.parametrize(
    "upper",
    [
        {**apk_database("busybox"), whiteout_of("usr/bin/curl"): whiteout()},
        apk_database("busybox", "curl", "more"),
        {
            "lib/apk/db/installed": file(
                alpine.Package("curl8", "8-r0").record(0) + "F:usr/bin\nR:curl\nR:busybox\n\n"
            )
        },
    ],
    ids=["removed", "upgraded", "handed over"],
)
def test_packages_that_apk_removes_honestly(upper: Mapping[str, Entry]) -> None:
    assert run(APK_ROOT, upper) == []


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


REMOVED = file(
    debian.status(debian.RELEASE_12_0).replace(
        "Package: zlib1g\nStatus: install ok installed", "Package: zlib1g\nStatus: deinstall ok config-files"
    )
)
ZLIB = {"usr/lib/libz.so.1": file("x"), "var/lib/dpkg/info/zlib1g.list": file("/usr\n/lib/libz.so.1\n")}


def test_a_package_that_is_removed_in_name_only() -> None:
    """Neither scanner sees it any more, and its library is there."""
    (found,) = run({**ROOT, **INFO, **ZLIB, "lib": symbolic_link("usr/lib")}, {STATUS: REMOVED})
    assert (found.id, found.unseen) == ("removed-in-name", True)
    assert found.message.startswith(
        "dpkg's status calls packages removed whose files are there (zlib1g), so they"
    )
    assert found.entry is not None
    assert found.entry.path == "/usr/lib/libz.so.1"


@pytest.mark.parametrize(
    "upper",
    [
        {whiteout_of("usr/lib/libz.so.1"): whiteout()},
        {"var/lib/dpkg/info/zlib1g.list": file("/etc/zlib.conf\n"), "etc/zlib.conf": file()},
        {"var/lib/dpkg/info/libc6.list": file("/lib/libz.so.1\n")},
        {whiteout_of("var/lib/dpkg/info/zlib1g.list"): whiteout()},
    ],
    ids=["files", "configuration", "handed over", "without a list"],
)
def test_packages_that_dpkg_removes_honestly(upper: Mapping[str, Entry]) -> None:
    """Files of none are what `gate.rules._unseen` looks for."""
    assert run({**ROOT, **INFO, **ZLIB, "lib": symbolic_link("usr/lib")}, {STATUS: REMOVED, **upper}) == []


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
    found = run({**debian.release_files(), **real})
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


def removed_by_name(listed: str, left: Mapping[str, Entry] = MappingProxyType({})) -> list[str]:
    """The traces of an image whose status says that its first package was removed; that is listed so, and `left` is there."""
    first, *others = debian.RELEASE_12_0
    stanza = first.stanza().replace("Status: install ok installed", "Status: deinstall ok config-files")
    lists = {f"var/lib/dpkg/info/{one.name}.list": file("/usr/bin/shared\n") for one in others}
    own = {f"var/lib/dpkg/info/{first.name}:{first.architecture}.list": file(listed)}
    return ids({**ROOT, STATUS: file(stanza + "\n" + debian.status(others)), **lists, **own, **left})


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_packages_that_are_called_removed_and_are_there(mode: int) -> None:
    assert removed_by_name("/usr\n/usr/lib/x\n", {"usr/lib/x": file(TOOL, mode)}) == ["removed-in-name"]
    merged = {"lib": symbolic_link("usr/lib"), "usr/lib/x": file(TOOL, mode)}
    assert removed_by_name("/lib/x\n", merged) == ["removed-in-name"]


@pytest.mark.parametrize(
    ("listed", "path"),
    [
        ("/.\n/etc\n/etc/init.d\n/etc/init.d/x\n", "etc/init.d/x"),
        ("/usr/bin/shared\n", "usr/bin/shared"),
        ("/usr/bin/gone\n", "usr/bin/other"),
        ("/opt/x\n", "opt/x"),
    ],
)
def test_packages_that_were_removed_and_leave_their_configuration(listed: str, path: str) -> None:
    assert removed_by_name(listed, {path: file(TOOL, 0o755)}) == []


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


def test_a_record_of_a_distroless_image_may_have_another_name() -> None:
    record = debian.Package("libssl3", "3.0.22-1~deb12u2").stanza()
    entries = {
        "var/lib/dpkg/status.d/bGlic3NsMw": file(record),
        "var/lib/dpkg/status.d/bGlic3NsMw.md5sums": file("x  y\n"),
    }
    assert run({**debian.release_files(), **entries}) == []


def test_a_database_that_is_a_special_file() -> None:
    (found,) = run({**debian.release_files(), STATUS: character_device(1, 3)})
    assert "is a special file" in found.message


def test_a_database_that_cannot_be_read_says_nothing_of_what_is_missing() -> None:
    sums = {"var/lib/dpkg/info/x.md5sums": file("x  y\n")}
    assert run({**debian.release_files(), STATUS: file("garbage"), **sums}) == []
    assert run(ROOT, {STATUS: file("garbage")}) == []


def test_only_what_nobody_can_see_is_unseen() -> None:
    assert not any(trace.unseen for trace in run(debian.status_file(debian.RELEASE_12_0)))
    assert all(trace.unseen for trace in run(ROOT, {whiteout_of(STATUS): whiteout()}))
