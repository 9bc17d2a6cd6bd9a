"""Evidence for tests of rules: small images, read by the real layer pass and parsed by the real parsers."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from gate.evidence import Secret, Secrets
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.filesystem import Filesystem
from gate.oci.layer import Reading, index_layer, read_contents
from gate.oci.manifest import ImageConfig
from gate.packages.inventory import DATABASE_DIRECTORIES, LISTS, READS, Inventory, read_inventory
from gate.rule import Finding, Remark
from samples.images import layers as sample
from samples.images.entries import Entry, with_parents

KEPT = frozenset(path.encode() for path in (*READS, "etc/passwd", "etc/group"))

_RUNTIME = frozenset(
    {
        "User",
        "Env",
        "Labels",
        "Entrypoint",
        "Cmd",
        "ExposedPorts",
        "Volumes",
        "Healthcheck",
        "OnBuild",
        "WorkingDir",
    }
)


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer in memory, as a source provides it."""

    descriptor: Descriptor
    diff_id: Digest
    data: bytes

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


def stored(layer: sample.Layer) -> StoredLayer:
    """A sample layer as the layer pass takes it."""
    descriptor = Descriptor(layer.media_type, Digest.parse(layer.digest), len(layer.data))
    return StoredLayer(descriptor, Digest.parse(layer.diff_id), layer.data)


def filesystem(
    *layers: Mapping[str, Entry], marks: Mapping[str, tuple[str, ...]] | None = None
) -> Filesystem:
    """The tree of these layers, base first; marks and credentials were searched for, users and databases are kept.

    Paths have no leading slash; parent directories are added. `marks` adds, by path, what the search for byte signatures
    would find in a real program, in every layer that has the path.
    """
    built = [stored(sample.layer_of(with_parents(entries))) for entries in layers]
    keep_below = tuple(path.encode() for path in DATABASE_DIRECTORIES)
    lists = tuple((folder.encode(), ending.encode()) for folder, ending in LISTS)
    reading = Reading(KEPT, keep_below, lists, marks=True, credentials=True)
    indexes = [index_layer(layer, reading) for layer in built]
    for index in indexes:
        for path, found in (marks or {}).items():
            if path.encode() in index.paths:
                index.marks[index.paths.index(path.encode())] = found
    tree = Filesystem(indexes, [str(layer.diff_id) for layer in built])
    for layer, positions in tree.not_kept([f"/{path.decode()}" for path in KEPT]).items():
        for position, content in read_contents(built[layer], positions).items():
            tree.add_content(layer, position, content)
    return tree


def config(**fields: Any) -> ImageConfig:
    """An image configuration for Linux; fields have the names of the specification (`User`, `Labels`, `history`, …)."""
    runtime = {name: fields.pop(name) for name in list(fields) if name in _RUNTIME}
    diff_ids = [f"sha256:{number:064x}" for number in range(fields.pop("layers", 1))]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": runtime,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **fields,
    }
    return ImageConfig.from_bytes(json.dumps(document).encode())


def inventory(tree: Filesystem) -> Inventory:
    """What the package databases and os-release of a tree say."""
    paths = [entry.path.lstrip("/") for entry in tree.entries()]
    wanted = [path for path in paths if path in READS or path.startswith(DATABASE_DIRECTORIES)]
    contents = {path: content for path in wanted if (content := tree.content(f"/{path}")) is not None}
    return read_inventory(contents, paths)


def secrets(tree: Filesystem) -> Secrets:
    """What the search for credentials found in the files of all layers."""
    return Secrets(
        tuple(
            Secret(credential.kind, entry.layer, entry.path, "", credential.redacted, deleted)
            for entry, credential, deleted in tree.credentials()
        )
    )


def messages(found: list[Finding | Remark]) -> list[str]:
    """The messages of the findings, in order."""
    return [result.message for result in found if isinstance(result, Finding)]


def remarks(found: list[Finding | Remark]) -> list[str]:
    """The messages of the remarks, in order."""
    return [result.message for result in found if isinstance(result, Remark)]
