"""Carry databases to machines without a network: one tar file out, and in again only what can be used."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from gate.deadline import Deadline
from gate.errors import IntegrityError, InvalidInput, Unavailable
from gate.evidence import Database
from gate.limits import LIMITS
from gate.oci.stream import expanded
from gate.oci.tar_header import DIRECTORY, REGULAR
from gate.oci.tarball import TarReader
from gate.scanners import ScannerSettings
from gate.scanners.databases import KINDS, Kind
from gate.scanners.process import Bounds
from gate.scanners.renewal import PRIVATE, renewing, restore, shared, switch

_WHAT = "the file of databases"


def export(kinds: Sequence[Kind], settings: ScannerSettings, target: Path, deadline: Deadline) -> str:
    """Write databases to a tar file, which appears when it is complete, and return its digest.

    Raises `Unavailable` for a database that is not usable here: it would not be there either.
    """
    bounds = Bounds(deadline.at, settings.cancelled)
    part = target.with_name(f".{target.name}.part")
    try:
        with ExitStack() as held, tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as tar:
            for place in dict.fromkeys(kind.place(settings) for kind in kinds):
                held.enter_context(shared(place, bounds))
            for kind in kinds:
                kind.look(kind.place(settings))
                for name in kind.files:
                    deadline.check()
                    _add(tar, kind.place(settings) / kind.folder / name, f"{kind.name}/{name}")
        with part.open("rb") as file:
            digest = _digest(_chunks(file, deadline))
        os.replace(part, target)
    except OSError as error:
        raise Unavailable(
            f"{target} cannot be written: {error.strerror}", hint="choose another file"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return digest


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one file, without anything of this machine but its content."""
    with path.open("rb") as file:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(file.fileno()).st_size
        tar.addfile(member, file)


def import_(
    source: Path, settings: ScannerSettings, deadline: Deadline, *, digest: str = "", older: bool = False
) -> tuple[str, ...]:
    """Take databases from a tar file, compressed or not, and return their names.

    All of it is read, and every database looked into, before any takes its place. Raises `InvalidInput` for a file that
    cannot be read, and `Unavailable` for one that is not as `export` writes it, is not what `digest` says, or whose
    databases are no good or, unless `older` allows it, older than those that are here. Then nothing has changed.
    """
    bounds = Bounds(deadline.at, settings.cancelled)
    with ExitStack() as stack:
        file = stack.enter_context(_opened(source))
        if digest and (found := _digest(_chunks(file, deadline))) != digest:
            raise IntegrityError(f"{source} hashes to {found}, not to {digest}")
        places = {kind.place(settings) for kind in KINDS.values()}
        for place in sorted(places):
            stack.enter_context(renewing(place, bounds))
        for kind in KINDS.values():
            restore(kind.place(settings) / kind.folder)
        private = {
            place: Path(stack.enter_context(TemporaryDirectory(prefix=PRIVATE, dir=place)))
            for place in places
        }
        file.seek(0)
        kinds = _unpack(file, {name: private[kind.place(settings)] for name, kind in KINDS.items()}, deadline)
        for kind in kinds:
            check_imported(kind, private[kind.place(settings)], kind.place(settings), older=older)
        for kind in kinds:
            place = kind.place(settings)
            switch(private[place] / kind.folder, place / kind.folder)
    return tuple(kind.name for kind in kinds)


def _opened(source: Path) -> IO[bytes]:
    """Open the file."""
    try:
        return source.open("rb")
    except OSError as error:
        raise InvalidInput(f"{str(source)!r} cannot be read: {error.strerror}") from None


def _unpack(file: IO[bytes], private: dict[str, Path], deadline: Deadline) -> list[Kind]:
    """Write the files of databases to private folders; anything else in the tar file is refused."""
    expected = {f"{kind.name}/{name}": (kind, name) for kind in KINDS.values() for name in kind.files}
    found: dict[str, None] = {}
    try:
        reader = TarReader(expanded(_chunks(file, deadline), _WHAT))
        for member in reader:
            name = member.name.decode("utf-8", "replace").removeprefix("./")
            if member.type == DIRECTORY:
                continue
            if name not in expected or member.type != REGULAR or name in found:
                raise Unavailable(f"{_WHAT} holds {name[:100]!r}, which does not belong there, or twice")
            if member.size > LIMITS.database:
                raise Unavailable(f"{name} has {member.size:,} bytes; at most {LIMITS.database:,} are taken")
            found[name] = None
            kind, file_name = expected[name]
            _write(reader.content(), private[kind.name] / kind.folder / file_name)
    except OSError as error:
        raise Unavailable(f"the databases cannot be written: {error.strerror}") from None
    kinds = [kind for kind in KINDS.values() if any(f"{kind.name}/{name}" in found for name in kind.files)]
    if not kinds:
        raise Unavailable(f"{_WHAT} holds no database", hint="write one with: image-gate db export FILE")
    return kinds


def _write(content: Iterable[tuple[bytes, int, int]], target: Path) -> None:
    """Write one file."""
    target.parent.mkdir(exist_ok=True)
    with target.open("xb") as written:
        for buffer, start, end in content:
            written.write(memoryview(buffer)[start:end])


def check_imported(kind: Kind, private: Path, place: Path, *, older: bool) -> Database:
    """Look into what was unpacked below `private`, compare it with what is at `place`, and return what it is.

    Raises `Unavailable` for one that is no good or, unless `older` allows it, older than the one that is here.
    """
    found = kind.look(private)
    try:
        before = kind.look(place).built
    except Unavailable:
        return found
    if found.built < before and not older:
        raise Unavailable(
            f"the database {kind.name} in the file is of {found.built:%Y-%m-%d %H:%M}, older than the one that is here",
            hint="say --older if it is to replace it all the same",
        )
    return found


def _digest(chunks: Iterator[bytes]) -> str:
    """Return the digest of chunks."""
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"


def _chunks(file: IO[bytes], deadline: Deadline) -> Iterator[bytes]:
    """Yield a file in chunks."""
    while chunk := file.read(LIMITS.chunk):
        deadline.check()
        yield chunk
