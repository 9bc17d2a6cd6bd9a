"""One image as an OCI layout of its own, verified, which scanners read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from gate.cache.layers import CachedLayer
from gate.errors import Unavailable
from gate.limits import MIB
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.image import Image, Layer, StoredLayer
from gate.oci.stream import drain
from gate.parallel import in_parallel

_WORTH_THREADS = 4 * MIB
"""Stored bytes below which one thread is faster than starting several."""


class _CopiedLayer(Struct, frozen=True):
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
    """Make an OCI layout at `folder` that holds one image, verified on the way, and return the image as read from there.

    Whoever changes the original afterwards changes neither what the scanners nor what the gate reads. Layers that the
    store has are linked. `check` is called between reads and may raise. Raises `IntegrityError`, or `Unavailable` where the disk
    does not take it.
    """
    blobs = folder / "blobs" / "sha256"
    try:
        blobs.mkdir(parents=True)
        layers = _store_layers(image, folder, check)
        digest = stored_manifest(image)
        size = len(image.manifest_bytes)
        _path(folder, digest).write_bytes(image.manifest_bytes)
        _path(folder, image.manifest.config.digest).write_bytes(image.config_bytes)
        entry = {"mediaType": image.manifest.media_type, "digest": str(digest), "size": size}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (folder / "index.json").write_text(json.dumps(index), encoding="ascii")
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")
        _make_read_only(folder)
    except OSError as error:
        raise Unavailable(
            f"the image could not be copied to the cache folder: {error.strerror}",
            hint="free some space, or name another folder with --cache-dir",
        ) from None
    return replace(image, layers=layers)


def _make_read_only(folder: Path) -> None:
    """Let nobody write to the files of a layout by mistake; the folders stay, so that everything can be removed."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o400)


def stored_manifest(image: Image) -> Digest:
    """Return the digest of the manifest under which `store` keeps an image; an archive may state none."""
    if image.descriptor is not None:
        return image.descriptor.digest
    return Digest("sha256", hashlib.sha256(image.manifest_bytes).hexdigest())


def _store_layers(image: Image, folder: Path, check: Callable[[], None]) -> tuple[_CopiedLayer, ...]:
    """Link or copy the stored bytes of the layers, several at a time; a layer that occurs twice is there once."""
    stopped = threading.Event()

    def check_all() -> None:
        if stopped.is_set():
            raise Unavailable("another layer could not be copied")
        check()

    layers = {layer.descriptor.digest: layer for layer in image.layers}
    calls = {digest: partial(_store_layer, layer, folder, check_all) for digest, layer in layers.items()}
    size = sum(layer.descriptor.size for layer in layers.values())
    threads = min(os.cpu_count() or 1, len(calls)) if size > _WORTH_THREADS else 1
    in_parallel(max(1, threads), calls, stopped)
    return tuple(
        _CopiedLayer(layer.descriptor, layer.diff_id, _path(folder, layer.descriptor.digest))
        for layer in image.layers
    )


def _store_layer(layer: Layer, folder: Path, check: Callable[[], None]) -> None:
    """Link or copy the stored bytes of one layer."""
    path = _path(folder, layer.descriptor.digest)
    if not _is_linked(layer, path):
        with path.open("xb", buffering=0) as target:

            def sink(data: bytes) -> None:
                check()
                _write_all(target, data)

            drain(layer, sink=sink)


def _is_linked(layer: Layer, path: Path) -> bool:
    """Whether the layer lay verified in a private file, and now is at `path` as well; some file systems have no links."""
    if isinstance(layer, CachedLayer):
        return layer.link(path)
    if isinstance(layer, StoredLayer):
        with suppress(OSError):
            os.link(layer.stored, path)
            return True
    return False


def _write_all(target: io.FileIO, data: bytes) -> None:
    """Write all of `data`; a full disk may take a part first."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]


def _path(folder: Path, digest: Digest) -> Path:
    """Return where a blob is."""
    path = folder / "blobs" / digest.algorithm / digest.encoded
    path.parent.mkdir(exist_ok=True)
    return path
