"""Open a location with the source that it names."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.sources import Location
from gate.sources.layout import open_layout


def open_source(location: Location, wanted: Platform | None) -> AbstractContextManager[Opened]:
    """Open the images that a location names; of several platforms only `wanted`, unless it is None."""
    if location.source == "oci":
        return open_layout(location, wanted)
    from gate.sources.archive import open_archive  # here, because a layout needs none of it

    return open_archive(location, wanted)
