"""No shell in the image: not by name, not through links, not in a multi-call binary, not under another name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated

from msgspec.structs import replace

from gate.oci.filesystem import Entry, EntryType, Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Location, Remark, Rule, Severity
from gate.rules._programs import (
    Program,
    also_as,
    base_name,
    first_path,
    is_program,
    programs,
    refuse_windows,
    words,
)

SHELLS = frozenset(
    words(
        "sh ash bash rbash dash ksh ksh88 ksh93 ksh2020 rksh mksh mksh-static lksh pdksh oksh loksh zsh rzsh zsh4 zsh5 fish"
        " csh tcsh bsd-csh yash posh hush msh sash scsh elvish nu nushell xonsh pwsh osh ysh mrsh gash brush"
        " bash-static dash-static zsh-static sh.distrib busybox busybox.static toybox toysh"
    )
)
"""Names of shells, and of the multi-call binaries that hold one."""

BINARY_SHELLS = frozenset({"rc", "es", "ion", "oil"})
"""Shells whose name other things have too, such as the script /etc/rc: only a binary counts."""

MULTI_CALL = frozenset({"busybox", "toybox"})
"""Marks of binaries that are a shell among other things."""


def _versions(name: str, *releases: str) -> list[str]:
    """A program's plain name and the versioned ones under which distributions install it."""
    return [name, *(name + release for release in releases)]


INTERPRETERS = frozenset(
    [
        *_versions("python", "2", "2.7", "3", *(f"3.{minor}" for minor in range(30))),
        *_versions("pypy", "2", "3", *(f"3.{minor}" for minor in range(6, 16))),
        *_versions("perl", *(f"5.{major}.{minor}" for major in range(8, 50, 2) for minor in range(5))),
        *_versions("ruby", *(f"{major}.{minor}" for major in (1, 2, 3, 4) for minor in range(10))),
        *_versions(
            "lua", "jit", *(f"5.{minor}" for minor in range(1, 6)), *(f"5{minor}" for minor in range(1, 6))
        ),
        *_versions(
            "php",
            *(f"{major}.{minor}" for major in (5, 7, 8) for minor in range(10)),
            *map(str, range(80, 90)),
        ),
        *_versions("tclsh", "8.5", "8.6", "9.0"),
        *_versions("guile", "2.2", "3.0"),
        *words(
            "node nodejs bun deno qjs awk gawk mawk nawk goawk original-awk expect wish Rscript jshell groovy"
        ),
        *words("erl iex elixir julia jruby micropython"),
    ]
)
"""Interpreters that start programs and read files for whoever may type into them, as a shell does."""

REMARKS = 10
"""Remarks on lower layers; a whole distribution removed by a later layer has dozens of shells and links."""


class NoShellOptions(Options):
    """Options of `no-shell`."""

    interpreters: Annotated[
        bool,
        describe(
            "Count interpreters that can serve as a shell (Python, Perl, Node, Lua, awk, Ruby, PHP, Tcl, …) too."
        ),
    ] = False


def check(filesystem: Filesystem, config: ImageConfig, options: NoShellOptions) -> Iterator[Finding | Remark]:
    """Yield one finding per file that is a shell, however many names lead to it."""
    refuse_windows(config)
    named = (program for program in programs(filesystem, SHELLS | BINARY_SHELLS) if _is_shell(program))
    found = {
        program.entry.path: program for program in _with_marked(named, filesystem, SHELLS | BINARY_SHELLS)
    }
    for program in found.values():
        yield _finding(program, filesystem, "shell")
    if options.interpreters:
        for program in _with_marked(programs(filesystem, INTERPRETERS), filesystem, INTERPRETERS):
            if program.entry.path not in found:
                yield _finding(program, filesystem, "interpreter")
    names = {name for program in found.values() for name in program.names}
    yield from islice(_lower_layers(filesystem, names), REMARKS)


def _with_marked(
    named: Iterable[Program], filesystem: Filesystem, known: frozenset[str]
) -> Iterator[Program]:
    """Yield the programs found by name, then those whose content says that they are one of `known`."""
    seen = set()
    for program in named:
        seen.add(program.entry.path)
        yield program
    for entry in filesystem.marked():
        path = first_path(entry)
        if path not in seen and known.intersection(entry.marks):
            yield Program(replace(entry, path=path), tuple(sorted((entry.path, *entry.links))))


def _is_shell(program: Program) -> bool:
    """Whether a program that has a shell's name is one: a script that a shell runs is not, and has no use without it."""
    entry = program.entry
    if entry.interpreter:
        called = {base_name(word) for word in entry.interpreter.split()}
        return not called & SHELLS and any(base_name(name) in SHELLS for name in program.names)
    return True


def _finding(program: Program, filesystem: Filesystem, what: str) -> Finding:
    """Say which program it is, and whether its name, a link or its content told."""
    entry = program.entry
    known = SHELLS | BINARY_SHELLS if what == "shell" else INTERPRETERS
    marks = sorted(known.intersection(entry.marks), key=lambda mark: (mark not in MULTI_CALL, mark))
    own = base_name(entry.path)
    kind = what
    if MULTI_CALL.intersection([own, *marks]):
        # By content it is known whether this build has a shell; without one it still is a tool box for an intruder.
        kind = "multi-call binary" if len(marks) == 1 else "multi-call binary with a shell"
    if own in known:
        message = f"{kind} {own}"
    elif marks:
        message = f"{kind} {marks[0]} under another name, {own}"
    else:
        message = f"{kind} by the name of a link to {own}"
    return Finding(
        f"{message}{also_as(program.other_names)}",
        Location.of(entry, filesystem),
        details={"names": list(program.names[:100]), "recognised_by": "content" if marks else "name"},
    )


def _lower_layers(filesystem: Filesystem, present: set[str]) -> Iterator[Remark]:
    """Yield a remark for each shell that a later layer removes: it is gone, and still in the bytes that are shipped."""
    seen: set[tuple[int, str]] = set()
    named = filesystem.removed(SHELLS)
    marked = (entry for entry in filesystem.removed(marked=True) if SHELLS.intersection(entry.marks))
    for entry in (*named, *marked):
        key = (entry.layer, entry.path)
        if entry.type is EntryType.FILE and _binary(entry) and entry.path not in present and key not in seen:
            seen.add(key)
            own, marks = base_name(entry.path), sorted(SHELLS.intersection(entry.marks))
            what = own if own in SHELLS or not marks else f"{marks[0]}, named {own},"
            yield Remark(f"shell {what} only in a lower layer, removed later", Location.of(entry, filesystem))


def _binary(entry: Entry) -> bool:
    """Whether an entry is a program and no script."""
    return is_program(entry) and not entry.interpreter


RULE = Rule(
    id="no-shell",
    title="The image has no shell",
    rationale=(
        "Whoever finds a way to run a command in a container wants a shell: most exploits and their payloads assume one."
        " A service does not need it."
    ),
    remediation=(
        "Build on a base without a shell (distroless, Wolfi or scratch) and copy only the program and its libraries into"
        ' it. Start it with the exec form: ENTRYPOINT ["/app"].'
    ),
    severity=Severity.HIGH,
    check=check,
    marks=True,
)
