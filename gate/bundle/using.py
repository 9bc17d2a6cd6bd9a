"""Install what a bundle carries: all of it verified and looked into first, then each part put in its place in one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from gate.bundle import Part
from gate.bundle.contents import TRUST_ROOT, check_root, is_relative
from gate.bundle.reading import Bundle
from gate.bundle.record import Record, write_record
from gate.deadline import Deadline
from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.policy.policy import Policy
from gate.scanners import ScannerSettings
from gate.scanners.approval import Standing, judge
from gate.scanners.databases import KINDS
from gate.scanners.process import Bounds
from gate.scanners.program import located
from gate.scanners.renewal import PRIVATE, renewing, restore, switch
from gate.scanners.requirements import REQUIREMENTS
from gate.scanners.transfer import check_imported

"""The scanners that a bundle can carry, by name."""
_PROGRAMS = "bin"
"""The folder for programs, where `scanners install` puts them too."""


_ROOTS = "trust-root"


class Use(Struct, frozen=True):
    """How a bundle is used: where things belong, which programs may run, and whether older databases may come in."""

    settings: ScannerSettings
    folder: Path
    older: bool = False


class _Target(Struct, frozen=True):
    """Where a part belongs: below `place`, which is locked, at `folder`; how large its files may be, and how it is checked."""

    place: Path
    folder: str
    limits: Callable[[str], int]
    check: Callable[[Path], None]
    install: Callable[[Path, Path], None] = switch


def use(bundle: Bundle, told: Use, deadline: Deadline) -> tuple[Path, ...]:
    """Install every part and return where it is, in the order of the bundle's layers.

    Raises `Unavailable`, or one of its kinds, for anything that is no good; then nothing has changed.
    """
    targets = [(layer, _target(layer.part, told)) for layer in bundle.layers]
    bounds = Bounds(deadline.at, told.settings.cancelled)
    try:
        with ExitStack() as stack:
            private: dict[Path, Path] = {}
            for place in sorted({target.place for _, target in targets}):
                stack.enter_context(renewing(place, bounds))
                for target in (target for _, target in targets if target.place == place):
                    restore(place / target.folder)
                private[place] = Path(stack.enter_context(TemporaryDirectory(prefix=PRIVATE, dir=place)))
            for layer, target in targets:
                new = private[target.place] / target.folder
                if not bundle.unpack(layer, target.limits, new):
                    raise MalformedImage(f"the part {layer.part.title} is empty")
                target.check(private[target.place])
            for _, target in targets:
                target.install(private[target.place] / target.folder, target.place / target.folder)
            told.folder.mkdir(parents=True, exist_ok=True)
            parts = {layer.part.title: layer.part.identity for layer in bundle.layers}
            write_record(told.folder, Record(bundle.digest, datetime.now(UTC), parts))
    except OSError as error:
        raise Unavailable(
            f"the bundle cannot be installed: {error.strerror or error}", hint="choose another folder"
        ) from None
    return tuple(
        target.place / target.folder / (layer.part.name if layer.part.kind in ("scanner", "policy") else "")
        for layer, target in targets
    )


def _target(part: Part, told: Use) -> _Target:
    """Return where a part belongs; raises `MalformedImage` for one that this version does not know."""
    if part.kind == "database" and part.name in KINDS:
        return _database(part, told)
    if part.kind == "scanner" and part.name in REQUIREMENTS:
        return _scanner(part, told)
    if part.kind == "policy":
        return _Target(
            told.folder, "policy", _any_file, lambda private: _check_policy(private / "policy" / part.name)
        )
    if part.kind == "trust-root" and part.name == TRUST_ROOT:
        return _Target(told.folder, _ROOTS, _any_file, _check_roots)
    raise MalformedImage(
        f"the bundle has a part {part.title}, which is not known here",
        hint="a newer image-gate may have written it",
    )


def _database(part: Part, told: Use) -> _Target:
    """Where a database or feed belongs."""
    kind = KINDS[part.name]
    place = kind.place(told.settings)

    def check(private: Path) -> None:
        found = check_imported(kind, private, place, older=told.older)
        if found.digest != part.identity:
            raise IntegrityError(
                f"the database {part.name} in the bundle is {found.digest}, not {part.identity}"
            )

    return _Target(place, kind.folder, lambda name: LIMITS.database if name in kind.files else 0, check)


def _scanner(part: Part, told: Use) -> _Target:
    """Where a program belongs, which must be approved here as well: a bundle cannot approve what it brings."""
    requirement = REQUIREMENTS[part.name]

    def check(private: Path) -> None:
        path = private / _PROGRAMS / part.name
        os.chmod(path, 0o755)  # noqa: S103 -- a program is for everyone to start
        program = located(requirement, str(path))
        found = judge(requirement, program, told.settings.approval)
        if found.standing is not Standing.APPROVED or program.digest != part.identity:
            raise Unavailable(
                f"the bundle brings a {part.name} that is not approved here: {found.text}",
                hint=f"approve it in the policy that --policy names: scanners: {{programs: ['{program.digest}']}}",
            )

    def install(new: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        os.replace(new / part.name, target / part.name)

    return _Target(
        told.folder,
        _PROGRAMS,
        lambda name: LIMITS.scanner_program if name == part.name else 0,
        check,
        install,
    )


def _check_roots(private: Path) -> None:
    """Read the trust roots that were unpacked; raises `InvalidInput` for a file that is none."""
    for path in sorted(path for path in (private / _ROOTS).rglob("*") if path.is_file()):
        check_root(path, f"{path.name[:100]!r} in the bundle")


def _any_file(name: str) -> int:
    """How large a file of a policy or trust root may be: what is read of it elsewhere."""
    return LIMITS.baseline if is_relative(name) else 0


def _check_policy(path: Path) -> None:
    """Load a policy that was unpacked; raises `InvalidInput` for one that this version cannot read."""
    if not path.is_file():
        raise MalformedImage(f"the policy part holds no {path.name}")
    Policy.load(str(path))
