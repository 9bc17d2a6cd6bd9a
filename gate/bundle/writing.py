"""Write a bundle: the same bytes from the same parts, and a file that appears when it is complete."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from gate.bundle import ARTIFACT_TYPE, CREATED, EMPTY, EMPTY_TYPE, Layer
from gate.bundle.contents import Content
from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, Digest

_LEVEL = 3
"""Of Zstandard: its default. A database of 2 GiB takes seconds, and higher levels gain a few percent."""


def write(contents: Sequence[Content], target: Path, deadline: Deadline) -> tuple[str, tuple[Layer, ...]]:
    """Write a bundle and return the digest of its manifest and its layers; raises `Unavailable` where it cannot be written."""
    part = target.with_name(f".{target.name}.part")
    try:
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(TemporaryDirectory(prefix=".image-gate-", dir=target.absolute().parent))
            )
            stack.callback(part.unlink, missing_ok=True)
            blobs = {_digest(EMPTY): EMPTY}
            layers = [_pack(content, folder, deadline) for content in contents]
            manifest = _encoded(_manifest(layers))
            blobs[_digest(manifest)] = manifest
            _assemble(part, manifest, blobs, folder, layers)
            os.replace(part, target)
    except OSError as error:
        raise Unavailable(
            f"{target} cannot be written: {error.strerror}", hint="choose another file"
        ) from None
    return f"sha256:{_digest(manifest)}", tuple(layers)


def _pack(content: Content, folder: Path, deadline: Deadline) -> Layer:
    """Write one part's layer to a file named by its digest."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    private = folder / "layer"
    with (
        zstd.open(private, "wb", level=_LEVEL) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, path in sorted(content.files.items()):
            with path.open("rb") as file:
                _add(tar, name, file, os.fstat(file.fileno()).st_size)
                deadline.check()
    with private.open("rb") as file:
        encoded = hashlib.file_digest(file, "sha256").hexdigest()
    size = private.stat().st_size
    private.rename(folder / encoded)
    part = content.part
    return Layer(
        part, Descriptor(part.media_type, Digest("sha256", encoded), size, annotations=part.annotations)
    )


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    """Add one file, without anything of this machine but its content."""
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)


def _manifest(layers: Sequence[Layer]) -> Mapping[str, Any]:
    """Return the manifest; it is dated as its newest part is, so that the same parts make the same bundle."""
    dates = [layer.part.dated for layer in layers if layer.part.dated is not None]
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": f"sha256:{_digest(EMPTY)}", "size": len(EMPTY)},
        "layers": [
            {
                "mediaType": layer.descriptor.media_type,
                "digest": str(layer.descriptor.digest),
                "size": layer.descriptor.size,
                "annotations": dict(layer.descriptor.annotations),
            }
            for layer in layers
        ],
        "annotations": {CREATED: max(dates).isoformat()} if dates else {},
    }


def _assemble(
    part: Path, manifest: bytes, blobs: Mapping[str, bytes], folder: Path, layers: Sequence[Layer]
) -> None:
    """Write the layout as a tar file: what leads to a blob stands before it."""
    import io

    entry = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{_digest(manifest)}", "size": len(manifest)}
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{**entry, "artifactType": ARTIFACT_TYPE}],
    }
    small = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": _encoded(index),
        **{f"blobs/sha256/{digest}": data for digest, data in sorted(blobs.items())},
    }
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in small.items():
            _add(tar, name, io.BytesIO(data), len(data))
        for encoded in dict.fromkeys(layer.descriptor.digest.encoded for layer in layers):
            with (folder / encoded).open("rb") as file:
                _add(tar, f"blobs/sha256/{encoded}", file, os.fstat(file.fileno()).st_size)


def _encoded(value: Mapping[str, Any]) -> bytes:
    """Encode JSON, always in the same way."""
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    assert len(data) <= LIMITS.document
    return data


def _digest(data: bytes) -> str:
    """Return the hexadecimal part of a digest."""
    return hashlib.sha256(data).hexdigest()
