"""Opening images of a simulated engine, as the pipeline does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gate.cache import Cache
from gate.deadline import Deadline
from gate.errors import InvalidInput
from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.oci.reference import Reference
from gate.registry import RegistrySettings
from gate.sources import ENGINE, Access, Location, SourceSettings
from gate.sources.open import open_source


def location(text: str, source: str = ENGINE) -> Location:
    """The location of a name or an id."""
    try:
        name = Reference.parse(text)
    except InvalidInput:
        name = None
    return Location(text, source, text, name=name)


def access_to(
    address: str = "",
    work_dir: Path | None = None,
    seconds: float = 20,
    environment: Mapping[str, str] | None = None,
) -> Access:
    """Access to the engine at an address, or to what the environment says."""
    settings = SourceSettings(RegistrySettings(environment=environment or {}), engine=address)
    cache = None
    if work_dir is not None:
        cache = Cache(work_dir, ExitStack())
        cache.__dict__["work_dir"] = work_dir  # of a run that goes on
    return Access(settings, Deadline(seconds), cache)


@contextmanager
def opened(
    text: str, access: Access, wanted: Platform | None = None, source: str = ENGINE
) -> Iterator[Opened]:
    """Open what a name or an id means."""
    with access, open_source(location(text, source), wanted, access) as found:
        yield found
