"""The image is built on a base that the policy accepts, and is as small as that base promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.oci.filesystem import Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.packages.inventory import Inventory
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._bases import Base, Family, recognise
from gate.rules._programs import refuse_windows
from gate.rules._size import Size, in_bytes, printable_size

MINIMAL: tuple[Family, ...] = (
    "scratch", "distroless", "wolfi", "chainguard", "alpine", "busybox", "ubuntu-chiselled", "ubi-micro", "ubi-minimal", "nix",
)  # fmt: skip
"""Bases that are made to be small. Whether one has a shell or a package manager is a matter of those rules."""


class MinimalBaseOptions(Options):
    """Options of `minimal-base`."""

    families: Annotated[tuple[Family, ...], describe("Bases that are accepted.", min_length=1)] = MINIMAL
    max_packages: (
        Annotated[int, describe("Most packages that the package databases may list.", ge=0, le=100_000)]
        | None
    ) = None
    max_executables: (
        Annotated[
            int, describe("Most files with an execute bit; links to them do not count.", ge=0, le=1_000_000)
        ]
        | None
    ) = None
    max_size: Annotated[Size | None, describe("Largest unpacked size, such as `200 MB`.")] = None


def check(
    filesystem: Filesystem, inventory: Inventory, config: ImageConfig, options: MinimalBaseOptions
) -> Iterator[Finding | Remark]:
    """Yield a finding for a base that is not accepted, and for each number that is passed."""
    refuse_windows(config)
    base = recognise(filesystem, inventory, config)
    if base.family in options.families:
        yield Remark(f"base {base}: {base.evidence}")
    else:
        yield _not_accepted(base, options)
    if options.max_packages is not None:
        count = len(inventory.complete().packages)
        if count > options.max_packages:
            yield _too_many("packages", count, options.max_packages)
    if options.max_executables is not None:
        count = sum(1 for _ in filesystem.executables())
        if count > options.max_executables:
            yield _too_many("executable files", count, options.max_executables)
    if options.max_size is not None and filesystem.total_size > in_bytes(options.max_size):
        size = filesystem.total_size
        yield Finding(
            f"unpacked {printable_size(size)}, allowed {options.max_size}",
            id="size",
            details={"bytes": size, "limit": in_bytes(options.max_size)},
        )


def _not_accepted(base: Base, options: MinimalBaseOptions) -> Finding:
    """Say which base it is, how that was told, and what would be accepted."""
    name = "a base that is not recognised" if base.family == "unknown" else f"base {base}"
    return Finding(
        f"{name}: {base.evidence}",
        id=base.family,
        remediation=f"Accepted are {', '.join(options.families)}.",
        details={"family": base.family, "release": base.release, "accepted": list(options.families)},
    )


def _too_many(what: str, count: int, limit: int) -> Finding:
    """Report a number that is passed."""
    return Finding(
        f"{count:,} {what}, allowed {limit:,}",
        id=what.replace(" ", "-"),
        details={"count": count, "limit": limit},
    )


RULE = Rule(
    id="minimal-base",
    title="The image is built on a minimal base",
    rationale=(
        "What is not in an image cannot be exploited, needs no update and raises no alarm. A full distribution brings"
        " hundreds of packages that a service never calls."
    ),
    remediation=(
        "Copy the program into a minimal base: scratch or distroless/static for static programs, distroless, Wolfi or"
        " UBI micro for others, Alpine where musl fits."
    ),
    severity=Severity.MEDIUM,
    check=check,
)
