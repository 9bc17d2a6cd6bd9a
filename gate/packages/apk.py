"""apk's database of installed packages: blocks of `X:value` lines, each ended by an empty line.

The format has not changed with apk-tools 3, whose new formats are for packages and indexes only. Source: apk-tools,
src/database.c (apk_db_fdb_read) and src/package.c (apk_pkgtmpl_add_info).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gate.packages import DatabaseFile, Entries, Package

_ONCE = frozenset(b"CPVATUSILDpiokmtcrqsfg")
"""Letters that describe the package; the others (F, R, a, M, Z) describe its files and repeat."""
_NAME = re.compile(r"[A-Za-z0-9._+@-]+")
_TIME = re.compile(rb"[0-9]{1,11}")

_Block = dict[int, bytes]


def _package(file: DatabaseFile, block: _Block, number: int) -> Package:
    """Build a package from its block, which ends in line `number`."""
    for letter, what in ((b"P", "name"), (b"V", "version")):
        if not block.get(letter[0]):
            raise file.malformed(f"the package that ends in line {number} has no {what}")
    name = file.word(block[ord("P")], "the package name")
    if _NAME.fullmatch(name) is None:
        raise file.malformed(f"{name!a} is not a package name")
    version = file.word(block[ord("V")], f"the version of {name}")
    architecture, origin = block.get(ord("A"), b""), block.get(ord("o"), b"")
    built = block.get(ord("t"), b"")
    if built and _TIME.fullmatch(built) is None:
        raise file.malformed(f"the build time of {name} is {built[:40]!a}")
    return Package(
        "apk",
        name,
        version,
        file.word(architecture, f"the architecture of {name}") if architecture else "",
        file.word(origin, f"the origin of {name}") if origin else name,
        version,
        build_time=int(built) if built else None,
    )


def parse(file: DatabaseFile) -> Entries:
    """Read apk's `installed` file."""
    packages: list[Package] = []
    versions: dict[str, str] = {}
    block: _Block = {}
    open_block = False
    for number, line in file.lines():
        if not line:
            if open_block:
                package = _package(file, block, number)
                version = versions.setdefault(package.name, package.version)
                if version != package.version:
                    raise file.malformed(
                        f"package {package.name} is listed as {version} and as {package.version}"
                    )
                packages.append(package)
                file.bounded(packages)
            block, open_block = {}, False
            continue
        letter = line[0]
        if line[1:2] != b":" or not 65 <= letter & ~32 <= 90:
            raise file.malformed(f"line {number} is no field: {line[:40]!a}")
        open_block = True
        if letter in _ONCE:
            if letter in block:
                raise file.malformed(f"line {number} gives {chr(letter)!r} a second time")
            block[letter] = line[2:]
    return Entries(tuple(packages))


def listed_files(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each file that a database lists, after the name of its package; without a leading slash.

    `F:` is a folder and `R:` a file in it (src/database.c, apk_db_fdb_write_pkg_files).
    """
    package = folder = b""
    for line in content.split(b"\n"):
        letter, value = line[:2], line[2:]
        if letter == b"P:":
            package = value
        elif letter == b"F:":
            folder = value + b"/" if value else b""
        elif letter == b"R:":
            yield package, folder + value
