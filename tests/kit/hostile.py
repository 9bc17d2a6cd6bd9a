"""What a hostile construction is, and what the gate may make of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from samples.images.builder import Settings, build_image
from samples.images.entries import Entry
from samples.images.layers import Compression, Layer, layer_from_tar
from samples.images.layout import oci_layout, write_archive, write_directory


class Expected(enum.Flag):
    """The outcomes that are right.

    A construction may allow several, and none of them is a pass that overlooks what it hides.
    """

    ACCEPT = enum.auto()
    """Read without an error and judged like the honest image it is."""
    VIOLATION = enum.auto()
    """Read without an error, and the rule that judges the hidden content fails."""
    UNKNOWN = enum.auto()
    """The evidence is unavailable, or a rule is unknown, for a plain reason."""
    INTEGRITY = enum.auto()
    """Malformed or ambiguous: an integrity error, never excused."""
    REQUEST = enum.auto()
    """The request was wrong or incomplete: exit 2, no verdict."""


@dataclass(frozen=True, slots=True)
class HostileLayers:
    """Layers, base first, that try to mislead a reader.

    `shown` are paths that a reader which accepts the layers must see in the squashed tree, `hidden` those it
    must not see there. `row` and `name` identify the case, for example "T15" and "cut-in-header".
    """

    row: str
    name: str
    expected: Expected
    layers: tuple[Layer, ...]
    shown: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.row}-{self.name}"

    def write(self, directory: Path) -> Path:
        """Write the layers as an otherwise honest image into an OCI layout directory."""
        return write_directory(oci_layout({"": build_image(self.layers, Settings(None))}), directory)


@dataclass(frozen=True, slots=True)
class HostileImage:
    """Files of an OCI layout directory or of one archive that try to mislead a reader.

    `archive` holds the bytes of an archive where the order or repetition of its members is the attack; else
    `files` are written, as an archive when `as_archive` says so. `rules` names the rules that must not pass
    where the outcome is a violation or unknown.
    """

    row: str
    name: str
    expected: Expected
    files: Mapping[str, Entry] = field(default_factory=dict)
    archive: bytes | None = None
    as_archive: bool = False
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.row}-{self.name}"

    def write(self, directory: Path) -> Path:
        """Write the image below a directory and return what the gate is given: a folder or an archive."""
        path = directory / f"{self}.tar"
        if self.archive is not None:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.archive)
            return path
        return (
            write_archive(self.files, path)
            if self.as_archive
            else write_directory(self.files, directory / str(self))
        )


def one_layer(
    row: str, name: str, expected: Expected, tar: bytes, shown: tuple[str, ...] = ()
) -> HostileLayers:
    """A case of one gzip layer with these tar bytes."""
    return HostileLayers(row, name, expected, (layer_from_tar(tar, Compression.GZIP),), shown)
