"""Where images come from: `locate` tells which source a reference names, `open_source` opens it.

A source yields an `Opened`: its images, verified down to the configuration, which can be read until the context ends.
Layouts and archives are read in place; registries and container engines have their place here.
"""

from __future__ import annotations

from msgspec import Struct


class Location(Struct, frozen=True):
    """A reference as a source needs it: the path, and the tag, name or digest that chooses among several images.

    `source` is `oci`, `oci-archive`, `docker-archive`, or `archive` for a file whose content decides.
    """

    text: str
    source: str
    path: str
    choice: str = ""
