"""The list of packages that Azure Linux (Mariner) leaves in its distroless images, which have no rpm database.

One package per line, separated by tabs: name, version-release, install time, build time, vendor, epoch, size, architecture,
epoch as a number, source rpm.
"""

from __future__ import annotations

import re

from gate.packages import DatabaseFile, Entries, Package
from gate.packages.rpm_header import source_of

_COLUMNS = 10
_NUMBER = re.compile(rb"[0-9]{1,11}")


def parse(file: DatabaseFile) -> Entries:
    """Read `container-manifest-2`."""
    packages: list[Package] = []
    for number, line in file.lines():
        if not line:
            continue
        columns = line.split(b"\t")
        if len(columns) != _COLUMNS:
            raise file.malformed(f"line {number} has {len(columns)} columns, not {_COLUMNS}")
        raw_name, raw_version, installed, built, _, _, _, architecture, epoch, source_rpm = columns
        if not all(_NUMBER.fullmatch(value) for value in (installed, built, epoch)):
            raise file.malformed(f"line {number} has a time or an epoch that is no number")
        name, version = file.word(raw_name, "the name"), file.word(raw_version, "the version")
        source_name, source_version = source_of(file.word(source_rpm, "the source"), name, version)
        full = f"{int(epoch)}:{version}" if int(epoch) else version
        packages.append(
            Package(
                "rpm", name, full, file.word(architecture, "the architecture"), source_name, source_version,
                int(built), int(installed),
            )
        )  # fmt: skip
        file.bounded(packages)
    return Entries(tuple(packages))
