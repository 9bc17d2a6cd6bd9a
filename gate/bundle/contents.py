"""What goes into a bundle: each part with its files, looked at before it is packed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from gate.bundle import Part, is_file_name
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.policy.policy import Policy
from gate.scanners import Approval, ScannerSettings
from gate.scanners.approval import Standing, judge
from gate.scanners.databases import Kind
from gate.scanners.program import Requirement, located

TRUST_ROOT = "sigstore"
"""The one part of trust roots: files that policies can name under `trusted-roots`, such as trusted_root.json."""


class Content(Struct, frozen=True):
    """A part and its files, by their names in it."""

    part: Part
    files: Mapping[str, Path]


def database(kind: Kind, settings: ScannerSettings) -> Content:
    """Look into a database or feed; raises `Unavailable` for one that is no good: it would not be there either."""
    place = kind.place(settings)
    found = kind.look(place)
    files = {name: place / kind.folder / name for name in kind.files}
    return Content(Part("database", kind.name, found.built, found.digest), files)


def scanner(requirement: Requirement, path: str | None, approval: Approval) -> Content:
    """Take an approved program, the one on `PATH` without a path; raises `Unavailable` for any other."""
    program = located(requirement, path)
    found = judge(requirement, program, approval)
    if found.standing is not Standing.APPROVED:
        raise Unavailable(
            f"{program.path} is not approved, so it does not go into a bundle: {found.text}",
            hint=f"if you know where it comes from, approve it in the policy: scanners: {{programs: ['{program.digest}']}}",
        )
    part = Part("scanner", requirement.name, None, program.digest)
    return Content(part, {requirement.name: Path(program.path)})


def policy(path: str, loaded: Policy) -> Content:
    """Take a policy file with the files that it names; raises `InvalidInput` where one lies outside its folder."""
    name, folder = os.path.basename(path), os.path.dirname(path)
    names = (name, *loaded.named_files)
    for one in names:
        if not is_relative(one):
            raise InvalidInput(
                f"the policy names {one[:100]!r}, which a bundle cannot carry",
                hint="it must lie in the policy's folder or below; names have letters, digits, dots, - and _",
            )
    part = Part("policy", name, None, loaded.digest)
    return Content(part, {one: Path(folder, one) for one in names})


def trust_roots(paths: Sequence[Path]) -> Content:
    """Take the files of trust roots; raises `InvalidInput` where two have one name, or one is no root or cannot be carried."""
    names = [path.name for path in paths]
    for name in names:
        if not is_file_name(name) or names.count(name) > 1:
            raise InvalidInput(
                f"a trust root is called {name[:100]!r}", hint="give each a plain name of its own"
            )
    for path in paths:
        check_root(path, str(path))
    return Content(Part("trust-root", TRUST_ROOT), dict(zip(names, paths, strict=True)))


def check_root(path: Path, shown: str) -> None:
    """Refuse a file that is no trust root as a whole, with `InvalidInput`: signatures could not be verified with it."""
    from gate.signatures import trust  # here, because few bundles carry any

    try:
        with path.open("rb") as file:
            data = file.read(LIMITS.document + 1)
    except OSError as error:
        raise InvalidInput(f"the trust root {shown} cannot be read: {error.strerror}") from None
    trust.from_bytes(data, shown)


def is_relative(name: str) -> bool:
    """Whether a file of a part may have this name: plain names, with slashes between them."""
    return len(name) <= 255 and all(is_file_name(step) for step in name.split("/"))
