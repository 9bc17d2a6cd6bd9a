"""What Grype listed for an image before: used in its place where it says all that Grype matches by, and equal to a full scan."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.cache.scans import ScanStore
from gate.scanners import Basis, ScannerReport, ScannerSettings, ScanTarget, grype
from gate.scanners.grype_packages import KnownPackages, Packages
from gate.scanners.report import decode
from samples.databases.advisories import load
from samples.databases.archive import rfc3339
from samples.databases.grype import write_grype_database
from samples.images import alpine, debian
from samples.images.entries import Entry, file, program
from samples.images.languages import java_library, node_package, python_distribution
from samples.images.programs import go_program
from tests.kit.fake_scanner import Behaviour, FakeScanner, cyclonedx, fake_scanner, honest_grype
from tests.kit.scans import write_target

BASIS = Basis("sha256:1", ("grype",), (None,))
LAYER = "sha256:" + "1" * 64


@pytest.fixture
def memory(tmp_path: Path) -> ScanStore:
    return ScanStore(tmp_path / "scans", b"k" * 32)


def component(kind: str, name: str, *paths: str) -> dict[str, Any]:
    """A package as Grype lists it."""
    places = [(f"syft:location:{number}:path", path) for number, path in enumerate(paths)]
    properties = [{"name": key, "value": value} for key, value in (("syft:package:type", kind), *places)]
    return {"type": "library", "name": name, "version": "1", "properties": properties}


def document(*components: dict[str, Any]) -> bytes:
    """A list of packages as Grype writes it."""
    system = {"type": "operating-system", "name": "debian", "version": "12"}
    return json.dumps({"bomFormat": "CycloneDX", "components": [*components, system]}).encode()


DEB = component("deb", "libc6", "/var/lib/dpkg/status", "/usr/share/doc/libc6/copyright")
LISTS: dict[str, tuple[bool, list[dict[str, Any]]]] = {
    "nothing": (True, []),
    "system": (True, [DEB, component("deb", "bash", "/var/lib/dpkg/status")]),
    "language": (True, [component("npm", "jquery", "/usr/lib/node_modules/jquery/package.json")]),
    "both apart": (True, [DEB, component("python", "flask", "/usr/local/lib/python3.11/site-packages/x")]),
    "both together": (False, [DEB, component("python", "flask", "/usr/lib/python3/dist-packages/x")]),
    "partly apart": (False, [DEB, component("python", "flask", "/app/x", "/usr/lib/python3/dist-packages/x")]),
    "nowhere": (False, [DEB, component("npm", "jquery")]),
    "other folder of that name": (False, [DEB, component("npm", "jquery", "/application/package.json")]),
    "functions": (False, [component("go-module", "stdlib", "/app/server")]),
    "manifests": (False, [component("java-archive", "log4j-core", "/app/log4j.jar")]),
    "modules": (False, [component("rpm", "glibc", "/var/lib/rpm/rpmdb.sqlite")]),
    "unknown": (False, [component("new-kind", "x", "/app/x")]),
    "twice": (False, [component("npm", "jquery", "/app/a/x"), component("npm", "jquery", "/app/b/x")]),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTS)
def test_only_what_is_listed_whole_is_kept(
    case: str, memory: ScanStore, target: ScanTarget, tmp_path: Path
) -> None:
    whole, components = LISTS[case]
    content = document(*components)
    (tmp_path / "packages.json").write_bytes(content)
    known = KnownPackages(memory, target, BASIS)
    known.keep(tmp_path / "packages.json", decode(content, Packages, "x"))
    given = known.give(tmp_path / "known.json")
    assert (given is not None) == whole
    if given:
        assert (tmp_path / "known.json").read_bytes() == content
        assert given.keys == sorted((one["name"], "1", "") for one in components)


def test_it_is_given_for_the_same_image_and_basis_alone(
    memory: ScanStore, target: ScanTarget, tmp_path: Path
) -> None:
    content = document(DEB)
    (tmp_path / "packages.json").write_bytes(content)
    KnownPackages(memory, target, BASIS).keep(tmp_path / "packages.json", decode(content, Packages, "x"))
    others = {
        "same": (memory, target, BASIS),
        "manifest": (memory, replace(target, manifest_digest="sha256:2"), BASIS),
        "config": (memory, replace(target, config_digest="sha256:2"), BASIS),
        "program": (memory, target, replace(BASIS, program="sha256:2")),
        "machine": (ScanStore(tmp_path / "scans", b"o" * 32), target, BASIS),
        "nothing": (None, target, BASIS),
    }
    given = {
        name: KnownPackages(*told).give(tmp_path / "known.json") is not None for name, told in others.items()
    }
    assert given == {name: name == "same" for name in others}


@pytest.mark.parametrize("taken", [True, False])
def test_the_list_is_read_in_place_of_the_image_and_the_image_where_grype_does_not_take_it_all(
    taken: bool,
    settings: ScannerSettings,
    target: ScanTarget,
    built: datetime,
    memory: ScanStore,
    tmp_path: Path,
) -> None:
    honest = honest_grype(target, rfc3339(built))
    less = json.dumps({**cyclonedx(), "components": []})
    forgets = (
        "import __main__, sys\nresult = sys.argv[1].startswith('sbom:')\n"
        f"if result and not {taken}: __main__.told['outputs']['cyclonedx-json'] = {less!r}"
    )
    fake = fake_scanner(tmp_path / "grype", honest.but(tries=forgets))
    told = replace(settings, grype=str(fake.path), memory=memory)
    time.sleep(0.06)
    first, second = (scanned(told, target) for _ in range(2))
    assert first == second
    sources = [start["argv"][1].partition(":")[0] for start in fake.starts]
    assert sources == (["oci-dir", "sbom"] if taken else ["oci-dir", "sbom", "oci-dir"])


def test_a_scan_that_does_not_count_leaves_nothing(
    settings: ScannerSettings, target: ScanTarget, memory: ScanStore, tmp_path: Path
) -> None:
    fake = fake_scanner(tmp_path / "grype", Behaviour(exit=1))
    told = replace(settings, grype=str(fake.path), memory=memory)
    time.sleep(0.06)
    for _ in range(2):
        with pytest.raises(Exception, match="exit code 1"):
            scanned(told, target)
    assert [start["argv"][1] for start in FakeScanner(fake.path).starts] == ["oci-dir:/layout"] * 2


def scanned(told: ScannerSettings, target: ScanTarget) -> ScannerReport:
    """What Grype reports, without what differs from run to run."""
    report = grype.scan(target, told, time.monotonic() + 120)
    return replace(report, basis=None, run=replace(report.run, seconds=0, warnings=()))


DEBIAN = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
FLASK = python_distribution("Flask", "2.0.1", "usr/local/lib/python3.11/site-packages")
JINJA = python_distribution("Jinja2", "3.0.3")
OWNED = {
    **debian.release_files(),
    **debian.status_file((*debian.RELEASE_12_0, debian.Package("python3-jinja2", "3.0.3-2", "jinja2"))),
    "var/lib/dpkg/info/python3-jinja2.list": file("".join(f"/{path}\n" for path in JINJA)),
    **JINJA,
}
"""A Python package that belongs to one of the system, which Grype then passes over."""
IMAGES: dict[str, tuple[bool, tuple[Mapping[str, Entry], ...]]] = {
    "debian": (True, (DEBIAN,)),
    "distroless": (True, ({**debian.release_files(), **debian.status_directory(debian.DISTROLESS)},)),
    "alpine": (True, ({**alpine.release_files(), **alpine.installed_file(alpine.RELEASE_3_20_0)},)),
    "no os-release": (False, (debian.status_file(debian.RELEASE_12_0), FLASK)),
    "unknown distribution": (False, ({**DEBIAN, "etc/os-release": file("ID=acme\nVERSION_ID=1\n")}, FLASK)),
    "languages": (True, ({**FLASK, **JINJA, **node_package("jquery", "3.4.1")},)),
    "application": (True, (DEBIAN, {**FLASK, **node_package("lodash", "4.17.15")})),
    "packaged": (False, (OWNED,)),
    "java": (False, (DEBIAN, java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"))),
    "go": (False, ({"server": program(go_program({"golang.org/x/net": "v0.16.0"}))},)),
}


@pytest.mark.real
@pytest.mark.parametrize("case", IMAGES)
def test_with_a_new_database_the_real_one_finds_what_a_full_scan_does(
    case: str, settings: ScannerSettings, memory: ScanStore, grype_binary: Path, tmp_path: Path
) -> None:
    known, layers = IMAGES[case]
    target = write_target(tmp_path / "image", *layers)
    told = replace(settings, grype=str(grype_binary), memory=memory, grype_database=tmp_path / "database")
    write_grype_database(told.grype_database, load()[:100], datetime.now(UTC))
    time.sleep(0.1)
    scanned(told, target)
    shutil.copytree(settings.grype_database, told.grype_database, dirs_exist_ok=True)
    time.sleep(0.1)
    full = scanned(replace(told, memory=None), target)
    manifest = target.layout / "blobs/sha256" / target.manifest_digest.removeprefix("sha256:")
    for layer in json.loads(manifest.read_bytes())["layers"]:
        (target.layout / "blobs/sha256" / layer["digest"].removeprefix("sha256:")).unlink()
    if known:
        assert scanned(told, target) == full, "and it does so without the layers"
    else:
        with pytest.raises(Exception, match="no source providers were able"):
            scanned(told, target)
    assert full.run.packages
