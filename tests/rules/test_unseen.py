"""What no scanner saw, each kind with the honest images that look like it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from gate.evidence import Database, ScannedPackage, ScanRun
from gate.rules._unseen import unseen
from samples.images import debian
from samples.images.entries import Entry, file, hard_link, program, symbolic_link
from samples.images.languages import java_library, node_package, python_distribution
from samples.images.programs import go_program, static_program
from tests.kit import trees

LIBC = debian.Package("libc6", "2.36-9")
LISTED = {
    **debian.release_files(),
    **debian.status_file((LIBC,)),
    "var/lib/dpkg/info/libc6:amd64.list": file("/usr/bin/ldd\n/usr/lib/libc.so.6\n"),
}
TOOL = program(static_program("a tool"))
RUST = program(static_program("a tool", embedded=b"note: run with `RUST_BACKTRACE=1`"))


def saw(*packages: tuple[str, str]) -> ScanRun:
    """A scanner that reported a package of this type at this path, for each."""
    database = Database("1", datetime(2026, 11, 23, tzinfo=UTC))
    found = tuple(ScannedPackage(kind, "a", "1", "", path) for kind, path in packages)
    return ScanRun("grype", "1", "/x", "sha256:0", database, "sha256:0", "", "", None, found, (), 1.0)


def run(root: Mapping[str, Entry], *runs: ScanRun) -> list[tuple[str, str, str]]:
    """The kind, ecosystem and path of everything that nobody saw."""
    tree = trees.filesystem(root)
    return [(one.id, one.ecosystem, one.entry.path) for one in unseen(tree, trees.inventory(tree), runs)]


def test_a_program_of_no_package() -> None:
    assert run({"app/server": TOOL}) == [("program", "generic", "/app/server")]


def test_a_rust_program_that_does_not_state_its_crates() -> None:
    assert run({"app/server": RUST}) == [("program", "cargo", "/app/server")]
    assert run({"app/server": RUST}, saw(("cargo", "/app/server"))) == []


def test_a_program_that_a_scanner_recognised_by_any_of_its_names() -> None:
    root = {"usr/local/bin/node": TOOL, "usr/local/bin/nodejs": hard_link("usr/local/bin/node", 0o755)}
    assert run(root, saw(("generic", "/usr/local/bin/nodejs"))) == []


def test_a_go_program_is_measured_by_scanner_and_not_here() -> None:
    assert run({"app/server": program(go_program({}))}) == []


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("opt/v/site-packages/ruff/bin/ruff", ("pypi", "/opt/v/site-packages/ruff.dist-info/METADATA")),
        ("app/node_modules/@esbuild/x/bin/esbuild", ("npm", "/app/node_modules/@esbuild/x/package.json")),
        ("usr/local/bundle/gems/a-1.0/exe/a", ("gem", "/usr/local/bundle/specifications/a-1.0.gemspec")),
    ],
)
def test_a_program_among_packages_of_a_language_that_were_seen(path: str, package: tuple[str, str]) -> None:
    assert run({path: TOOL}, saw(package)) == []
    elsewhere = (package[0], "/elsewhere" + package[1])
    assert run({path: TOOL}, saw(elsewhere)) == [("program", "generic", f"/{path}")]


@pytest.mark.parametrize("path", ["bin/java", "lib/jspawnhelper", "lib/server/bin/a", "jre/bin/java"])
def test_a_program_of_a_java_runtime_that_was_seen(path: str) -> None:
    """Grype knows a runtime by the file `release` in its home; the programs are in folders below."""
    jdk = saw(("generic", "/opt/java/openjdk/release"))
    assert run({f"opt/java/openjdk/{path}": TOOL}, jdk) == []
    assert run({f"opt/other/{path}": TOOL}, jdk) == [("program", "generic", f"/opt/other/{path}")]


@pytest.mark.parametrize("path", ["opt/java/openjdk/tool", "opt/java/openjdk/opt/tool", "opt/java/bin/tool"])
def test_a_program_beside_a_java_runtime(path: str) -> None:
    jdk = saw(("generic", "/opt/java/openjdk/release"))
    assert run({path: TOOL}, jdk) == [("program", "generic", f"/{path}")]


def test_a_go_program_without_build_information_among_packages_is_a_program_of_theirs() -> None:
    """Esbuild is one; its image is that of every front end."""
    go = program(static_program("a tool", embedded=b"all goroutines are asleep - deadlock!"))
    path = "app/node_modules/@esbuild/x/bin/esbuild"
    assert run({path: go}, saw(("npm", "/app/node_modules/@esbuild/x/package.json"))) == []
    assert run({path: go}) == [("program", "golang", f"/{path}")]


def test_what_is_no_program() -> None:
    quiet = {
        "app/data": file(static_program("x")),
        "app/run": program(b"#!/bin/sh\n"),
        "app/a": symbolic_link("data"),
    }
    assert run(quiet) == []


def test_what_the_distribution_owns() -> None:
    root = {**LISTED, "usr/bin/ldd": TOOL, "usr/lib/libc.so.6": TOOL}
    assert run(root) == []
    assert run({**root, "usr/bin/tool": TOOL}) == [("program", "generic", "/usr/bin/tool")]


def test_a_library_that_is_left_of_a_package_which_was_cut_out_of_the_database() -> None:
    for path in ("usr/lib/libssl.so.3", "usr/lib/x86_64-linux-gnu/libssl.so.3", "lib/libssl.so.3"):
        assert run({**LISTED, path: file(static_program("ssl"))}) == [("library", "generic", f"/{path}")]


@pytest.mark.parametrize(
    "path", ["usr/local/lib/libx.so", "app/libx.so.1.2", "opt/x/libx.so", "usr/lib/jvm/jre/lib/libjvm.so"]
)
def test_a_library_that_an_application_brings(path: str) -> None:
    assert run({**LISTED, path: TOOL}) == []


def test_where_lists_are_missing_the_folder_decides() -> None:
    root = {**debian.release_files(), **debian.status_file((LIBC,))}
    assert run({**root, "usr/bin/tool": TOOL, "usr/lib/a.so": TOOL}) == []
    assert run({**root, "usr/local/bin/tool": TOOL}) == [("program", "generic", "/usr/local/bin/tool")]


def test_a_library_without_any_distribution() -> None:
    assert run({"usr/lib/a.so": TOOL}) == []


LOCKS = {
    "app/package-lock.json": "npm",
    "app/yarn.lock": "npm",
    "app/poetry.lock": "pypi",
    "app/Pipfile.lock": "pypi",
    "app/requirements.txt": "pypi",
    "app/go.mod": "golang",
    "app/Gemfile.lock": "gem",
    "app/composer.lock": "composer",
    "app/Cargo.lock": "cargo",
}


@pytest.mark.parametrize("path", LOCKS)
def test_a_lock_file_of_which_nothing_was_seen(path: str) -> None:
    kind = LOCKS[path]
    root = {path: file("{}")}
    assert run(root, saw(("deb", ""))) == [("lock-file", kind, f"/{path}")]
    assert run(root, saw((kind, "/app/vendor/x/package"))) == []


def test_an_empty_lock_file_lists_nothing() -> None:
    assert run({"app/requirements.txt": file()}, saw(("deb", ""))) == []


def test_packages_of_npm_are_beside_their_lock_file() -> None:
    """The image of Node.js itself has some elsewhere."""
    root = {"app/package-lock.json": file("{}")}
    npm = saw(("npm", "/usr/local/lib/node_modules/npm/package.json"))
    assert run(root, npm) == [("lock-file", "npm", "/app/package-lock.json")]
    assert run(root, npm, saw(("npm", "/app/node_modules/a/package.json"))) == []


def test_packages_of_python_are_anywhere() -> None:
    found = saw(("pypi", "/usr/local/lib/python3.11/site-packages/a.dist-info/METADATA"))
    assert run({"app/requirements.txt": file("a\n")}, found) == []


@pytest.mark.parametrize(
    "path", ["app/node_modules/a/yarn.lock", "usr/share/doc/a/Cargo.lock", "go/pkg/mod/a@v1/go.mod"]
)
def test_a_lock_file_that_a_package_brings(path: str) -> None:
    assert run({path: file()}) == []


NODE = {**node_package("jquery", "3.4.1"), **node_package("broken", "1.0")}


def test_a_package_whose_metadata_nobody_could_read() -> None:
    found = saw(("npm", "/app/node_modules/jquery/package.json"))
    assert run(NODE, found) == [("package", "npm", "/app/node_modules/broken/package.json")]


def test_a_type_of_which_nothing_was_seen_is_said_by_scanner_and_not_here() -> None:
    assert run(NODE, saw(("deb", ""))) == []


def test_what_one_of_several_scanners_saw_was_seen() -> None:
    names = [f"/app/node_modules/{name}/package.json" for name in ("jquery", "broken")]
    assert run(NODE, *(saw(("npm", name)) for name in names)) == []


def test_jars_without_coordinates_and_within_others() -> None:
    root = {**java_library("g", "a", "1.0"), "app/lib/b.war": file("PK")}
    inner = saw(("maven", "/app/lib/a-1.0.jar"), ("maven", "/app/lib/b.war/WEB-INF/lib/c.jar"))
    assert run(root, inner) == []
    assert run(root, saw(("maven", "/app/lib/a-1.0.jar"))) == [("package", "maven", "/app/lib/b.war")]


def test_metadata_that_a_package_of_the_distribution_owns() -> None:
    """Scanners report only the package of the distribution, and know its advisories."""
    metadata = python_distribution("six", "1.16")
    (path,) = (path for path in metadata if path.endswith("METADATA"))
    root = {**LISTED, **metadata}
    found = saw(("pypi", "/opt/a.dist-info/METADATA"))
    assert run(root, found) == [("package", "pypi", f"/{path}")]
    owned = {"var/lib/dpkg/info/libc6:amd64.list": file(f"/{path}\n")}
    assert run({**root, **owned}, found) == []


def test_caches_of_tools_among_installed_packages_are_no_packages() -> None:
    root = {"app/node_modules/.cache/package.json": file("{}")}
    assert run(root, saw(("npm", "/app/node_modules/a/package.json"))) == []
