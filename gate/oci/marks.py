"""Byte signatures: tell what a program is, whatever its file is called.

A signature is a text that a program's own source holds and its releases have kept for years: an error message, a usage
text, a line it writes. So it survives stripping, static linking and every architecture, and a copy under another name
carries it. Each was compared with the tags of its project and with real builds (tdnf and microdnf with the tags alone);
the comments say where it stands and which releases have it.

Not seen are programs that are packed, compressed or changed in order to hide, and scripts, for which their interpreter
counts. Where a program is a thin front of a library, the signature stands in the program if it has a text of its own
(`apt`, `apk`, `rpm`), else in the library (`libpython`, `libperl`, `libruby`, `libnode`).

One automaton searches for all texts at once, at several GiB a second where it can use vector instructions; forty plain
searches take twenty times as long, one regular expression eight hundred times.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache

from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick
from msgspec import Struct


class Kind(StrEnum):
    """What a program that carries a signature is."""

    SHELL = "shell"
    MULTI_CALL = "multi-call binary"
    PACKAGE_MANAGER = "package manager"
    INTERPRETER = "interpreter"
    GO = "Go program"
    RUST = "Rust program"


class Signature(Struct, frozen=True):
    """How a program is recognised: any one of `needles` in its content is enough.

    `name` is what an index keeps, `title` what a message calls the program. One program can carry several signatures:
    BusyBox has `busybox`, `ash` if it has that shell, and `dpkg` if it has that applet.
    """

    name: str
    kind: Kind
    title: str
    needles: tuple[bytes, ...]


def _shell(name: str, title: str, *needles: bytes) -> Signature:
    return Signature(name, Kind.SHELL, title, needles)


def _manager(name: str, title: str, *needles: bytes) -> Signature:
    return Signature(name, Kind.PACKAGE_MANAGER, title, needles)


def _interpreter(name: str, title: str, *needles: bytes) -> Signature:
    return Signature(name, Kind.INTERPRETER, title, needles)


SIGNATURES = (
    # variables.c, bash 3.0 to 5.3
    _shell(
        "bash",
        "Bash",
        b"pop_var_context: head of shell_variables not a function context",
        b"GNU bash, version ",
    ),
    # parser.c of dash 0.5.5 to 0.5.12, of klibc and the BSDs; ash.c, BusyBox 0.60 to 1.38
    _shell(
        "ash",
        "dash, BusyBox ash or another Almquist shell",
        b"EOF in backquote substitution",
    ),
    # hush.c, BusyBox 1.15 to 1.38
    _shell("hush", "BusyBox hush", b"unexpected EOF in here document"),
    # jobs.c of pdksh and what came from it: mksh R24 to R59, the shell of Android, lksh, posh, the ksh of OpenBSD
    _shell("mksh", "mksh or another shell of the pdksh family", b"argument must be %job or process id"),
    # data/msg.c, ksh 93u+ and 93u+m 1.0; also in shcomp, which is the same program
    _shell("ksh93", "KornShell 93", b"shell will timeout in 60 seconds due to inactivity"),
    # module.c, zsh 3.1 to 5.9
    _shell("zsh", "Z shell", b"module %s is in use by another module and cannot be unloaded"),
    # sh.err.c, tcsh 6.07 to 6.24; the csh of BSD
    _shell("csh", "tcsh or csh", b"Arguments should be jobs or process id's"),
    # env_universal, fish 3.0 to 4.9; also in fish_indent and fish_key_reader
    _shell("fish", "fish", b"# This file contains fish universal variable definitions."),
    # option.c, yash 2.28 to 2.60
    _shell("yash", "yash", b"option cannot be changed once the shell has been initialized"),
    # sash.c, sash 3.8
    _shell("sash", "sash", b"Built-in commands are aliased to standard commands"),
    # heredoc.c, rc 1.7
    _shell("rc", "rc", b"eof-marker not a single literal word"),
    # A function name, which Go programs keep, elvish 0.16 to 0.21
    _shell("elvish", "Elvish", b"src.elv.sh/pkg/eval.(*Evaler)."),
    # nu-engine/src/env.rs, Nushell 0.66 to 0.115
    _shell(
        "nu",
        "Nushell",
        b"This error happened during the conversion of environment variables from strings to Nushell values.",
    ),
    # The options of toys/pending/sh.c, toybox 0.8.3 to 0.8.13; most builds leave this shell out
    _shell("toysh", "toybox sh", b"(noediting)(noprofile)(norc)sc:i"),
    # libbb/appletlib.c, BusyBox 0.49 to 1.38
    Signature(
        "busybox",
        Kind.MULTI_CALL,
        "BusyBox",
        (b"BusyBox is a multi-call binary that combines many common Unix", b"BusyBox v1."),
    ),
    # toys/other/help.c, toybox 0.2 to 0.8.13; main.c, toybox 0.8.5 to 0.8.13, where help texts are compressed
    Signature(
        "toybox",
        Kind.MULTI_CALL,
        "toybox",
        (
            b'Run "toybox" with no arguments for a list of available commands',
            b"Toybox %s multicall binary%s",
        ),
    ),
    # The programs and not every user of libapt-pkg: apt-get 0.8 to 3.3, apt 1.2 to 3.3, aptitude 0.4 to 0.8
    _manager(
        "apt",
        "APT",
        b"Usage: apt-get [options] command\n       apt-get [options] install|remove pkg1 [pkg2 ...]",
        b"apt is a commandline package manager and provides commands for",
        b"If this option is enabled, then whenever aptitude solves a dependency problem, it will consider",
    ),
    # packages.c, dpkg 1.2 to 1.23; archival/dpkg.c, BusyBox 1.3 to 1.38
    _manager(
        "dpkg",
        "dpkg",
        b"More than one copy of package %s has been unpacked",
        b"fatal error, package dependencies corrupt: %d != %d - 1",
    ),
    # app_del.c, apk-tools 2.2 to 3.0, static or with libapk
    _manager("apk", "apk", b"World updated, but the following packages are not removed due to:"),
    # rpm.c, RPM 4.4 to 6.1 and 5.4
    _manager(
        "rpm",
        "RPM",
        b"script disabling options may only be specified during package installation and erasure",
    ),
    # main.cpp, dnf5 5.0 to 5.4; dnf before it and yum are Python scripts
    _manager("dnf", "DNF 5", b"DNF5 is a program for maintaining packages."),
    # dnf-main.c, microdnf 1 to 3.10
    _manager("microdnf", "microdnf", b"This is microdnf, which implements subset of `dnf'."),
    # tools/cli/main.c, tdnf 3.0 to 3.5
    _manager("tdnf", "tdnf", b"Retrieving error string for %u failed with %u"),
    # `zypper ps`, Zypper 1.14
    _manager(
        "zypper",
        "Zypper",
        b"There are running programs which still use files and libraries deleted or updated by recent upgrades.",
    ),
    # pacman.c, pacman 4.2 to 7.1
    _manager(
        "pacman",
        "pacman",
        b"  -n, --native         list installed packages only found in sync db(s) [filter]",
    ),
    # opkg-cl.c, opkg 0.1 to 0.2 and the one of OpenWrt
    _manager("opkg", "opkg", b"opkg must have one sub-command argument"),
    # nix-build.cc, Nix 2.2 to 2.34
    _manager("nix", "Nix", b"attribute in <nixpkgs> did not evaluate to a derivation"),
    # typeobject.c, Python 2.5 to 3.14
    _interpreter(
        "python",
        "Python",
        b"participates in gc and is a base type but has inappropriate tp_free slot",
    ),
    # perl.c, Perl 5.10 to 5.42
    _interpreter(
        "perl",
        "Perl",
        b"Perl may be copied only under the terms of either the Artistic License or the",
    ),
    # vm_insnhelper.c, Ruby 2.7 to 3.3
    _interpreter(
        "ruby",
        "Ruby",
        b"implicit argument passing of super from method defined by define_method() is not supported.",
    ),
    # lib/_http_client.js, which Node.js 8 to 24 hold as text
    _interpreter(
        "node",
        "Node.js",
        b"ClientRequest.prototype.setNoDelay = function setNoDelay(noDelay) {",
    ),
    # lua.c, Lua 5.1 to 5.4; luajit.c, LuaJIT 2.1; also in luac
    _interpreter("lua", "Lua", b"cannot create state: not enough memory"),
    # main/streams/streams.c, PHP 7.4 to 8.4
    _interpreter(
        "php",
        "PHP",
        b'Unable to find the wrapper "%s" - did you forget to enable it when you configured PHP?',
    ),
    # io.c, gawk 4.0 to 5.3
    _interpreter(
        "gawk", "gawk", b"reached system limit for open files: starting to multiplex file descriptors"
    ),
    # rexp.c, mawk 1.3
    _interpreter("mawk", "mawk", b"resource exhaustion -- regular expression too large"),
    # run.c, the awk of its authors, 2018 to 2025
    _interpreter(
        "original-awk",
        "original awk",
        b"huge string/format (%d chars) in printf %.30s... ran format() out of memory",
    ),
    # runtime/proc.go, Go 1.0 to 1.26: there even if the build information is not that scanners read
    Signature("go", Kind.GO, "Go program", (b"all goroutines are asleep - deadlock!",)),
    # debug/buildinfo, Go 1.13 to 1.26: the build information; also in programs that read that of others
    Signature("go-modules", Kind.GO, "Go program that states its modules", (b"\xff Go buildinf:",)),
    # library/std/src/panicking.rs, what a panic tells; seen in ruff, uv and cryptography. The variable's name alone is also in
    # programs that start Rust ones, such as buildah
    Signature("rust", Kind.RUST, "Rust program", (b"un with `RUST_BACKTRACE=1`",)),
)
"""Every program that is recognised. A name stands here once."""

_NEEDLES = tuple((needle, signature.name) for signature in SIGNATURES for needle in signature.needles)
_OVERLAP = max(len(needle) for needle, _ in _NEEDLES) - 1
"""Bytes of a needle that can stand before the border of two ranges."""


def names(*kinds: Kind) -> frozenset[str]:
    """Return the names of all signatures of these kinds."""
    return frozenset(signature.name for signature in SIGNATURES if signature.kind in kinds)


@cache
def _searcher() -> BytesAhoCorasick:
    """Return the automaton. Only the leftmost kinds of match use vector instructions; no needle begins inside another."""
    return BytesAhoCorasick([needle for needle, _ in _NEEDLES], matchkind=MATCHKIND_LEFTMOST_FIRST)


class ContentScan:
    """Searches one ELF file of `size` bytes as it streams by; `feed` takes its content in order, cut in any way.

    Between two calls it keeps less than the longest needle, so a needle across a border is found.
    """

    __slots__ = ("_found", "_left", "_search", "_tail")

    def __init__(self, size: int) -> None:
        self._left = size
        self._found: set[int] = set()
        self._tail = b""
        self._search = _searcher().find_matches_as_indexes

    def feed(self, buffer: bytes, start: int, end: int) -> None:
        """Search the next part of the file, `buffer[start:end]`, without copying it."""
        self._left -= end - start
        if self._tail:
            self._note(self._tail + buffer[start : min(end, start + _OVERLAP)])
        self._note(memoryview(buffer)[start:end])
        if self._left > 0:
            self._tail = (self._tail + buffer[max(start, end - _OVERLAP) : end])[-_OVERLAP:]

    def _note(self, content: bytes | memoryview) -> None:
        self._found.update(needle for needle, _, _ in self._search(content))

    def marks(self) -> tuple[str, ...]:
        """Return the names of the signatures found so far, sorted."""
        return tuple(sorted({_NEEDLES[needle][1] for needle in self._found}))


_LINE = 256
"""Bytes of a script's first line that Linux reads (BINPRM_BUF_SIZE)."""
_BLANKS = re.compile(rb"[ \t]+")
_ENV_WITH_VALUE = frozenset({b"-u", b"--unset", b"-C", b"--chdir", b"-P"})
_ENV_SPLIT = re.compile(rb"(?:-[0iv]*S|--split-string=)(.+)", re.DOTALL)
"""The option whose value is the rest of the line, joined with the first word of it."""


def script_interpreter(head: bytes) -> bytes | None:
    """Return the program that runs a script, as its first line `#!…` names it, or None if Linux would not run it.

    `head` is the start of the file. Behind `env` it is the program that `env` starts: `python3` for
    `#!/usr/bin/env -S python3 -u`. Source: execve(2), "Interpreter scripts"; env(1) of GNU coreutils.
    """
    line, newline, _ = head[:_LINE].partition(b"\n")
    if not line.startswith(b"#!"):
        return None
    words = _BLANKS.split(line[2:].partition(b"\0")[0].strip(b" \t"))
    if not words[0] or (not newline and len(words) == 1 and len(head) >= _LINE):
        return None
    if words[0].rpartition(b"/")[2] == b"env":
        return _started_by_env(words[1:]) or words[0]
    return words[0]


def _started_by_env(words: list[bytes]) -> bytes | None:
    """Return the first word that is neither an option of env nor an assignment."""
    while words:
        word = words.pop(0)
        if word in _ENV_WITH_VALUE:
            del words[:1]
        elif split := _ENV_SPLIT.fullmatch(word):
            words.insert(0, split[1])
        elif not word.startswith(b"-") and b"=" not in word:
            return word.strip(b"'\"")
    return None
