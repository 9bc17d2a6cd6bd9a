"""The unpacked image stays below a size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.oci.filesystem import EntryType, Filesystem
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity
from gate.rules._size import Size, in_bytes, printable_size

LARGEST = 3
"""Files and layers that a finding names, so that the reader knows where to begin."""


class ImageSizeOptions(Options):
    """Options of `image-size`."""

    max_size: Annotated[
        Size,
        describe(
            "Largest accepted size of all regular files in the final tree, uncompressed, as in `500 MB` or `1 GiB`."
        ),
    ] = "1 GiB"


def check(filesystem: Filesystem, options: ImageSizeOptions) -> Iterator[Finding]:
    """Yield a finding if the files of the final tree together are larger than allowed."""
    size, limit = filesystem.total_size, in_bytes(options.max_size)
    if size <= limit:
        return
    files = sorted(
        (entry for entry in filesystem.entries() if entry.type is EntryType.FILE),
        key=lambda entry: (-entry.size, entry.path),
    )
    layers: dict[int, int] = {}
    for entry in files:
        layers[entry.layer] = layers.get(entry.layer, 0) + entry.size
    heaviest = max(layers, key=lambda layer: layers[layer])
    largest = ", ".join(f"{entry.path} ({printable_size(entry.size)})" for entry in files[:LARGEST])
    yield Finding(
        f"unpacked {printable_size(size)}, allowed {options.max_size}; most in layer {heaviest}; largest files: {largest}",
        details={
            "bytes": size,
            "limit": limit,
            "layers": {str(layer): layers[layer] for layer in sorted(layers)},
            "largest": [{"path": entry.path, "bytes": entry.size} for entry in files[:LARGEST]],
        },
    )


RULE = Rule(
    id="image-size",
    title="The image is not larger than allowed",
    rationale="Size is time at every deployment, and a sudden growth usually means that something was copied by mistake.",
    remediation=(
        "Look at the largest files and layers that the finding names. Build in stages, and remove files in the RUN that"
        " made them: removing them later keeps them in the layer below."
    ),
    severity=Severity.LOW,
    check=check,
)
