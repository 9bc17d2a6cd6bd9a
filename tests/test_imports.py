"""Imports go one way: the table of docs/architecture.md, held to; and starting the program imports nothing heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samples.images import catalogue, layout

ROOT = Path(__file__).parent.parent

ROWS: tuple[tuple[frozenset[str], ...], ...] = tuple(
    tuple(frozenset(stage.split()) for stage in row.split(", then "))
    for row in (
        "errors, then deadline identifiers limits options parallel plugins printable",
        "oci, then packages",
        "evidence, then rule, then vex, then verdict, then remedies",
        "rules reporters",
        "policy, then evaluate",
        "cache registry, then sources, then signatures, then scanners",
        "against attested_vex bundle configuration dockerfile exploitation reuse, then doctor facts inspection lookups origins platforms sourcing starting vouching, then collect, then gathering, then pipeline",
        "ci, then cli",
        "__init__ __main__",
    )
)
"""Top to bottom: a module sees the rows above it, what stands before "then" in its own row, and its own package."""

CONTACT = ROWS[5]
JUDGEMENT = ROWS[3] + ROWS[4]
"""What touches the world (row 6) never sees what judges (rows 4 and 5)."""

HEAVY = frozenset(
    ["docker", "pydantic", "requests", "rich", "ruamel", "sigstore", "sqlite3", "univers", "urllib3"]
)
"""Each costs 50 ms to 2 s, more than all of `image-gate --version`."""

MODULES = sorted((ROOT / "gate").rglob("*.py"))


def unit_of(path: Path) -> str:
    """Return the row's word for a file: the package directly under gate/, or the module there."""
    return path.relative_to(ROOT / "gate").parts[0].removesuffix(".py")


def visible_from(unit: str) -> frozenset[str]:
    """Return what a unit may import; raise KeyError for one that stands in no row."""
    above: set[str] = set()
    for row in ROWS:
        for stage in row:
            if unit in stage:
                forbidden = frozenset().union(*JUDGEMENT) if row == CONTACT else frozenset()
                return frozenset(above - forbidden | {unit})
            above |= stage
    raise KeyError(unit)


def imported_units(source: str, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the units that a module of `package` imports anywhere, functions included; names of `gate` itself in quotes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*parent, *([node.module] if node.module else [])))
            names = [f"gate.{alias.name}" for alias in node.names] if base == "gate" else [base]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("gate."))


def violations(unit: str, source: str, package: tuple[str, ...] = ("gate",)) -> list[str]:
    """Return the units that `source` imports and must not; the version is a constant that all may state."""
    allowed = visible_from(unit) | {"__version__"}
    return sorted(set(imported_units(source, package)) - allowed)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parent.parts
    assert violations(unit_of(path), path.read_text(), package) == []


@pytest.mark.parametrize(
    ("unit", "source", "expected"),
    [
        ("oci", "from gate.errors import InvalidInput\nfrom gate.oci.image import Image", []),
        ("oci", "import gate.packages.dpkg", ["packages"]),
        ("packages", "from gate import oci, __version__", []),
        ("rules", "def check():\n    from gate.reporters import text", ["reporters"]),
        ("scanners", "from gate.evaluate import evaluate\nfrom gate import cache", ["evaluate"]),
        ("signatures", "from gate.scanners import install", ["scanners"]),
        ("pipeline", "from gate.collect import collect\nfrom gate import evaluate", []),
        ("collect", "from gate import pipeline, forgotten", ["forgotten", "pipeline"]),
    ],
)
def test_the_check_itself(unit: str, source: str, expected: list[str]) -> None:
    assert violations(unit, source) == expected


def test_relative_imports_are_seen() -> None:
    assert violations("oci", "from ..rules import no_shell\nfrom . import image", ("gate", "oci")) == [
        "rules"
    ]


def test_a_module_outside_the_table_is_refused() -> None:
    with pytest.raises(KeyError):
        visible_from("utils")


def modules_after(*arguments: str) -> frozenset[str]:
    """Run the program in a process of its own and return the modules that it has imported in the end."""
    code = (
        f"import sys; sys.argv = ['image-gate', *{arguments!r}]\n"
        "from gate.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "sys.stderr.write(' '.join(['modules:', *sys.modules]))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return frozenset(done.stderr.rpartition("modules:")[2].split())


def test_starting_the_program_imports_nothing_heavy() -> None:
    found = modules_after("--version")
    assert HEAVY.isdisjoint(name.partition(".")[0] for name in found), sorted(found)
    assert {name for name in found if name.startswith("gate.")} == {
        *("gate.cli", "gate.cli.commands", "gate.cli.exits", "gate.errors", "gate.printable")
    }


@pytest.fixture(scope="module")
def tiny_check(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What a check without scanners imports, of a layout under a policy file of three rules."""
    folder = tmp_path_factory.mktemp("tiny")
    image = catalogue.good(datetime.now(UTC))
    layout.write_directory(layout.oci_layout({"registry.example.com/tiny:1": image}), folder / "image")
    (folder / "policy.yaml").write_text("schema: 1\nrules: {non-root: {}, no-setuid: {}, max-age: {}}\n")
    policy = str(folder / "policy.yaml")
    return modules_after("check", f"oci:{folder / 'image'}", "--policy", policy, "--format", "json")


NEEDED = {
    "gate.cache": "",
    "gate.cli": "check commands exits options output progress sources",
    "gate.packages": "dpkg formats identity inventory os_release",
    "gate.registry": "",
    "gate.reporters": "_document json",
    "gate.rules": "_programs _users max_age no_setuid non_root",
    "gate.sources": "file layout locate open resolve",
}
"""What a tiny check needs of the packages with many modules, of which a run uses few."""


@pytest.mark.parametrize("package", NEEDED)
def test_a_check_imports_only_what_it_uses(tiny_check: frozenset[str], package: str) -> None:
    found = {name.removeprefix(f"{package}.") for name in tiny_check if name.startswith(f"{package}.")}
    assert found == set(NEEDED[package].split())


NOT_NEEDED = frozenset(
    {
        *("gate.scanners", "gate.signatures"),
        *("gate.oci.config_credentials", "gate.oci.credentials", "gate.oci.marks"),
        *("gate.policy.exceptions", "gate.policy.render"),
        *("ahocorasick_rs", "backports.zstd", "compression", "packageurl", "packaging", "platformdirs"),
        *("concurrent.futures", "dataclasses", "difflib", "ipaddress", "logging", "pathlib", "pkgutil"),
        *("shutil", "socket", "ssl", "subprocess", "tempfile", "traceback", "urllib.parse"),
    }
)
"""What must stay out of it: each takes from half a millisecond (`pkgutil`) to three (`pathlib`) or far more."""


def test_a_check_imports_nothing_that_few_checks_need(tiny_check: frozenset[str]) -> None:
    assert sorted(NOT_NEEDED & tiny_check) == []
    assert (HEAVY - {"ruamel"}).isdisjoint(tiny_check)
