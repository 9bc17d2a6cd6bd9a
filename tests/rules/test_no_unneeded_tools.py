from __future__ import annotations

from typing import Any

import pytest

from gate.rule import Finding, Remark
from gate.rules.no_unneeded_tools import CACHE_FLOOR, NoUnneededToolsOptions, check
from samples.images.entries import Entry, file, program, symbolic_link, whiteout, whiteout_of
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, messages

ELF = static_program("hello")
BIG = file(b"x" * CACHE_FLOOR)


def judged(*layers: dict[str, Entry], **options: Any) -> list[Finding | Remark]:
    return list(check(filesystem(*layers), config(), NoUnneededToolsOptions(**options)))


def test_passes_an_image_of_one_program() -> None:
    assert (
        judged({"app/server": program(ELF), "var/lib/apt/lists/lock": file(""), "root/.profile": file("x")})
        == []
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("usr/bin/gcc-12", "compilers: gcc-12"),
        ("usr/local/go/bin/go", "compilers: go"),
        ("usr/bin/strace", "debuggers: strace"),
        ("usr/bin/curl", "network-clients: curl"),
        ("usr/bin/vim.tiny", "editors: vim.tiny"),
        ("usr/bin/git", "version-control: git"),
    ],
)
def test_finds_each_category(path: str, message: str) -> None:
    assert messages(judged({path: program(ELF)})) == [message]


def test_names_of_one_file_are_one_finding() -> None:
    tree = {
        "usr/bin/x86_64-linux-gnu-gcc-12": program(ELF),
        "usr/bin/gcc-12": symbolic_link("x86_64-linux-gnu-gcc-12"),
        "usr/bin/gcc": symbolic_link("gcc-12"),
        "usr/bin/cc": symbolic_link("/etc/alternatives/cc"),
        "etc/alternatives/cc": symbolic_link("/usr/bin/gcc"),
    }
    assert messages(judged(tree)) == ["compilers: cc, gcc, gcc-12, x86_64-linux-gnu-gcc-12"]


def test_applets_say_what_they_are_part_of() -> None:
    applets = {f"bin/{name}": symbolic_link("/bin/busybox") for name in ("vi", "wget", "nc", "cat")}
    assert messages(judged({"bin/busybox": program(ELF), **applets})) == [
        "editors: vi; network-clients: nc, wget (as busybox)"
    ]


@pytest.mark.parametrize(
    "tree",
    [
        {"usr/share/doc/git/copyright": file("GPL"), "usr/share/bash-completion/completions/curl": file("x")},
        {"usr/bin/curl": symbolic_link("/gone")},
        {"app/node_modules/make": program(b"#!/usr/bin/env node\n")},
        {"usr/lib/apt/methods/ssh": program(ELF), "usr/lib/apt/methods/ftp": program(ELF)},
        {"usr/lib/libcurl.so.4": program(ELF), "usr/lib/git-core/git-sh-setup": file("x")},
    ],
    ids=["documents", "dangling link", "a small script called make", "parts of apt", "libraries"],
)
def test_near_misses(tree: dict[str, Entry]) -> None:
    assert judged(tree) == []


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("var/lib/apt/lists/deb.debian.org_Packages.lz4", "apt package lists"),
        ("var/cache/apt/archives/x.deb", "apt cache"),
        ("var/cache/apk/APKINDEX.tar.gz", "apk cache"),
        ("var/cache/dnf/packages.solv", "dnf cache"),
        ("root/.cache/pip/http/a", "pip cache"),
        ("home/node/.npm/_cacache/content-v2/a", "npm cache"),
        (".cache/pip/a", "pip cache"),
    ],
)
def test_finds_package_caches(path: str, what: str) -> None:
    assert messages(judged({path: BIG})) == [f"{what}: 1 files, 64.0 KiB"]


def test_small_rests_of_caches_are_accepted() -> None:
    assert (
        judged({"var/cache/apt/archives/lock": file(""), "var/cache/dnf/expired_repos.json": file("[]")})
        == []
    )


def test_finds_a_cache_behind_a_link() -> None:
    assert messages(judged({"var/cache/yum": symbolic_link("../tmp/yum"), "var/tmp/yum/x.rpm": BIG})) == [
        "yum cache: 1 files, 64.0 KiB"
    ]


def test_deleted_tools_and_caches_do_not_count() -> None:
    base = {"usr/bin/gcc": program(ELF), "var/cache/apt/a.bin": BIG}
    gone = {whiteout_of("usr/bin/gcc"): whiteout(), whiteout_of("var/cache/apt"): whiteout()}
    assert judged(base, gone) == []


def test_categories_and_programs_can_be_chosen() -> None:
    tree = {"usr/bin/curl": program(ELF), "usr/bin/gdb": program(ELF), "var/cache/apt/a.bin": BIG}
    assert messages(judged(tree, categories=("debuggers",))) == ["debuggers: gdb"]
    assert messages(judged(tree, allow=("curl",), categories=("debuggers", "network-clients"))) == [
        "debuggers: gdb"
    ]
    assert messages(judged(tree, categories=("package-caches",))) == ["apt cache: 1 files, 64.0 KiB"]
