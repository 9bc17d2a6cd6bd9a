from __future__ import annotations

import pytest

from gate.errors import Unavailable
from gate.rule import Finding, Remark
from gate.rules.no_package_manager import RULE, NoPackageManagerOptions, check
from samples.images.entries import Entry, file, hard_link, program, symbolic_link, whiteout, whiteout_of
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, messages, remarks

ELF = static_program("hello")
SCRIPT = program(b"#!/usr/libexec/platform-python\nimport dnf\n")


def judged(*layers: dict[str, Entry], language: bool = False) -> list[Finding | Remark]:
    return list(check(filesystem(*layers), config(), NoPackageManagerOptions(language=language)))


def test_passes_an_image_of_one_program() -> None:
    assert judged({"app/server": program(ELF)}) == []


@pytest.mark.parametrize(
    ("path", "manager"),
    [
        ("usr/bin/apt-get", "apt"),
        ("usr/bin/dpkg", "dpkg"),
        ("sbin/apk", "apk"),
        ("usr/bin/yum", "yum"),
        ("usr/bin/dnf5", "dnf"),
        ("usr/bin/microdnf", "microdnf"),
        ("usr/bin/rpm", "rpm"),
        ("usr/bin/zypper", "zypper"),
        ("usr/bin/pacman", "pacman"),
        ("bin/opkg", "opkg"),
        ("usr/bin/tdnf", "tdnf"),
        ("nix/store/abc-nix-2.18/bin/nix", "nix"),
        ("home/linuxbrew/.linuxbrew/bin/brew", "brew"),
    ],
)
def test_finds_every_package_manager(path: str, manager: str) -> None:
    (found,) = messages(judged({path: program(ELF)}))
    assert found == f"package manager {manager}: program {path.rpartition('/')[2]}"


@pytest.mark.parametrize("manager", ["apk", "apt", "dpkg", "rpm"])
def test_finds_a_package_manager_by_its_content(manager: str) -> None:
    tree = filesystem({"opt/a": program(ELF)}, marks={"opt/a": ("go", manager)})
    assert messages(list(check(tree, config(), NoPackageManagerOptions()))) == [
        f"package manager {manager} under another name, a"
    ]
    other = filesystem({"opt/a": program(ELF)}, marks={"opt/a": ("bash",)})
    assert list(check(other, config(), NoPackageManagerOptions())) == []


def test_name_and_content_together_are_one_finding() -> None:
    tree = filesystem({"sbin/apk": program(ELF)}, marks={"sbin/apk": ("apk",)})
    assert messages(list(check(tree, config(), NoPackageManagerOptions()))) == [
        "package manager apk: program apk"
    ]


def test_a_link_and_content_together_are_one_finding() -> None:
    tree = filesystem({"opt/a": program(ELF), "sbin/apk": symbolic_link("/opt/a")}, marks={"opt/a": ("apk",)})
    assert messages(list(check(tree, config(), NoPackageManagerOptions()))) == [
        "package manager apk under another name, a, also as /sbin/apk"
    ]


def test_scripts_with_an_execute_bit_count() -> None:
    tree = {
        "usr/bin/dnf-3": SCRIPT,
        "usr/bin/dnf": symbolic_link("dnf-3"),
        "usr/bin/yum": symbolic_link("dnf-3"),
    }
    assert messages(judged(tree)) == [
        "package manager dnf: program dnf-3, also as /usr/bin/dnf, /usr/bin/yum"
    ]


def test_hard_links_and_links_through_directories_are_one_finding() -> None:
    tree = {
        "bin": symbolic_link("usr/bin"),
        "usr/bin/apt": program(ELF),
        "usr/bin/apt-get": hard_link("usr/bin/apt", 0o755),
        "opt/apt": symbolic_link("/bin/apt"),
    }
    assert messages(judged(tree)) == ["package manager apt: program apt, also as /opt/apt, /usr/bin/apt-get"]


@pytest.mark.parametrize(
    "tree",
    [
        {
            "usr/share/bash-completion/completions/apt": file("_apt() {}"),
            "etc/logrotate.d/dpkg": file("weekly"),
        },
        {
            "etc/cron.daily/dpkg": program(b"#!/bin/sh\nset -e\n"),
            "usr/share/bug/apt": program(b"#!/bin/sh\n"),
        },
        {"usr/bin/apt-get": symbolic_link("/nowhere")},
        {
            "usr/lib/x86_64-linux-gnu/libapt-pkg.so.6.0": file(ELF),
            "var/lib/dpkg/info/dpkg.list": file("/.\n"),
        },
        {"usr/bin/apt": file("#!/bin/sh\n")},
        {"etc/apt/sources.list": file("deb"), "usr/share/doc/apt/copyright": file("GPL")},
    ],
    ids=[
        "data",
        "scripts of cron and reportbug",
        "dangling link",
        "library",
        "script without x",
        "directories",
    ],
)
def test_near_misses(tree: dict[str, Entry]) -> None:
    assert messages(judged(tree)) == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/dpkg/status", "dpkg"),
        ("var/lib/dpkg/status.d/base", "dpkg"),
        ("lib/apk/db/installed", "apk"),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", "rpm"),
    ],
)
def test_a_database_alone_is_a_remark_that_says_so(path: str, kind: str) -> None:
    result = judged({path: file("Package: x\n")})
    assert messages(result) == []
    (remark,) = remarks(result)
    assert remark.startswith(f"package database of {kind} without its programs")


def test_a_database_beside_its_program_needs_no_remark() -> None:
    tree = {"var/lib/rpm/rpmdb.sqlite": file("x"), "usr/bin/microdnf": program(ELF)}
    result = judged(tree)
    assert remarks(result) == []
    assert len(messages(result)) == 1


def test_deleted_programs_do_not_count() -> None:
    assert messages(judged({"usr/bin/apt": program(ELF)}, {whiteout_of("usr/bin/apt"): whiteout()})) == []


@pytest.mark.parametrize(
    "tree",
    [
        {"usr/local/bin/pip3.11": program(b"#!/usr/local/bin/python3\n")},
        {"usr/lib/python3/dist-packages/pip/__main__.py": file("import sys")},
        {"opt/pip.pyz": program(b"#!/usr/bin/env python3\n")},
        {"usr/local/lib/node_modules/npm/bin/npm-cli.js": program(b"#!/usr/bin/env node\n")},
        {"usr/bin/gem": program(b"#!/usr/bin/ruby\n")},
    ],
    ids=["pip", "pip module", "pip zipapp", "npm", "gem"],
)
def test_language_package_managers_count_only_by_option(tree: dict[str, Entry]) -> None:
    assert judged(tree) == []
    assert len(messages(judged(tree, language=True))) == 1


def test_npm_and_its_link_are_one_finding() -> None:
    tree = {
        "usr/local/lib/node_modules/npm/bin/npm-cli.js": program(b"#!/usr/bin/env node\n"),
        "usr/local/bin/npm": symbolic_link("../lib/node_modules/npm/bin/npm-cli.js"),
    }
    assert messages(judged(tree, language=True)) == [
        "package manager npm: program npm-cli.js, also as /usr/local/bin/npm"
    ]


def test_windows_images_are_unknown() -> None:
    with pytest.raises(Unavailable, match="Windows"):
        list(check(filesystem({"a": file("x")}), config(os="Windows"), NoPackageManagerOptions()))


def test_rule_asks_for_the_marks() -> None:
    assert RULE.marks, "the layer pass only searches programs where a rule says that it looks at the marks"
