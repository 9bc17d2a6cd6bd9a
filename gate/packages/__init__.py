"""Our own inventory: which packages an image's package databases say are installed.

One module per database format; bytes in, values out. It is what tells "clean" from "not looked at": a scanner that
reports no packages where this inventory has eighty did not see the image. So a database is read whole or refused with
`MalformedImage`; there is no "as far as it could be read", and an entry is only left out where the package manager
itself says that nothing is installed (`inactive`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import chain
from operator import itemgetter

from msgspec import Struct

from gate.errors import MalformedImage

LINE_LIMIT = 128 * 1024
"""Bytes of one line of a text database: the longest honest ones (`Provides`, `p:`) stay below 20 KiB, and scanners drop
what follows a line of 64 KiB or more without a word."""
LINES_LIMIT = 4_000_000
"""Lines of one text database; a package has about 20 in dpkg's, and four per file in apk's."""
PACKAGE_LIMIT = 100_000
"""Packages of one database: the whole of Debian is about 65,000."""

_WORD = re.compile(rb"[!-~]{1,256}")
_WITHOUT_NEWLINE = itemgetter(slice(-1))
_HINT = "no package manager writes this: the image was edited or damaged; rebuild it from a trusted base"


class Package(Struct, frozen=True):
    """One installed package.

    `type` is the purl type (`deb`, `apk`, `rpm`, …). `version` is the full one: with the epoch in front where it is not
    zero, and with the release (`1:2.36-9+deb12u4`). `source_name` and `source_version` name what it was built from; they
    are the package's own where the database states none, and an rpm's source version carries no epoch. `build_time` and
    `install_time` are seconds since 1970, None where the database has none.
    """

    type: str
    name: str
    version: str
    architecture: str = ""
    source_name: str = ""
    source_version: str = ""
    build_time: int | None = None
    install_time: int | None = None

    def purl(self, distribution: str, release: str = "") -> str:
        """Return the package URL; `distribution` and `release` are `ID` and `VERSION_ID` of os-release."""
        from packageurl import PackageURL  # here, because importing it costs as much as reading the databases

        epoch, version = "", self.version
        if self.type == "rpm" and ":" in version:
            epoch, _, version = version.partition(":")
        distro = f"{distribution}-{release}" if distribution and release else distribution
        qualifiers = {"arch": self.architecture, "distro": distro, "epoch": epoch}
        return PackageURL(self.type, distribution or None, self.name, version, qualifiers).to_string()


class Entries(Struct, frozen=True):
    """What one database file holds.

    `inactive` are entries that stand for no installed software: removed packages whose configuration remains (dpkg) and
    imported signing keys (rpm). Their `version` may be empty.
    """

    packages: tuple[Package, ...]
    inactive: tuple[Package, ...] = ()


class PackageDatabase(Struct, frozen=True):
    """One database file of an image: its format (`dpkg-status`, `rpm-sqlite`, …), its path, and what it holds.

    `path` is relative to the image's root, without a leading slash.
    """

    format: str
    package_type: str
    path: str
    packages: tuple[Package, ...]
    inactive: tuple[Package, ...] = ()


class DatabaseFile(Struct, frozen=True):
    """The bytes of one database file; `beside` holds those next to it that belong to it, by suffix (`-wal`)."""

    path: str
    content: bytes
    beside: Mapping[str, bytes] = {}

    def malformed(self, what: str) -> MalformedImage:
        """Return the error that says what is wrong with this file; the caller raises it."""
        return MalformedImage(f"the package database /{self.path} cannot be read: {what}", hint=_HINT)

    def word(self, value: bytes, what: str) -> str:
        """Return a name, version or architecture as text: printable ASCII without spaces, at most 256 bytes."""
        if _WORD.fullmatch(value) is None:
            raise self.malformed(f"{what} {value[:40]!a} is not a plain word")
        return value.decode("ascii")

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of a text database with their numbers, and an empty one after the last.

        Refused are NUL and Ctrl-Z, where some readers stop and others go on, a last line without its newline, which is
        what a truncated file ends in, and what passes `LINE_LIMIT` or `LINES_LIMIT`.
        """
        content = self.content
        if b"\0" in content or b"\x1a" in content:
            raise self.malformed("it contains NUL or Ctrl-Z bytes")
        if content and not content.endswith(b"\n"):
            raise self.malformed("its last line is cut off (there is no newline at its end)")
        if content.count(b"\n") > LINES_LIMIT:
            raise self.malformed(f"it has more than {LINES_LIMIT:,} lines")
        if max(map(len, BytesIO(content)), default=0) > LINE_LIMIT:
            raise self.malformed(f"a line is longer than {LINE_LIMIT:,} bytes")
        # Not split(): a list of millions of short lines takes many times the file's size.
        return enumerate(chain(map(_WITHOUT_NEWLINE, BytesIO(content)), (b"",)), 1)

    def bounded(self, packages: list[Package]) -> None:
        """Refuse more packages than any distribution has."""
        if len(packages) > PACKAGE_LIMIT:
            raise self.malformed(f"it lists more than {PACKAGE_LIMIT:,} packages")


class DatabaseFormat(Struct, frozen=True):
    """A database format: where its files are, and what reads one of them.

    `paths` are exact; below `directories` (each ends with a slash) those files are read whose remaining path matches
    `member`. `beside` are the suffixes of files that belong to a database file. `reader` is the function, after its
    module in this package (`apk.parse`): most images have databases of one format, and importing all takes 2 ms.
    """

    name: str
    package_type: str
    reader: str
    paths: frozenset[str] = frozenset()
    directories: tuple[str, ...] = ()
    member: re.Pattern[str] = re.compile(r"[^/]+")
    beside: tuple[str, ...] = ()

    def parse(self, file: DatabaseFile) -> Entries:
        """Read one database file; raises `MalformedImage`."""
        module, _, function = self.reader.partition(".")
        entries = getattr(importlib.import_module(f"{__name__}.{module}"), function)(file)
        assert isinstance(entries, Entries)
        return entries

    def reads(self, path: str) -> bool:
        """Say whether `path` (without a leading slash) is a database file of this format."""
        if path in self.paths:
            return True
        directory = next((prefix for prefix in self.directories if path.startswith(prefix)), None)
        return directory is not None and self.member.fullmatch(path, len(directory)) is not None
