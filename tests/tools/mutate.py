"""Change the code that decides, one small change at a time, and see whether a test notices.

    mutate.py [MODULE…]    all modules of `TESTS` unless some are named

cosmic-ray makes the changes (https://cosmic-ray.readthedocs.io), in a copy of the tree. A change that no test notices
survives; each survivor stands in tests/mutants.md with the reason why that is right. Survivors without such a line are
printed as lines to fill in, and the exit code is 1. Takes about a second for each change.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
REASONS = ROOT / "tests" / "mutants.md"

TESTS = {
    "gate/evaluate.py": ["tests/test_evaluate.py", "tests/test_fail_closed.py"],
    "gate/limits.py": ["tests/test_limits.py", "tests/oci"],
    "gate/oci/tar_header.py": ["tests/oci/test_tar_header.py", "tests/oci/test_tarball.py"],
    "gate/oci/tarball.py": ["tests/oci/test_tarball.py"],
    "gate/rules/_deciding.py": ["tests/rules/test_deciding.py"],
    "gate/rules/_tolerating.py": ["tests/rules/test_tolerating.py"],
    "gate/vex/matching.py": ["tests/vex/test_matching.py"],
}
"""What is changed, and the tests that have to notice."""

ONE_OF_ITS_KIND = [
    r"core/ReplaceBinaryOperator_(Add_(?!Sub)|Sub_(?!Add)|Mul_(?!Add)|Div_(?!Mul)|FloorDiv_(?!Mul)|Mod_(?!Mul)).*",
    r"core/ReplaceBinaryOperator_(LShift_(?!RShift)|RShift_(?!LShift)|BitOr_(?!BitAnd)|BitAnd_(?!BitOr)|BitXor_(?!BitAnd)).*",
    r"core/ReplaceBinaryOperator_Pow_(?!Mul).*",
]
"""Changes left out: an operator is replaced by one other, not by each of eleven. Comparisons get every replacement."""

CONFIGURATION = """
[cosmic-ray]
module-path = "{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -xq -p no:cacheprovider -m 'not real' --hypothesis-profile=mutation {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = {left_out}
"""


def tool(program: str, folder: Path, *arguments: str) -> str:
    """Run one of cosmic-ray's programs in the copy; its output. A failure ends the run."""
    command = [str(Path(sys.prefix) / "bin" / program), *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def copy_of_the_tree() -> Path:
    """Copy what tests need, for changing it must not touch the sources that someone edits meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="image-gate-mutants-"))
    for name in ("gate", "samples", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def survivors(folder: Path, module: str) -> Iterator[str]:
    """Run every change of a module; yield the survivors as `module: - old line + new line`."""
    tests = " ".join(name for name in TESTS[module] if (ROOT / name).exists())
    settings = {
        "module": module,
        "python": sys.executable,
        "tests": tests,
        "left_out": json.dumps(ONE_OF_ITS_KIND),
    }
    (folder / "mutants.toml").write_text(CONFIGURATION.format(**settings))
    (folder / "mutants.sqlite").unlink(missing_ok=True)
    tool("cosmic-ray", folder, "baseline", "mutants.toml")
    tool("cosmic-ray", folder, "init", "mutants.toml", "mutants.sqlite")
    tool("cr-filter-operators", folder, "mutants.sqlite", "mutants.toml")
    tool("cosmic-ray", folder, "exec", "mutants.toml", "mutants.sqlite")
    done = [json.loads(line) for line in tool("cosmic-ray", folder, "dump", "mutants.sqlite").splitlines()]
    results = [result for _, result in done if result and result["worker_outcome"] != "skipped"]
    alive = [result for result in results if result["test_outcome"] == "survived"]
    print(f"{module}: {len(results)} changes, {len(alive)} survived", flush=True)
    yield from sorted({f"{module}: {changed_lines(result)}" for result in alive})


def changed_lines(result: dict[str, Any]) -> str:
    """Return the lines a change removed and added, without empty ones; line numbers would not outlive the next edit."""
    lines = result["diff"].splitlines()
    return " ".join(
        f"{line[0]} {line[1:].strip()}"
        for line in lines
        if line[:1] in "+-" and line[:3] not in ("+++", "---") and line[1:].strip()
    )


def main(modules: list[str]) -> int:
    """Run the changes of each module, and return 1 if a survivor has no reason."""
    reasons = REASONS.read_text() if REASONS.exists() else ""
    folder = copy_of_the_tree()
    try:
        found = [mutant for module in modules for mutant in survivors(folder, module)]
    finally:
        shutil.rmtree(folder)
    unexplained = [mutant for mutant in found if f"`{mutant}`" not in reasons]
    for mutant in unexplained:
        print(f"- `{mutant}` — REASON")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(TESTS)))
