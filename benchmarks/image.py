"""A realistic image to measure with: three gzip layers, 48,000 entries, programs and libraries of this machine.

It is built once and kept under `build/bench`. What the machine does not have enough of is made up from its own bytes, so
that sizes and counts are the same everywhere.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
ENTRIES = 48_000
EXPANDED = 780 * MIB
PROGRAMS = 200 * MIB
_SOURCES = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/lib", "/usr/libexec")
_LARGEST = 24 * MIB
_LEVEL = 6
_MTIME = 1_700_000_000
_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer as written: where it is, and its digests."""

    path: Path
    digest: str
    diff_id: str
    size: int


class _Hashing(io.RawIOBase):
    """Passes on what is written and hashes it."""

    def __init__(self, target: io.IOBase | gzip.GzipFile) -> None:
        super().__init__()
        self._target = target
        self.hashed = hashlib.sha256()

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Hash and pass on."""
        self.hashed.update(data)
        self._target.write(data)
        return len(data)


def benchmark_image(folder: Path) -> Path:
    """Return the OCI layout of the benchmark image below `folder`, building it where it is not there yet."""
    layout = folder / "image"
    if (layout / "index.json").exists():
        return layout
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layers = [
        _write(blobs, files)
        for files in (_programs(), _texts(ENTRIES * 2 // 3), _texts(ENTRIES // 3 - 3_000, seed=3))
    ]
    _finish(layout, layers)
    return layout


def _programs() -> Iterator[tuple[str, bytes]]:
    """Yield ELF files of this machine, `PROGRAMS` bytes of them, and as many others as a base has."""
    left = PROGRAMS
    for path in _elf_files():
        data = path.read_bytes()
        yield str(path).lstrip("/"), data
        left -= len(data)
        if left <= 0:
            return
    raise SystemExit(
        f"this machine has {left:,} bytes of programs and libraries less than the benchmark needs"
    )


def _elf_files() -> Iterator[Path]:
    """Yield the ELF files of the usual places, in a fixed order."""
    for source in _SOURCES:
        for folder, _, names in sorted(os.walk(source)):
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file() or not 1_000 < path.stat().st_size < _LARGEST:
                    continue
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


def _texts(count: int, seed: int = 2) -> Iterator[tuple[str, bytes]]:
    """Yield made-up text files, of sizes as in a real image: most are small, a few make most of the bytes."""
    chance = random.Random(seed)  # the image must be the same every time
    words = [chance.randbytes(chance.randint(2, 9)).hex().encode() for _ in range(_WORDS)]
    mean = (EXPANDED - PROGRAMS) // (ENTRIES - 3_000)
    for number in range(count):
        size = int(chance.paretovariate(1.3) * mean * 0.3) % (4 * MIB)
        line = b" ".join(chance.choices(words, k=min(400, size // 9 + 1)))
        text = (line * (size // len(line) + 1))[:size]
        if len(text) > len(line):
            text = b"".join(text[at : at + 512] + chance.randbytes(40) for at in range(0, size, 512))[:size]
        name = f"usr/share/packages/{number % 300:03}/{chance.choice(words[:50]).decode()}-{number}.txt"
        yield name, text


def _write(blobs: Path, files: Iterator[tuple[str, bytes]]) -> _Layer:
    """Write a layer as container engines do: pax tar in gzip, directories before their files."""
    temporary = blobs / "new"
    with temporary.open("wb") as raw:
        stored = _Hashing(raw)
        with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
            plain = _Hashing(packed)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT, bufsize=MIB) as tar:
                _add(tar, files)
    digest = stored.hashed.hexdigest()
    path = temporary.rename(blobs / digest)
    return _Layer(path, f"sha256:{digest}", f"sha256:{plain.hashed.hexdigest()}", path.stat().st_size)


def _add(tar: tarfile.TarFile, files: Iterator[tuple[str, bytes]]) -> None:
    """Add files with the directories above them."""
    known: set[str] = set()
    for name, data in files:
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in known:
                known.add(directory)
                tar.addfile(_info(directory, tarfile.DIRTYPE, 0o755, 0))
        tar.addfile(
            _info(name, tarfile.REGTYPE, 0o755 if data[:4] == b"\x7fELF" else 0o644, len(data)),
            io.BytesIO(data),
        )


def _info(name: str, kind: bytes, mode: int, size: int) -> tarfile.TarInfo:
    """Return one header."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, _MTIME
    return info


def _finish(layout: Path, layers: list[_Layer]) -> None:
    """Write configuration, manifest and index."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {"User": "1000", "Entrypoint": ["/usr/bin/env"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    entries = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": layer.digest,
            "size": layer.size,
        }
        for layer in layers
    ]
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": _blob(layout, config, "application/vnd.oci.image.config.v1+json"),
        "layers": entries,
    }
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")
    index = {"schemaVersion": 2, "manifests": [_blob(layout, manifest, manifest_type)]}
    (layout / "index.json").write_text(json.dumps(index), encoding="ascii")


def _blob(layout: Path, body: object, media_type: str) -> dict[str, object]:
    """Write a document and return its descriptor."""
    data = json.dumps(body).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
