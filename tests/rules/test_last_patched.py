from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from gate.errors import MalformedImage, Unavailable
from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.filesystem import Filesystem
from gate.packages import Package, PackageDatabase
from gate.packages.inventory import Inventory
from gate.rule import Finding, Remark
from gate.rules.last_patched import RULE, LastPatchedOptions, check
from samples.images import debian
from samples.images.entries import Entry, file
from tests.kit import trees

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
APK = "C:Q1\nP:{name}\nV:1.2.5-r0\nA:x86_64\nt:{seconds}\n\n"


def ago(days: float) -> int:
    """Seconds since 1970, some days before now."""
    return int((NOW - timedelta(days=days)).timestamp())


def judge(inventory: Inventory, tree: Filesystem, days: int = 90) -> list[Finding | Remark]:
    digest = Digest("sha256", "a" * 64)
    subject = Subject("image", "oci", digest, digest, Platform("linux", "amd64"), (), NOW)
    return list(check(subject, inventory, tree, LastPatchedOptions(days=days)))


def run(entries: Mapping[str, Entry], days: int = 90) -> list[Finding | Remark]:
    tree = trees.filesystem(entries)
    return judge(trees.inventory(tree), tree, days)


def alpine(**ages: float) -> dict[str, Entry]:
    text = "".join(APK.format(name=name, seconds=ago(age)) for name, age in ages.items())
    return {"lib/apk/db/installed": file(text)}


def documents(**ages: float) -> dict[str, Entry]:
    packages = debian.status_file([debian.Package("libc6", "2.36-9"), debian.Package("zlib1g", "1.2.13")])
    return {
        **packages,
        **{f"usr/share/doc/{name}/copyright": file("x").dated(ago(age)) for name, age in ages.items()},
    }


def test_the_newest_package_counts() -> None:
    assert run(alpine(musl=500, zlib=89)) == []


def test_old_packages_are_a_finding() -> None:
    (found,) = run(alpine(musl=500, zlib=100))
    assert isinstance(found, Finding)
    assert found.message == (
        "the newest package, zlib, is of 2026-02-21, 100 days ago, by its build time; 90 days are accepted"
    )
    assert found.details == {
        "age_days": 100,
        "evidence": "its build time",
        "limit_days": 90,
        "package": "zlib",
    }


def test_the_limit_is_an_option() -> None:
    assert run(alpine(musl=100), days=100) == []
    assert len(run(alpine(musl=100.1), days=100)) == 1


def test_an_image_without_packages_passes() -> None:
    assert run({"app/server": file("x").dated(ago(1000))}) == []


def test_debian_packages_are_dated_by_their_documents() -> None:
    assert run(documents(libc6=500, zlib1g=10)) == []
    (found,) = run(documents(libc6=500, zlib1g=200))
    assert isinstance(found, Finding)
    assert (
        "zlib1g, is of 2025-11-13, 200 days ago, by the time of /usr/share/doc/zlib1g/copyright"
        in found.message
    )


def sums(**ages: float) -> dict[str, Entry]:
    return {f"var/lib/dpkg/info/{name}.md5sums": file("x").dated(ago(age)) for name, age in ages.items()}


def test_the_sums_of_a_build_tell_more_than_a_document_that_is_seldom_edited() -> None:
    entries = {**documents(libc6=900), **sums(libc6=200, zlib1g=300)}
    (found,) = run(entries)
    assert isinstance(found, Finding)
    assert (
        "libc6, is of 2025-11-13, 200 days ago, by the time of /var/lib/dpkg/info/libc6.md5sums"
        in found.message
    )


def test_sums_are_enough_where_documents_were_removed() -> None:
    entries = {**documents(), "var/lib/dpkg/info/libc6:amd64.md5sums": file("x").dated(ago(10))}
    assert run(entries) == []


def test_sums_of_other_packages_and_lists_of_the_installation_do_not_count() -> None:
    entries = {
        **documents(libc6=500),
        **sums(other=1),
        "var/lib/dpkg/info/libc6.list": file("x").dated(ago(1)),
    }
    assert len(run(entries)) == 1


def test_documents_of_other_packages_do_not_count() -> None:
    entries = {**documents(libc6=500), "usr/share/doc/other/copyright": file("x").dated(ago(1)),
               "opt/doc/libc6/copyright": file("x").dated(ago(1))}  # fmt: skip
    assert len(run(entries)) == 1


def test_debian_packages_without_sums_and_documents_are_unknown() -> None:
    with pytest.raises(Unavailable, match="none of the 2 packages has a believable date"):
        run(documents())


@pytest.mark.parametrize("age", [20_000, -1, -5000])
def test_dates_that_cannot_be_are_not_believed(age: float) -> None:
    with pytest.raises(Unavailable, match="believable"):
        run(documents(libc6=age))
    with pytest.raises(Unavailable, match="believable"):
        run(alpine(musl=age))


def test_the_time_of_installation_counts_where_nothing_else_is_known() -> None:
    tree = trees.filesystem({})
    for age, count in ((10, 0), (200, 1)):
        package = Package("opkg", "libc", "1", install_time=ago(age))
        inventory = Inventory((PackageDatabase("opkg-status", "opkg", "var/lib/opkg/status", (package,)),))
        assert len(judge(inventory, tree)) == count


def test_an_old_package_that_was_installed_today_is_old() -> None:
    package = Package("rpm", "bash", "1", build_time=ago(400), install_time=ago(1))
    inventory = Inventory((PackageDatabase("rpm-sqlite", "rpm", "var/lib/rpm/rpmdb.sqlite", (package,)),))
    assert len(judge(inventory, trees.filesystem({}))) == 1


def test_a_database_that_cannot_be_read_is_unknown() -> None:
    with pytest.raises(MalformedImage):
        run({"lib/apk/db/installed": file("garbage")})


def test_the_rule_itself() -> None:
    assert RULE.id == "last-patched"
