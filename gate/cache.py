"""The gate's folder on disk: private workspaces in which scanners read verified copies of images.

A workspace is a folder of one run, locked as long as the run lives. What a killed run left behind is recognised by its
lock being free, and removed by the next run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_MANIFEST, Descriptor, Digest
from gate.oci.image import Image, Layer
from gate.oci.stream import check_digest

_RUNS = "v1/runs"
_LOCK = "lock"


@contextmanager
def workspace(cache_dir: Path) -> Iterator[Path]:
    """Give a new private folder below `cache_dir`, and remove it afterwards; raises `InvalidInput` where none can be made."""
    import tempfile  # here and below: with what they import, they cost a start without scanners two milliseconds
    from shutil import rmtree

    runs = cache_dir / _RUNS
    try:
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(runs):
            _sweep(runs)
            folder = Path(tempfile.mkdtemp(dir=runs))
            lock = _locked(folder)
    except OSError as error:
        raise InvalidInput(
            f"the cache folder {cache_dir} cannot be used: {error.strerror}",
            hint="name another one with --cache-dir",
        ) from None
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """Keep other runs from sweeping meanwhile: a folder that is made and not locked yet looks abandoned."""
    descriptor = os.open(runs.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of a file: NFS has no such locks on folders
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int:
    """Lock a workspace and return the descriptor that holds the lock; raises `OSError` where someone else has it."""
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _sweep(runs: Path) -> None:
    """Remove the workspaces of runs that no longer live."""
    from shutil import rmtree

    for folder in runs.iterdir():
        with suppress(OSError):
            lock = _locked(folder)
            rmtree(folder, ignore_errors=True)
            os.close(lock)


class _StoredLayer(Struct, frozen=True):
    """A layer in the private copy."""

    descriptor: Descriptor
    diff_id: Digest
    path: Path

    def open(self) -> BinaryIO:
        """Open the stored bytes."""
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise Unavailable(f"the copy in the cache folder cannot be read: {error.strerror}") from None


def store(image: Image, folder: Path, check: Callable[[], None]) -> Image:
    """Copy an image into an OCI layout of its own at `folder`, verified on the way, and return it as read from there.

    Whoever changes the original afterwards changes neither what the scanners nor what the gate reads. `check` is called
    between reads and may raise. Raises `IntegrityError`, or `Unavailable` where the disk does not take it.
    """
    blobs = folder / "blobs" / "sha256"
    try:
        blobs.mkdir(parents=True)
        layers = tuple(_store_layer(layer, folder, check) for layer in image.layers)
        digest = Digest("sha256", hashlib.sha256(image.manifest_bytes).hexdigest())
        manifest = image.descriptor or Descriptor(OCI_MANIFEST, digest, len(image.manifest_bytes))
        _write(folder, manifest.digest, image.manifest_bytes)
        _write(folder, image.manifest.config.digest, image.config_bytes)
        entry = {
            "mediaType": image.manifest.media_type,
            "digest": str(manifest.digest),
            "size": manifest.size,
        }
        index = {"schemaVersion": 2, "manifests": [entry]}
        (folder / "index.json").write_text(json.dumps(index), encoding="ascii")
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")
    except OSError as error:
        raise Unavailable(
            f"the image could not be copied to the cache folder: {error.strerror}",
            hint="free some space, or name another folder with --cache-dir",
        ) from None
    return replace(image, layers=layers)


def stored_manifest(image: Image) -> Digest:
    """Return the digest of the manifest under which `store` keeps an image."""
    return (
        image.descriptor.digest
        if image.descriptor
        else Digest("sha256", hashlib.sha256(image.manifest_bytes).hexdigest())
    )


def _store_layer(layer: Layer, folder: Path, check: Callable[[], None]) -> _StoredLayer:
    """Copy the stored bytes of one layer; a layer that occurs twice is copied once."""
    descriptor = layer.descriptor
    path = _path(folder, descriptor.digest)
    if not path.exists():
        hashed = hashlib.new(descriptor.digest.algorithm)
        size = 0
        with layer.open() as source, path.open("xb", buffering=0) as target:
            while size <= descriptor.size and (data := source.read(LIMITS.chunk)):
                check()
                hashed.update(data)
                target.write(data)
                size += len(data)
        check_digest(hashed, size, descriptor, f"layer {descriptor.digest.short}")
    return _StoredLayer(descriptor, layer.diff_id, path)


def _write(folder: Path, digest: Digest, data: bytes) -> None:
    """Write one small blob."""
    _path(folder, digest).write_bytes(data)


def _path(folder: Path, digest: Digest) -> Path:
    """Return where a blob is."""
    path = folder / "blobs" / digest.algorithm / digest.encoded
    path.parent.mkdir(exist_ok=True)
    return path
