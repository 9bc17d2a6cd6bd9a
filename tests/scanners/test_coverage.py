"""What a scanner could have seen: every hole is a sentence, and required scanners with holes make findings unavailable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.evidence import Database, Opinion, ScannedPackage, ScanRun
from gate.packages import Package, PackageDatabase
from gate.packages.inventory import Inventory
from gate.packages.os_release import OsRelease
from gate.scanners import RawFinding, ScannerReport
from gate.scanners.coverage import Seen, look, scan_runs, vulnerabilities
from samples.images import debian
from samples.images.entries import file, hard_link, program, whiteout, whiteout_of
from samples.images.languages import node_package
from samples.images.programs import go_program
from tests.kit import trees
from tests.packages.databases import rpm_files, rpm_sqlite

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEBIAN = OsRelease(id="debian", version_id="12")
INSTALLED = (
    Package("deb", "libc6", "2.36-9"),
    Package("deb", "login", "1:4.13+dfsg1-1+b1"),
    Package("deb", "zlib1g", "1:1.2.13.dfsg-1"),
)


def inventory(*packages: Package, os_release: OsRelease | None = DEBIAN, **more: Any) -> Inventory:
    """An inventory of Debian packages."""
    database = PackageDatabase("dpkg-status", "deb", "var/lib/dpkg/status", packages)
    return Inventory((database,) if packages else (), os_release, **more)


def scanned(*packages: Package) -> tuple[ScannedPackage, ...]:
    """The same packages, as a scanner reports them."""
    return tuple(
        ScannedPackage(p.type, p.name, p.version, f"pkg:deb/debian/{p.name}@{p.version}") for p in packages
    )


RUN = ScanRun(
    scanner="trivy",
    version="0.76.0",
    binary="/usr/bin/trivy",
    binary_digest="sha256:0",
    database=Database("2", NOW - timedelta(hours=6)),
    image_id="sha256:0",
    os_family="debian",
    os_version="12.0",
    end_of_life=False,
    packages=scanned(*INSTALLED),
    warnings=(),
    seconds=1.0,
)
SEEN = Seen(inventory(*INSTALLED), NOW, {})


def problems(
    run: ScanRun = RUN, seen: Seen | Unavailable = SEEN, max_age: timedelta | None = None
) -> tuple[str, ...]:
    """What speaks against counting a run."""
    ages = {} if max_age is None else {"trivy": max_age}
    return scan_runs({"trivy": ScannerReport(run, ())}, seen, ages).problems["trivy"]


def test_a_scanner_that_saw_everything() -> None:
    assert problems() == ()


def test_an_image_in_which_there_is_nothing_to_see() -> None:
    run = replace(RUN, os_family="", os_version="", packages=())
    assert problems(run, Seen(Inventory(), NOW, {})) == ()


def test_a_distribution_without_packages() -> None:
    run = replace(RUN, os_family="", os_version="", packages=())
    assert problems(run, Seen(Inventory(os_release=OsRelease(id="acme")), NOW, {})) == ()


def test_it_saw_none_of_the_packages() -> None:
    assert problems(replace(RUN, packages=())) == (
        "it did not see 3 of the 3 packages in /var/lib/dpkg/status (libc6 2.36-9, login 1:4.13+dfsg1-1+b1, zlib1g 1:1.2.13.dfsg-1)",
    )


def test_it_saw_some_of_the_packages() -> None:
    (problem,) = problems(replace(RUN, packages=scanned(*INSTALLED[:2])))
    assert problem == "it did not see 1 of the 3 packages in /var/lib/dpkg/status (zlib1g 1:1.2.13.dfsg-1)"


def test_many_unseen_packages_are_counted_and_few_named() -> None:
    many = tuple(Package("deb", f"p{number}", "1") for number in range(80))
    (problem,) = problems(replace(RUN, packages=()), Seen(inventory(*many), NOW, {}))
    assert problem.startswith(
        "it did not see 80 of the 80 packages in /var/lib/dpkg/status (p0 1, p1 1, p2 1, …)"
    )


def test_another_version_is_another_package() -> None:
    (problem,) = problems(replace(RUN, packages=scanned(*INSTALLED[:2], Package("deb", "zlib1g", "9"))))
    assert "zlib1g" in problem


def test_an_epoch_of_zero_makes_no_difference() -> None:
    seen = Seen(inventory(Package("rpm", "bash", "5.1-6.el9")), NOW, {})
    run = replace(RUN, packages=(ScannedPackage("rpm", "bash", "0:5.1-6.el9", ""),))
    assert problems(run, seen) == ()


def test_packages_that_only_the_scanner_sees_do_not_matter() -> None:
    assert problems(replace(RUN, packages=(*RUN.packages, ScannedPackage("npm", "jquery", "1", "")))) == ()


def test_it_did_not_recognise_the_distribution() -> None:
    (problem,) = problems(replace(RUN, os_family="", os_version=""))
    assert problem == "it did not recognise the distribution 'debian'"
    (problem,) = problems(replace(RUN, os_family=""), Seen(inventory(*INSTALLED, os_release=None), NOW, {}))
    assert problem == "it did not recognise the distribution: the image has no os-release"


def test_it_took_it_for_another_release() -> None:
    assert problems(replace(RUN, os_version="9.13")) == (
        "it took the image for debian 9.13; its os-release says debian 12",
    )


@pytest.mark.parametrize("version", ["12.0", "12", "12.11", ""])
def test_it_took_it_for_the_same_release(version: str) -> None:
    assert problems(replace(RUN, os_version=version)) == ()


def test_its_database_knows_nothing_of_the_release() -> None:
    assert problems(replace(RUN, uncovered=("debian 12", "gem"))) == (
        "its database holds no advisories for debian 12",
        "its database holds no advisories for gem",
    )


@pytest.mark.parametrize(
    ("age", "limit", "counts"),
    [
        (timedelta(days=5), None, True),
        (timedelta(days=5, minutes=1), None, False),
        (timedelta(days=20), timedelta(days=30), True),
        (timedelta(days=2), timedelta(days=1), False),
        (-timedelta(hours=23), None, True),
        (-timedelta(hours=25), None, False),
        (timedelta(days=2500), None, False),
    ],
)
def test_the_age_of_its_database(age: timedelta, limit: timedelta | None, counts: bool) -> None:
    run = replace(RUN, database=Database("2", NOW - age))
    found = problems(run, max_age=limit)
    assert (found == ()) is counts
    assert all(("days old" in problem) or ("in the future" in problem) for problem in found)


def test_a_database_of_packages_that_is_not_read_here() -> None:
    seen = Seen(inventory(unread=(("nix", "nix/var/nix/db/db.sqlite"),)), NOW, {})
    (problem,) = problems(replace(RUN, packages=()), seen)
    assert "a package database of nix" in problem


def test_a_language_of_which_it_saw_nothing() -> None:
    seen = replace(
        SEEN, languages={"npm": "/app/node_modules/a/package.json", "pypi": "/opt/x.dist-info/METADATA"}
    )
    run = replace(RUN, packages=(*RUN.packages, ScannedPackage("npm", "a", "1", "")))
    assert problems(run, seen) == ("it saw no pypi package, and /opt/x.dist-info/METADATA is one",)


def test_a_program_whose_modules_it_did_not_see() -> None:
    seen = replace(SEEN, programs=(("/app/z", "/app/a"), ("/app/b",)))
    run = replace(RUN, packages=(*RUN.packages, ScannedPackage("golang", "stdlib", "1", "", "/app/a")))
    assert problems(run, seen) == ("it did not see the Go modules in /app/b",)


def test_an_image_that_the_gate_itself_could_not_read() -> None:
    (problem,) = problems(seen=Unavailable("the layer is encrypted"))
    assert problem == "the image's own packages are not known: the layer is encrypted"


def test_packages_of_languages_that_the_distribution_brings() -> None:
    """It brings Java's certificates as a jar, and scanners name only the package of the distribution."""
    jar, six = (
        "usr/share/ca-certificates-java/x.jar",
        "usr/lib64/python3.9/site-packages/six-1.dist-info/METADATA",
    )
    own, claimed = "usr/lib/node_modules/a/package.json", "opt/a.jar"
    root = {
        **debian.status_file((debian.Package("libc6", "2.36-9"),)),
        "var/lib/dpkg/info/libc6.list": file(f"/{jar}\n/{six}\n/{claimed}\n"),
        **{path: file("x") for path in (jar, six, own, claimed)},
    }
    tree = trees.filesystem(root)
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert seen.languages == {"npm": f"/{own}", "maven": f"/{claimed}"}


