"""A repository whose pipeline checks images that lie in it, so that no registry is needed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory

POLICY = Path(__file__).parents[2] / "samples" / "policies" / "demo.yaml"


def write_consumer(folder: Path) -> Path:
    """Write a good and a bad image, a Dockerfile and the policy of the demo; return the folder."""
    built = datetime.now(UTC).replace(microsecond=0)
    for name, image in (("good", good(built)), ("bad", bad(built))):
        write_directory(oci_layout({"": image}), folder / "images" / name)
    shutil.copy(POLICY, folder / ".image-gate.yaml")
    (folder / "Dockerfile").write_text("# The image\nFROM scratch\nUSER root\n")
    return folder
