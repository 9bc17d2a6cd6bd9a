"""What a scanner's report rests on beside the image, told without reading a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from gate.scanners import Basis, ScanTarget
from gate.scanners.process import Command, Sandbox
from gate.scanners.program import FileIdentity, Program

NOWHERE = ScanTarget(Path("/image"), "", "")
"""Stands for any image in a command line."""
NO_PLACE = Sandbox(Path("/run"))
"""Stands for the folders of any run."""
_PATIENCE = 0.06
"""Seconds: longer than a file that was just written needs until another change of it would show."""


def basis_of(program: Program, command: Command, databases: Iterable[Path]) -> Basis:
    """Return what the report of a command with `NOWHERE` and `NO_PLACE` rests on, given the files of its databases."""
    environment = (f"{name}={value}" for name, value in sorted(command.environment.items()))
    files = (_identity(path) for path in (Path(program.path), *databases))
    return Basis(program.digest, (*command.argv, *environment), tuple(files))


def settled(basis: Callable[[], Basis]) -> tuple[Basis, bool]:
    """Return the present basis, and whether any change of it will show, after a moment's patience for new files.

    It may not on file systems that keep times coarsely; what rests on it holds for this run alone.
    """
    found = basis()
    if not _is_settled(found):
        time.sleep(_PATIENCE)
        found = basis()
    return found, _is_settled(found)


def _is_settled(basis: Basis) -> bool:
    """Whether every change of a file will show."""
    return all(file is None or file.is_settled for file in basis.files)


def _identity(path: Path) -> FileIdentity | None:
    """Return a file's identity, None where there is none."""
    with suppress(OSError):
        return FileIdentity.of(path)
    return None
