"""Content by digest, kept for later runs and handed to scanners."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import Descriptor, Digest

_WAIT = 0.05
"""Seconds between two looks at a lock that another process holds."""


class BlobStore:
    """The blobs below one folder, an OCI layout.

    A blob appears whole or not at all, and is never written again. It is still hashed by everybody who reads it: disks
    fail, and caches are restored from elsewhere. `received` counts the bytes that came into the store.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._partial = root / "partial"
        self._verified_here: set[Digest] = set()
        self.received = 0
        try:
            for folder in (root, self._blobs, self._partial):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_once(root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            _write_once(root / "index.json", b'{"schemaVersion":2,"manifests":[]}')
        except OSError as error:
            raise InvalidInput(
                f"the cache folder {root.parent} cannot be used: {error.strerror}",
                hint="name another one with --cache-dir, or use --no-cache",
            ) from None

    def path(self, digest: Digest) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.algorithm / digest.encoded

    def open(self, descriptor: Descriptor) -> BinaryIO | None:
        """Open a blob, whose reader verifies it; None where there is none of this digest and size."""
        path = self.path(descriptor.digest)
        try:
            stream = path.open("rb", buffering=0)
        except OSError:
            return None
        if os.fstat(stream.fileno()).st_size != descriptor.size:
            stream.close()
            self._discard(descriptor.digest)
            return None
        with suppress(OSError):
            os.utime(path)  # what was used last is removed last
        return stream

    def is_intact(self, descriptor: Descriptor, check: Callable[[], None]) -> bool:
        """Whether a blob is there and is what its name says; one that is not is removed."""
        stream = self.open(descriptor)
        if stream is None:
            return False
        with stream:
            return self._verify(stream, descriptor, check)

    def link(self, descriptor: Descriptor, target: Path, check: Callable[[], None]) -> bool:
        """Make `target` the blob, verified since this process started; whether there was one.

        It stays there whatever later happens to the store. `check` is called between reads and may raise.
        """
        stream = self.open(descriptor)
        if stream is None:
            return False
        with stream:
            if descriptor.digest not in self._verified_here and not self._verify(stream, descriptor, check):
                return False
            if not _linked(self.path(descriptor.digest), stream, target):
                _copy(stream, target, check)
        return True

    @contextmanager
    def receiving(self, descriptor: Descriptor, check: Callable[[], None]) -> Iterator[Arrival | None]:
        """Give the place for a blob that is not there yet, locked; None once another process has stored it.

        Waits for a process that is fetching the same blob; `check` is called meanwhile and may raise. What arrives and is
        not kept stays for the next try, which goes on from there.
        """
        digest = descriptor.digest
        path = self._partial / f"{digest.algorithm}-{digest.encoded}"
        while True:
            if (stream := self.open(descriptor)) is not None:
                stream.close()
                yield None
                return
            file = path.open("a+b", buffering=0)
            try:
                if _lock(file.fileno(), path):
                    yield Arrival(self, file, path, descriptor)
                    return
            finally:
                file.close()
            check()
            time.sleep(_WAIT)

    def _verify(self, stream: BinaryIO, descriptor: Descriptor, check: Callable[[], None]) -> bool:
        """Hash an open blob; it is removed where it is not what its name says."""
        hashed = hashlib.new(descriptor.digest.algorithm)
        while data := stream.read(LIMITS.chunk):
            check()
            hashed.update(data)
        if hashed.hexdigest() != descriptor.digest.encoded:
            self._discard(descriptor.digest)
            return False
        self._verified_here.add(descriptor.digest)
        return True

    def _discard(self, digest: Digest) -> None:
        """Remove a blob that is not what its name says."""
        self._verified_here.discard(digest)
        with suppress(OSError):
            self.path(digest).unlink()

    def _keep(self, digest: Digest, path: Path, size: int) -> None:
        """Take a blob whose bytes were verified into the store."""
        target = self.path(digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o400)
        path.replace(target)
        self._verified_here.add(digest)
        self.received += size


class Arrival:
    """A blob on its way into the store. Whoever fetches it verifies it, and then calls `keep`.

    `present` is how many of its first bytes an earlier try has left. They are verified with the rest: whoever reads the blob
    begins with them, and feeds all to `write`.
    """

    def __init__(self, store: BlobStore, file: io.FileIO, path: Path, descriptor: Descriptor) -> None:
        self._store = store
        self._file = file
        self._path = path
        self._descriptor = descriptor
        self._seen = 0
        self.present = os.fstat(file.fileno()).st_size
        if self.present > descriptor.size:
            self.restart()

    def open_present(self) -> BinaryIO:
        """Open what an earlier try has left."""
        return self._path.open("rb", buffering=0)

    def restart(self) -> None:
        """Forget what has arrived."""
        self._file.truncate(0)
        self._seen = self.present = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes of the blob, from its first one on; raises `Unavailable` where the disk does not."""
        new = data[max(0, self.present - self._seen) :]
        self._seen += len(data)
        try:
            view = memoryview(new)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise Unavailable(
                f"the image could not be written to the cache folder: {error.strerror}",
                hint="free some space, or name another folder with --cache-dir",
            ) from None

    def keep(self) -> None:
        """Take it into the store; the caller has verified every byte that it wrote."""
        self._store._keep(self._descriptor.digest, self._path, self._seen - self.present)


def _lock(descriptor: int, path: Path) -> bool:
    """Lock an open file; not where someone else has it, nor where it was moved away since it was opened."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = path.stat()
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)


def _linked(path: Path, stream: BinaryIO, target: Path) -> bool:
    """Make `target` a link to the open file; not on file systems without links, nor where another is at `path` by now."""
    try:
        os.link(path, target)
    except OSError:
        return False
    if os.path.samestat(os.fstat(stream.fileno()), target.stat()):
        return True
    target.unlink()
    return False


def _copy(stream: BinaryIO, target: Path, check: Callable[[], None]) -> None:
    """Copy a verified blob."""
    stream.seek(0)
    with target.open("xb") as file:
        while data := stream.read(LIMITS.chunk):
            check()
            file.write(data)


def _write_once(path: Path, data: bytes) -> None:
    """Write a small file that is the same for everybody."""
    if not path.exists():
        temporary = path.with_name(f".{path.name}-{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
