"""Which programs are known by their bytes: releases that were seen, and releases that must never be started.

`approved.json` ships with the package. It holds only digests that were really seen, each with where; a platform of which
none was seen is not in it. A version that a program reports is its own claim; what its bytes hash to is not.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import hashlib
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.scanners import Approval, ScannerReport, ScannerSettings
from gate.scanners.program import FileIdentity, Program, Requirement, find, number

TABLE = Path(__file__).with_name("approved.json")
BY_TABLE = "shipped table"
BY_POLICY = "policy"

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm/v7",
}

Sha256 = Annotated[str, Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
Version = Annotated[str, Meta(pattern=r"\A[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}\Z")]
Sources = Annotated[tuple[Annotated[str, Meta(min_length=10)], ...], Meta(min_length=1)]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every entry of the table says; `sources` are where it was seen."""

    scanner: Literal["grype", "trivy"]
    version: Version
    sources: Sources


class Release(_Entry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One release for one platform: the archive at `address`, and the program in it, empty where it was not seen."""

    platform: Annotated[str, Meta(pattern=r"\A(linux|darwin)/[a-z0-9]+(/v[0-9])?\Z")]
    address: Annotated[str, Meta(pattern=r"\Ahttps://[!-~]+\.tar\.gz\Z")]
    archive: Sha256
    program: Annotated[str, Meta(pattern=r"\A(sha256:[0-9a-f]{64})?\Z")] = ""


class Refusal(_Entry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release that is never started, since when that is known, and why."""

    reported: Annotated[str, Meta(pattern=r"\A20[0-9]{2}-[01][0-9]-[0-3][0-9]\Z")]
    reason: Annotated[str, Meta(min_length=10)]


class ReleaseSigner(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who signs a scanner's releases, keyless: the workflow's identity, where `{version}` may stand in it, and its issuer.

    `signs` says what: each archive, or the file of checksums that lists them.
    """

    scanner: Literal["grype", "trivy"]
    identity: Annotated[str, Meta(pattern=r"\Ahttps://[!-~]+/\.github/workflows/[!-~]+@refs/[!-~]+\Z")]
    issuer: Annotated[str, Meta(pattern=r"\Ahttps://[!-~]+\Z")]
    signs: Literal["archive", "checksums"]
    sources: Sources


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of releases."""

    schema: Literal[1]
    releases: tuple[Release, ...]
    refused: tuple[Refusal, ...]
    signers: tuple[ReleaseSigner, ...] = ()

    def signer(self, scanner: str) -> ReleaseSigner | None:
        """Return who signs a scanner's releases, None where that is not known."""
        return next((one for one in self.signers if one.scanner == scanner), None)

    def find(self, scanner: str, on: str, version: str = "") -> Release | None:
        """Return the release of a version for a platform, the newest without one; None where none was seen."""
        fitting = [
            release
            for release in self.releases
            if (release.scanner, release.platform) == (scanner, on) and version in ("", release.version)
        ]
        return max(fitting, key=lambda release: number(release.version) or (0, 0, 0), default=None)


def parse_table(data: bytes) -> Table:
    """Read a table, strictly; raises `ValueError` for what is none, or states one thing twice."""
    try:
        table = msgspec.convert(strict_json.parse(data, "the table of releases"), Table)
    except (Unavailable, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    keys = [(entry.scanner, entry.version, entry.platform) for entry in table.releases]
    bad = {(entry.scanner, entry.version) for entry in table.refused}
    signing = {entry.scanner for entry in table.signers}
    if (len(set(keys)), len(bad), len(signing)) != (len(keys), len(table.refused), len(table.signers)):
        raise ValueError("the table names a release twice")
    if bad & {key[:2] for key in keys}:
        raise ValueError("the table approves a release that it refuses")
    return table


@functools.cache
def shipped() -> Table:
    """Return the table that ships with the package."""
    return parse_table(TABLE.read_bytes())


def refusals(scanner: str) -> Mapping[tuple[int, int, int], str]:
    """Return why versions of a scanner are never started, by version."""
    return {
        key: f"{entry.reason}; reported {entry.reported}"
        for entry in shipped().refused
        if entry.scanner == scanner and (key := number(entry.version))
    }


def this_platform() -> str:
    """Return this machine's platform as the table writes it."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}"


class Standing(enum.Enum):
    """What a program is."""

    APPROVED = "approved"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Judgement(Struct, frozen=True):
    """What a program is, who says so, and the sentence that tells it."""

    standing: Standing
    by: str
    text: str


def judge(requirement: Requirement, program: Program, approval: Approval) -> Judgement:
    """Say what a program is by its bytes and by the version in them."""
    name, digest = requirement.name, program.digest
    known = next((one for one in shipped().releases if (one.scanner, one.program) == (name, digest)), None)
    stated = program.stated or (known.version if known else "")
    version = number(stated)
    if digest in approval.refused:
        return Judgement(Standing.REFUSED, BY_POLICY, f"the policy refuses {digest}")
    if version and any(_names(text, name, version) for text in approval.refused):
        return Judgement(Standing.REFUSED, BY_POLICY, f"the policy refuses {name} {stated}")
    if version and version in requirement.refused:
        return Judgement(Standing.REFUSED, BY_TABLE, f"{name} {stated}: {requirement.refused[version]}")
    if version and version < requirement.minimum:
        oldest = ".".join(map(str, requirement.minimum))
        return Judgement(Standing.REFUSED, BY_TABLE, f"{name} {stated} is older than {oldest}")
    if known:
        return Judgement(Standing.APPROVED, BY_TABLE, f"{name} {known.version} for {known.platform}")
    if digest in approval.programs:
        return Judgement(Standing.APPROVED, BY_POLICY, "the policy lists it under scanners.programs")
    return Judgement(
        Standing.UNKNOWN, "", f"neither the shipped table nor the policy knows this {name} ({digest})"
    )


def _names(text: str, scanner: str, version: tuple[int, int, int]) -> bool:
    """Whether a policy's refusal means this version of this scanner."""
    name, _, stated = text.partition(" ")
    return name == scanner and number(stated) == version


def admit(requirement: Requirement, given: str | None, settings: ScannerSettings) -> Program:
    """Find a program that may run; raises `Unavailable` for one that may not."""
    program = find(requirement, given, settings.memory)
    found = judge(requirement, program, settings.approval)
    if found.standing is Standing.REFUSED:
        raise Unavailable(
            f"{program.path} is refused: {found.text}", hint=f"remove it; then {requirement.install}"
        )
    if settings.approval.listed and found.standing is not Standing.APPROVED:
        raise Unavailable(
            f"{program.path} may not run, because the policy lets only approved programs run: {found.text}",
            hint=f"install one with: image-gate scanners install {requirement.name}; or approve this one in the "
            f"policy, if you know where it comes from: scanners: {{programs: ['{program.digest}']}}",
        )
    return replace(program, approval=found.by)


def without_refused(
    reports: Mapping[str, ScannerReport | Unavailable], approval: Approval
) -> dict[str, ScannerReport | Unavailable]:
    """Return reports without those of a version that the policy refuses, by what the program says of itself.

    Not every program has its version in its bytes, where it could be judged before it ran, and a report may be of an
    earlier run, under another policy.
    """
    return {name: _counted(name, report, approval) for name, report in reports.items()}


def _counted(
    name: str, report: ScannerReport | Unavailable, approval: Approval
) -> ScannerReport | Unavailable:
    """Return a report, or why it does not count."""
    if isinstance(report, Unavailable):
        return report
    run, version = report.run, number(report.run.version)
    if run.binary_digest not in approval.refused and not (
        version and any(_names(text, name, version) for text in approval.refused)
    ):
        return report
    return Unavailable(
        f"the policy refuses {name} {run.version[:40]}, which {run.binary} says that it is",
        hint="install a version that the policy accepts",
    )


@contextlib.contextmanager
def started(program: Program, settings: ScannerSettings) -> Iterator[Program]:
    """Let a program run as long as the block does; raises `Unavailable` where what ran may be another one.

    Where only approved programs may run, what is started is a private copy that was hashed while it was made, so nobody
    can change it in between; one for the whole run where the settings keep `copies`. Otherwise it is started where it lies, because wrappers of distributions need their place,
    and refused afterwards if it was replaced since it was hashed: the report would name other bytes than those that ran.
    """
    if settings.approval.listed and settings.copies is not None:
        yield replace(program, copy=settings.copies.of(program))
        return
    if settings.approval.listed:
        with _folder(program, settings.work_dir) as folder:
            yield replace(program, copy=_copy_to(program, folder))
        return
    yield program
    if program.identity is None or _identity(program.path) != program.identity:
        raise Unavailable(
            f"{program.path} was replaced while it ran, so it is not known what ran", hint="run again"
        )


@contextlib.contextmanager
def admitted(requirement: Requirement, given: str | None, settings: ScannerSettings) -> Iterator[Program]:
    """Find a program and let it run as long as the block does; raises `Unavailable` for one that may not."""
    with started(admit(requirement, given, settings), settings) as program:
        yield program


def _identity(path: str) -> FileIdentity | None:
    """Return a file's identity, None where there is no file any more."""
    try:
        return FileIdentity.of(path)
    except OSError:
        return None


class Copies:
    """The private copies of programs in one run, each made once; several scans at a time may ask for them."""

    def __init__(self, work_dir: Callable[[], Path]) -> None:
        self._work_dir = work_dir
        self._lock = threading.Lock()
        self._made: dict[str, str] = {}
        self._held = contextlib.ExitStack()

    def of(self, program: Program) -> str:
        """Return the path of a program's copy; raises `Unavailable` where there can be none."""
        with self._lock:
            if program.digest not in self._made:
                folder = self._held.enter_context(_folder(program, self._work_dir()))
                self._made[program.digest] = _copy_to(program, folder)
            return self._made[program.digest]

    def close(self) -> None:
        """Remove all copies."""
        self._held.close()


@contextlib.contextmanager
def _folder(program: Program, work_dir: Path) -> Iterator[str]:
    """Give a folder that is only ours; it is removed afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            work_dir.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="program-", dir=work_dir))
        except OSError as error:
            raise _not_copied(program, error) from None
        yield folder


def _copy_to(program: Program, folder: str) -> str:
    """Copy a program to a private folder and return where it is; raises `Unavailable` for other bytes than were judged."""
    copy = os.path.abspath(os.path.join(folder, os.path.basename(program.path)))
    try:
        digest = _copy(program.path, copy)
        forbidden = os.statvfs(folder).f_flag & os.ST_NOEXEC
    except OSError as error:
        raise _not_copied(program, error) from None
    if forbidden:
        raise Unavailable(
            f"no program can be started from {folder}, where a private copy of {program.path} belongs",
            hint="choose a folder with --cache-dir on a file system that is not mounted noexec",
        )
    if digest != program.digest:
        raise Unavailable(f"{program.path} was replaced since it was hashed", hint="run again")
    return copy


def _not_copied(program: Program, error: OSError) -> Unavailable:
    """Build the error for a copy that the disk does not take."""
    return Unavailable(
        f"{program.path} cannot be copied to be started: {error.strerror}",
        hint="choose another folder with --cache-dir",
    )


def _copy(source: str, target: str) -> str:
    """Copy a program, executable by us alone, and return the digest of what was written."""
    hashed = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    with open(source, "rb") as read, open(descriptor, "wb") as written:
        while chunk := read.read(LIMITS.chunk):
            hashed.update(chunk)
            written.write(chunk)
    return f"sha256:{hashed.hexdigest()}"
