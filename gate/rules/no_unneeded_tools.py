"""No tools that only builders, debuggers and intruders use, and no package caches left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, Text, describe
from gate.rule import Finding, Location, Rule, Severity
from gate.rules._programs import Program, base_name, programs, refuse_windows, words
from gate.rules._size import printable_size

Category = Literal[
    "compilers", "debuggers", "network-clients", "editors", "version-control", "package-caches"
]

_GNU = ("x86_64-linux-gnu-", "aarch64-linux-gnu-")
_GCC = ["gcc", "g++", "cpp", "gfortran", "gcc-ar", "gcc-nm", "gcc-ranlib"]

TOOLS: dict[Category, frozenset[str]] = {
    "compilers": frozenset(
        [
            *_GCC,
            *(f"{prefix}{name}" for prefix in _GNU for name in _GCC),
            *(f"{name}-{major}" for name in _GCC for major in range(4, 20)),
            *(f"{prefix}{name}-{major}" for prefix in _GNU for name in _GCC for major in range(4, 20)),
            *(f"clang{suffix}-{major}" for suffix in ("", "++") for major in range(6, 25)),
            *words(
                "cc c++ c89 c99 cc1 cc1plus clang clang++ tcc rustc rustup go javac kotlinc scalac ghc ocamlopt"
            ),
            *words(
                "swiftc zig nasm yasm as ld ld.bfd ld.gold ld.lld lld make gmake cmake ninja meson autoconf automake"
            ),
        ]
    ),
    "debuggers": frozenset(
        words(
            "gdb gdbserver lldb lldb-server strace ltrace perf bpftrace valgrind tcpdump tshark dlv"
            " radare2 gcore"
        )
    ),
    "network-clients": frozenset(
        words(
            "curl wget wget2 nc ncat netcat nc.openbsd nc.traditional socat telnet ftp lftp ncftp tftp sftp scp ssh dbclient"
            " rsync nmap aria2c axel lynx links w3m elinks ftpget ftpput rlogin rsh"
        )
    ),
    "editors": frozenset(
        words(
            "vi vim vim.tiny vim.basic vim.nox vim.gtk3 vimdiff view rvim rview ex nvim nano rnano pico emacs emacs-nox mg"
            " ed joe jed mcedit kak helix hx"
        )
    ),
    "version-control": frozenset(words("git hg svn bzr brz cvs fossil darcs")),
}
"""Programs by category. Names are matched exactly, and only where the file can be run."""

PARTS = ("/usr/lib/apt/methods/", "/usr/lib/emacs/", "/usr/share/")
"""Where programs keep parts of themselves under the names of others."""

CACHES: dict[str, str] = {
    "/var/lib/apt/lists": "apt package lists",
    "/var/cache/apt": "apt cache",
    "/var/cache/apk": "apk cache",
    "/etc/apk/cache": "apk cache",
    "/var/cache/yum": "yum cache",
    "/var/cache/dnf": "dnf cache",
    "/var/cache/libdnf5": "dnf cache",
    "/var/cache/zypp": "zypper cache",
    "/var/cache/pacman/pkg": "pacman cache",
    "/var/cache/swupd": "swupd cache",
    "/var/cache/conda": "conda cache",
    "/opt/conda/pkgs": "conda cache",
}
"""Caches of system package managers, by directory."""

HOME_CACHES: dict[str, str] = {
    ".cache/pip": "pip cache",
    ".cache/uv": "uv cache",
    ".cache/pypoetry": "poetry cache",
    ".cache/go-build": "Go build cache",
    ".cache/yarn": "yarn cache",
    ".npm/_cacache": "npm cache",
    ".cargo/registry": "cargo cache",
    ".m2/repository": "Maven repository",
    ".gradle/caches": "Gradle cache",
    ".composer/cache": "composer cache",
    ".bundle/cache": "bundler cache",
}
"""Caches of language package managers, by directory below a home."""

CACHE_FLOOR = 64 * 1024
"""Bytes below which a cache is not worth a finding: locks, markers and empty indexes stay behind in honest images."""


class NoUnneededToolsOptions(Options):
    """Options of `no-unneeded-tools`."""

    categories: Annotated[tuple[Category, ...], describe("What to look for.", min_length=1)] = (
        "compilers",
        "debuggers",
        "network-clients",
        "editors",
        "version-control",
        "package-caches",
    )
    allow: Annotated[
        tuple[Text, ...],
        describe("Programs that are accepted, by name, such as a `curl` that a health check calls."),
    ] = ()


def check(filesystem: Filesystem, config: ImageConfig, options: NoUnneededToolsOptions) -> Iterator[Finding]:
    """Yield one finding per program file, however many names it has, and one per cache directory."""
    refuse_windows(config)
    allowed = frozenset(options.allow)
    category_of = {
        name: category
        for category in options.categories
        for name in TOOLS.get(category, frozenset())
        if name not in allowed
    }
    for program in programs(filesystem, category_of):
        if _counts(program):
            yield _finding(program, category_of, filesystem)
    if "package-caches" in options.categories:
        for directory, what in {**CACHES, **_home_caches(filesystem)}.items():
            yield from _cache(filesystem, directory, what)


def _counts(program: Program) -> bool:
    """Whether a program is what its name says.

    Parts of other programs are not (apt's `methods/ftp`), nor small scripts called `make` or `links` in data directories.
    """
    if program.entry.path.startswith(PARTS):
        return False
    return not program.entry.interpreter or any(
        parent in ("bin", "sbin", "libexec") for name in program.names for parent in name.split("/")[-2:-1]
    )


def _finding(program: Program, category_of: dict[str, Category], filesystem: Filesystem) -> Finding:
    """Name the tools that a file is, by category."""
    by_category: dict[str, list[str]] = {}
    for name in sorted({base_name(path) for path in program.names}):
        by_category.setdefault(category_of[name], []).append(name)
    listed = "; ".join(f"{category}: {', '.join(names)}" for category, names in sorted(by_category.items()))
    own = base_name(program.entry.path)
    applets = f" (as {own})" if own not in category_of else ""
    return Finding(
        f"{listed}{applets}",
        Location.of(program.entry, filesystem),
        details={"categories": by_category, "names": list(program.names[:100])},
    )


def _home_caches(filesystem: Filesystem) -> dict[str, str]:
    """Return the caches that a home directory may hold, for root, for no home at all, and below /home."""
    users = {entry.path.split("/")[2] for entry in filesystem.under("/home")}
    homes = ["", "/root", "/app", *(f"/home/{user}" for user in sorted(users))]
    return {f"{home}/{directory}": what for home in homes for directory, what in HOME_CACHES.items()}


def _cache(filesystem: Filesystem, directory: str, what: str) -> Iterator[Finding]:
    """Yield a finding for a cache that holds more than markers."""
    top = filesystem.lookup(directory)
    if top is None or top.type is not EntryType.DIRECTORY:
        return
    files = [entry for entry in filesystem.under(top.path) if entry.type is EntryType.FILE]
    size = sum(entry.size for entry in files)
    if size >= CACHE_FLOOR:
        yield Finding(
            f"{what}: {len(files):,} files, {printable_size(size)}",
            Location.of(max(files, key=lambda entry: entry.size), filesystem),
            details={
                "category": "package-caches",
                "directory": directory,
                "bytes": size,
                "files": len(files),
            },
        )


RULE = Rule(
    id="no-unneeded-tools",
    title="The image has no compilers, debuggers, network clients, editors or caches",
    rationale=(
        "Tools that a service does not use are what an intruder uses: to fetch, build and hide. They also bring most of"
        " the vulnerabilities that scanners report, and caches make images large."
    ),
    remediation=(
        "Build in one stage and copy the result into a small one. Remove caches in the same RUN that made them, or keep"
        " them out with RUN --mount=type=cache."
    ),
    severity=Severity.LOW,
    check=check,
)
