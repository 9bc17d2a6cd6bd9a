"""Open a location with the source that it names; each source is imported when it is needed."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.sources import ENGINE, REGISTRY, Access, Location
from gate.sources.layout import open_layout


def open_source(
    location: Location, wanted: Platform | None, access: Access | None = None
) -> AbstractContextManager[Opened]:
    """Open the images that a location names; of several platforms only `wanted`, unless it is None.

    Without `access` only files can be opened.
    """
    access = access or Access.to_files()
    if location.source == "oci":
        return open_layout(location, wanted)
    if location.source == REGISTRY:
        from gate.sources.registry import open_registry

        return open_registry(location, wanted, access)
    if location.source == ENGINE:
        from gate.sources.daemon import open_daemon

        return open_daemon(location, wanted, access)
    if location.source == "name":
        from gate.sources.name import open_name

        return open_name(location, wanted, access)
    from gate.sources.archive import open_archive

    return open_archive(location, wanted)
