"""To be written."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.sources import Access, Location


def open_name(location: Location, wanted: Platform | None, access: Access) -> AbstractContextManager[Opened]:
    """To be written."""
    raise NotImplementedError
