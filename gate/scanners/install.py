"""Install a scanner: fetch its release archive, check the digest before anything is unpacked, and take out one program."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import IntegrityError, InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.oci.stream import expanded
from gate.oci.tar_header import REGULAR
from gate.oci.tarball import TarReader
from gate.registry import RegistrySettings
from gate.scanners import Approval
from gate.scanners.approval import Judgement, Release, Standing, judge, shipped
from gate.scanners.download import Download, NotThere, bounded, download, write
from gate.scanners.program import Program, Requirement, check_version, located, number

_GZIP = b"\x1f\x8b"
_WHAT = "the archive"
SIGNATURE = ".sigstore.json"
"""What the name of a signature ends with, behind that of the file that was signed (trivy.dev, "Signature Verification")."""


class Order(Struct, frozen=True):
    """What is to be installed: a version (empty for the newest known), for which platform, from where, and to where.

    `origin` is an address, a file (an archive or the program itself), or empty for the release's own address.
    """

    requirement: Requirement
    version: str
    platform: str
    origin: str
    folder: Path


class Installed(Struct, frozen=True):
    """What was installed: the program, what is known of it, and in words who signed its archive."""

    program: Program
    judgement: Judgement
    signature: str


def install(order: Order, approval: Approval, settings: RegistrySettings, deadline: Deadline) -> Installed:
    """Install a program and return it; what was there before is replaced in one step, and only by what is approved.

    Raises `InvalidInput` where it is not known what to take, and `Unavailable` for everything that must not or cannot be
    taken; then nothing has changed.
    """
    requirement = order.requirement
    if order.version:
        check_version(requirement, order.version)
    release = shipped().find(requirement.name, order.platform, order.version)
    origin = order.origin or (release.address if release else "")
    if not origin:
        raise InvalidInput(
            f"the shipped table has no digest of {requirement.name} {order.version}".rstrip()
            + f" for {order.platform}",
            hint="name an archive or program of your own with --from, and approve its digest in the policy: scanners: {programs: [sha256:…]}",
        )
    try:
        order.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".image-gate-", dir=order.folder) as private:
            fetched = Path(private) / "archive"
            wanted = Download(
                origin, _WHAT, LIMITS.scanner_program, "look at the version, or name a mirror with --from"
            )
            digest = _fetched(wanted, fetched, settings, deadline)
            _check(order, release, digest, approval)
            beside = _Beside(origin, Path(private) / "beside", settings, deadline)
            signature = _signed_by(order, release, digest, beside)
            program = Path(private) / requirement.name
            _unpack(fetched, program, deadline)
            done = _placed(order, program, release, digest, approval)
            return replace(done, signature=signature)
    except OSError as error:
        raise Unavailable(
            f"{requirement.name} cannot be installed to {order.folder}: {error.strerror}",
            hint="choose another folder with --to",
        ) from None


def _check(order: Order, release: Release | None, digest: str, approval: Approval) -> None:
    """Refuse, before it is opened, what neither the table nor the policy knows."""
    if digest in approval.refused:
        raise Unavailable(f"{digest} is refused by the policy")
    known = {release.archive, release.program} if release else set()
    if digest in known or digest in approval.programs:
        return
    name = order.requirement.name
    if release and not order.origin:
        raise IntegrityError(
            f"{release.address} hashes to {digest}, not to {release.archive}, as {name} {release.version} did when it was seen",
            hint="the release was changed or the transfer altered; do not use it before you know which",
        )
    raise Unavailable(
        f"nobody approved what was fetched for {name} ({digest}), so it was not unpacked",
        hint=f"if you know where it comes from, approve it in the policy: scanners: {{programs: ['{digest}']}}",
    )


def _placed(order: Order, path: Path, release: Release | None, digest: str, approval: Approval) -> Installed:
    """Judge the program that was unpacked, and put it in its place."""
    os.chmod(path, 0o755)  # noqa: S103 -- a program is for everyone to start
    program = located(order.requirement, str(path))
    expected = release.program if release and digest == release.archive else ""
    if expected and program.digest != expected:
        raise IntegrityError(f"the program in the archive hashes to {program.digest}, not to {expected}")
    if order.version and program.stated and number(program.stated) != number(order.version):
        raise Unavailable(f"the program in the archive is {program.stated[:40]}, not {order.version[:40]}")
    found = judge(order.requirement, program, approval)
    if found.standing is Standing.REFUSED:
        raise Unavailable(f"the program in the archive is refused: {found.text}")
    target = order.folder.absolute() / order.requirement.name
    os.replace(path, target)
    return Installed(Program(str(target), program.digest, program.stated, found.by), found, "")


def _unpack(archive: Path, program: Path, deadline: Deadline) -> None:
    """Write the one program of an archive, named as the file is to be; what is no archive is the program itself."""
    with archive.open("rb") as file, program.open("xb") as written:
        if file.read(2) != _GZIP:
            file.seek(0)
            write(bounded(_chunks(file, deadline), LIMITS.scanner_program), written)
        else:
            file.seek(0)
            plain = bounded(expanded(_chunks(file, deadline), _WHAT), LIMITS.scanner_program)
            _take(plain, program.name.encode(), written)
        written.flush()
        os.fsync(written.fileno())


def _take(chunks: Iterator[bytes], name: bytes, written: BinaryIO) -> None:
    """Write the member of this name, which must be a file and there once; nothing else of the archive reaches the disk."""
    found = 0
    reader = TarReader(chunks)
    for member in reader:
        if member.name.removeprefix(b"./") != name:
            continue
        found += 1
        if member.type != REGULAR or found > 1:
            raise Unavailable(f"{name.decode()} is in the archive twice, or is no file there")
        for buffer, start, end in reader.content():
            written.write(memoryview(buffer)[start:end])
    if not found:
        raise Unavailable(
            f"there is no file {name.decode()!r} in the archive", hint="it must be a release archive"
        )


def _chunks(file: IO[bytes], deadline: Deadline) -> Iterator[bytes]:
    """Yield a file in chunks."""
    while chunk := file.read(LIMITS.chunk):
        deadline.check()
        yield chunk


def _fetched(wanted: Download, target: Path, settings: RegistrySettings, deadline: Deadline) -> str:
    """Bring what is at an address or in a file into a private file, and return its digest."""
    if "://" in wanted.address:
        return download(wanted, target, settings, deadline)
    try:
        source = open(wanted.address, "rb")  # noqa: SIM115 -- the block below closes it
    except OSError as error:
        raise InvalidInput(f"--from {wanted.address!r} cannot be read: {error.strerror}") from None
    with source, target.open("wb") as written:
        return write(bounded(_chunks(source, deadline), wanted.limit), written)


class _Beside(Struct, frozen=True):
    """The place that an archive comes from, where other files of its release may lie; they are brought to a private file."""

    origin: str
    target: Path
    settings: RegistrySettings
    deadline: Deadline

    def signed(self, name: str = "") -> tuple[bytes, bytes] | None:
        """Return a file of this name (nothing for the archive itself) and its signature, unverified; None where there is none.

        Raises `Unavailable` where a place gives no answer, which is not the same as having none.
        """
        path, mark, query = self.origin.partition("?") if "://" in self.origin else (self.origin, "", "")
        path = f"{path.rpartition('/')[0]}/{name}" if name and "/" in path else name or path
        signature = self._read(f"{path}{SIGNATURE}{mark}{query}")
        data = self._read(f"{path}{mark}{query}") if name and signature is not None else b""
        return None if signature is None or data is None else (data, signature)

    def _read(self, place: str) -> bytes | None:
        """Return what is at a place, None where there is nothing."""
        if "://" not in place and not os.path.lexists(place):
            return None
        hint = "try again, or name a mirror with --from"
        wanted = Download(place, "the signature of the release", LIMITS.signature, hint)
        try:
            _fetched(wanted, self.target, self.settings, self.deadline)
        except NotThere:
            return None
        return self.target.read_bytes()


def _signed_by(order: Order, release: Release | None, digest: str, beside: _Beside) -> str:
    """Say who signed a release; raises `IntegrityError` for a signature that is there and does not hold."""
    name = order.requirement.name
    wanted = shipped().signer(name)
    version = release.version if release and digest == release.archive else order.version
    if wanted is None or (wanted.signs == "checksums" and not version):
        return "no signature was looked for, so its digest alone decided"
    checksums = f"{name}_{version}_checksums.txt" if wanted.signs == "checksums" else ""
    found = beside.signed(checksums)
    if found is None:
        return "no signature was found beside it, so its digest alone decided"
    from gate.scanners.release_signature import listed, verified  # here: its libraries are slow to import

    data, signature = found
    signer = verified(signature, listed(data, digest, wanted) if checksums else digest, wanted, version)
    subject = signer.identity.subject if signer.identity else ""
    return f"its release was signed by {subject}, log index {signer.log_index}"