def test_where_packages_have_no_lists_their_folders_tell() -> None:
    root = {
        **debian.status_file((debian.Package("libc6", "2.36-9"),)),
        "usr/share/ca-certificates-java/x.jar": file("x"),
        "usr/local/lib/node_modules/a/package.json": file("x"),
    }
    tree = trees.filesystem(root)
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert seen.languages == {"npm": "/usr/local/lib/node_modules/a/package.json"}


def finding() -> RawFinding:
    """A finding."""
    opinion = Opinion("trivy", "CVE-1", (), "high", "nvd", {}, {}, (), "unknown")
    return RawFinding("deb", "libc6", "2.36-9", "pkg:deb/debian/libc6@2.36-9", opinion)


def joined(reports: dict[str, ScannerReport | Unavailable], *required: str) -> int:
    """The number of joined findings."""
    return len(vulnerabilities(reports, scan_runs(reports, SEEN, {}), required, SEEN).found)


def test_findings_of_scanners_that_count() -> None:
    assert joined({"trivy": ScannerReport(RUN, (finding(),))}, "trivy") == 1


def test_a_scanner_that_is_not_required_may_fail() -> None:
    assert joined({"trivy": ScannerReport(RUN, (finding(),)), "grype": Unavailable("missing")}, "trivy") == 1


