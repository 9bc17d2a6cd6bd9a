"""The program behind a scanner: where it is, which bytes it has, and whether its version may be used.

Bad releases have been published under good names: Trivy 0.69.4 to 0.69.6 carried code that steals credentials
(aquasecurity/trivy-action#541). So a version that the binary states in its bytes is judged before it is ever started,
and the one that it reports is judged again.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.limits import LIMITS

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+.].*)?", re.ASCII)
_LONGEST_MARK = 256
_SECOND = 1_000_000_000
_TICK = _SECOND // 20
"""Nanoseconds: two changes of a file that are further apart than this have different times; kernels count in 1 to 10 ms."""
_COARSE_TICK = 2 * _SECOND
"""The same for file systems that keep whole seconds, some of them every second one."""


class Requirement(Struct, frozen=True):
    """What a scanner must be: the oldest version that image-gate was tried with, and versions that are never used.

    `mark` are the bytes in front of the version in the binary (the linker's `-X` option, which Go keeps in the build
    information), or empty. `install` says how to get the program. `refused` gives the reason by version.
    """

    name: str
    minimum: tuple[int, int, int]
    install: str
    mark: bytes = b""
    refused: Mapping[tuple[int, int, int], str] = {}


class Program(Struct, frozen=True):
    """A program as it was found: its absolute path and the sha256 of its bytes.

    `stated` is the version in its bytes, empty where it has no mark. `approval` says who approved these bytes, empty
    where nobody did. `copy` is a private copy that is started in its place, empty where it is started where it lies.
    `identity` is that of the file whose bytes were hashed.
    """

    path: str
    digest: str
    stated: str = ""
    approval: str = ""
    copy: str = ""
    identity: FileIdentity | None = None

    @property
    def start(self) -> str:
        """The path to start it by."""
        return self.copy or self.path


class FileIdentity(Struct, frozen=True):
    """What changes when a file is replaced or written to.

    Its writer can set the time of modification back, but not the time at which its state `changed`.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path | str | int) -> FileIdentity:
        """Read that of a path or open file; raises `OSError`."""
        status = os.stat(path)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def is_settled(self) -> bool:
        """Whether any change from now on will show; right after a change, another one can have the same time."""
        tick = _TICK if self.changed % _SECOND else _COARSE_TICK
        return time.time_ns() - self.changed > tick


class _File(Struct, frozen=True):
    """A file, and what was looked for in it."""

    path: str
    identity: FileIdentity
    mark: bytes


class _Content(Struct, frozen=True):
    """The digest of a file, and the text behind the mark."""

    digest: str
    stated: str


def find(requirement: Requirement, given: str | None, memory: ScanStore | None = None) -> Program:
    """Find the program at `given`, or by name on `PATH`, and refuse what must not be started; raises `Unavailable`.

    `memory` spares reading a program that did not change since it was read.
    """
    program = located(requirement, given, memory)
    if program.stated:
        check_version(requirement, program.stated)
    return program


def located(requirement: Requirement, given: str | None, memory: ScanStore | None = None) -> Program:
    """Find the program as `find` does, whatever version it states."""
    name = requirement.name
    path = given or shutil.which(name, path=_absolute_search_path())
    if path is None:
        raise Unavailable(
            f"{name} is not installed", hint=f"{requirement.install}, or name it with --{name} PATH"
        )
    path = os.path.abspath(path)
    try:
        identity = FileIdentity.of(path)
        digest, stated = _content(path, identity, requirement.mark, memory)
    except OSError as error:
        raise Unavailable(
            f"{name} at {path} cannot be read: {error.strerror}", hint=requirement.install
        ) from None
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise Unavailable(f"{path} is not a program that you may execute", hint=requirement.install)
    return Program(path, digest, stated, identity=identity)


def check_version(requirement: Requirement, version: str) -> None:
    """Raise `Unavailable` for a version that is refused, too old, or no version."""
    numbers = number(version)
    if numbers is None:
        raise Unavailable(
            f"{requirement.name} says that its version is {version[:40]!r}, so it is not known what it can do",
            hint=requirement.install,
        )
    if numbers in requirement.refused:
        raise Unavailable(
            f"{requirement.name} {version} is refused: {requirement.refused[numbers]}",
            hint=f"treat this machine's credentials as stolen; then {requirement.install}",
        )
    if numbers < requirement.minimum:
        oldest = ".".join(map(str, requirement.minimum))
        raise Unavailable(f"{requirement.name} {version} is older than {oldest}", hint=requirement.install)


def number(version: str) -> tuple[int, int, int] | None:
    """Return what a version is compared by, None for what is no version."""
    match = _VERSION.fullmatch(version)
    return (int(match[1][:9]), int(match[2][:9]), int(match[3][:9])) if match else None


def sha256_of(path: Path | str, identity: FileIdentity, memory: ScanStore | None = None) -> str:
    """Return the digest of a file (`sha256:…`) that has the given identity; raises `OSError`."""
    return _content(str(path), identity, b"", memory)[0]


def _content(path: str, identity: FileIdentity, mark: bytes, memory: ScanStore | None) -> tuple[str, str]:
    """Return what `_read` gives, from memory where the file is the one that was read then."""
    if memory is None:
        return _read(path, identity, mark)
    file = _File(path, identity, mark)
    known = memory.get(file, _Content)
    if known is None:
        settled = identity.is_settled
        known = _Content(*_read(path, identity, mark))
        if settled:
            memory.put(file, known)
    return known.digest, known.stated


@functools.lru_cache(maxsize=16)  # many images are checked in one run, with the same programs and databases
def _read(path: str, identity: FileIdentity, mark: bytes) -> tuple[str, str]:
    """Read a file once: its digest, and the text that follows the first occurrence of `mark`; raises `OSError`."""
    digest, stated, tail = hashlib.sha256(), "", b""
    with open(path, "rb") as file:
        while chunk := file.read(LIMITS.chunk):
            digest.update(chunk)
            if mark and not stated:
                window = tail + chunk
                position = window.find(mark)
                if position >= 0:
                    found = re.match(rb"[0-9A-Za-z.+-]{1,40}", window[position + len(mark) :])
                    stated = found[0].decode() if found else ""
                tail = window[-_LONGEST_MARK:]
        if FileIdentity.of(file.fileno()) != identity:
            raise OSError(errno.EBUSY, "it was changed while it was read")
    return f"sha256:{digest.hexdigest()}", stated


def _absolute_search_path() -> str:
    """Return `PATH` without relative entries: a program that the checked-out tree offers must not become the judge."""
    return os.pathsep.join(
        entry for entry in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(entry)
    )