def test_a_required_scanner_that_failed() -> None:
    with pytest.raises(Unavailable, match="grype is not installed") as caught:
        joined(
            {
                "trivy": ScannerReport(RUN, ()),
                "grype": Unavailable("grype is not installed", hint="install it"),
            },
            "grype",
            "trivy",
        )
    assert caught.value.hint == "install it"
    assert not isinstance(caught.value, IntegrityError)


def test_a_required_scanner_that_was_not_run() -> None:
    with pytest.raises(Unavailable, match="grype was not run"):
        joined({"trivy": ScannerReport(RUN, ())}, "grype")


def test_a_required_scanner_with_holes() -> None:
    with pytest.raises(Unavailable, match="trivy: it did not see 3 of the 3 packages"):
        joined({"trivy": ScannerReport(replace(RUN, packages=()), ())}, "trivy")


def test_every_reason_is_given_and_the_worst_decides() -> None:
    reports: dict[str, ScannerReport | Unavailable] = {
        "trivy": ScannerReport(replace(RUN, packages=(), uncovered=("debian 12",)), ()),
        "grype": IntegrityError("Grype scanned another image", hint="run again"),
    }
    with pytest.raises(IntegrityError) as caught:
        joined(reports, "trivy", "grype")
    assert caught.value.message.startswith(
        "Grype scanned another image; trivy: its database holds no advisories"
    )
    assert caught.value.message.count(";") == 2


def test_what_kept_the_gate_from_seeing_comes_first() -> None:
    reports: dict[str, ScannerReport | Unavailable] = {
        "trivy": ScannerReport(RUN, ()),
        "grype": Unavailable("missing"),
    }
    malformed = MalformedImage("the status cannot be read")
    with pytest.raises(MalformedImage, match="the status cannot be read"):
        vulnerabilities(reports, scan_runs(reports, malformed, {}), ("grype", "trivy"), malformed)


def test_hidden_packages_are_hidden_from_every_scanner() -> None:
    (problem,) = problems(seen=replace(SEEN, hidden=("a later layer deletes the package database",)))
    assert problem == "a later layer deletes the package database"


def test_a_distribution_without_any_package() -> None:
    run = replace(RUN, packages=())
    assert problems(run, Seen(Inventory(os_release=DEBIAN), NOW, {})) == (
        "os-release says debian 12, but no package of it is listed anywhere",
    )


STATUS = "var/lib/dpkg/status"
GO_RUNTIME = b"all goroutines are asleep - deadlock!"
"""What every Go program holds, and the samples' do not."""


def test_looking_at_an_image() -> None:
    root = {
        **debian.release_files(),
        **debian.status_file(debian.RELEASE_12_0),
        **node_package("jquery", "3.4.1"),
        "app/a": program(go_program({"golang.org/x/net": "v0.7.0"}) + GO_RUNTIME),
        "app/b": hard_link("app/a", 0o755),
    }
    tree = trees.filesystem(root)
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert seen.languages == {"npm": "/app/node_modules/jquery/package.json"}
    assert [sorted(paths) for paths in seen.programs] == [["/app/a", "/app/b"]]
    assert (seen.hidden, len(seen.inventory.packages)) == ((), 23)


def test_what_packages_of_rpm_bring_is_left_to_the_advisories_of_the_distribution() -> None:
    """Trivy leaves it out. Python is in `/usr/lib64` there."""
    owned = "/usr/lib64/python3.9/site-packages/yaml-5.dist-info/METADATA", "/usr/bin/podman"
    root = {
        "var/lib/rpm/rpmdb.sqlite": file(rpm_sqlite([rpm_files(*owned)])),
        owned[0][1:]: file("Name: yaml\nVersion: 5\n"),
        owned[1][1:]: program(go_program({}) + GO_RUNTIME),
    }
    tree = trees.filesystem(root)
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert (seen.languages, seen.programs) == ({}, ())
    other = "usr/lib64/python3.9/site-packages/other-5.dist-info/METADATA"
    tree = trees.filesystem({**root, other: file(), "usr/bin/tool": root["usr/bin/podman"]})
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert (seen.languages, seen.programs) == ({"pypi": f"/{other}"}, (("/usr/bin/tool",),))


def test_looking_at_an_image_that_hides_packages() -> None:
    tree = trees.filesystem(debian.status_file(debian.RELEASE_12_0), {whiteout_of(STATUS): whiteout()})
    seen = look(tree, trees.inventory(tree), NOW)
    assert isinstance(seen, Seen)
    assert len(seen.hidden) == 1


def test_looking_at_what_cannot_be_read() -> None:
    tree = trees.filesystem({STATUS: file("garbage")})
    assert isinstance(look(tree, trees.inventory(tree), NOW), MalformedImage)
    reason = Unavailable("encrypted")
    assert look(reason, reason, NOW) is reason
    assert look(tree, reason, NOW) is reason
