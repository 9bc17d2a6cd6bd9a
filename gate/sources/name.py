"""A plain name: looked for in the container engine first and then in its registry, as people expect of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from msgspec.structs import replace

from gate.errors import Unavailable, joined
from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.sources import ENGINE, REGISTRY, Access, Location
from gate.sources.daemon import is_id, open_daemon
from gate.sources.engine_http import NoEngine, NotInEngine
from gate.sources.registry import open_registry


def open_name(location: Location, wanted: Platform | None, access: Access) -> AbstractContextManager[Opened]:
    """Open the image of a plain name; `Opened.origin` says which source had it.

    1. An id is asked of the engine alone, and so is every name where the settings prefer the engine.
    2. Where they prefer registries, a name is asked of its registry alone.
    3. Otherwise the registry is asked where there is no engine, or where the engine says that it does not have the image,
       unless the settings forbid that. An engine that fails in any other way is never passed over: the image that it
       holds may be another one than the registry's.
    """
    engine, registry = replace(location, source=ENGINE), replace(location, source=REGISTRY)
    if is_id(location.path) or access.settings.prefer == ENGINE:  # 1
        return open_daemon(engine, wanted, access)
    if access.settings.prefer == REGISTRY:  # 2
        return open_registry(registry, wanted, access)
    return _either(engine, registry, wanted, access)  # 3


@contextmanager
def _either(
    engine: Location, registry: Location, wanted: Platform | None, access: Access
) -> Iterator[Opened]:
    """Open the image of the engine or, where it has none, of the registry."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_daemon(engine, wanted, access))
        except (NotInEngine, NoEngine) as missing:
            opened = stack.enter_context(_fallback(registry, wanted, access, missing))
        yield opened


@contextmanager
def _fallback(
    location: Location, wanted: Platform | None, access: Access, missing: NotInEngine | NoEngine
) -> Iterator[Opened]:
    """Open the image of the registry, if that is allowed; what goes wrong there is told along with why it was asked."""
    if not access.settings.fallback:
        hint = "pull or build it there; the policy does not let its registry answer instead"
        raise type(missing)(missing.message, hint=hint) from None
    if access.settings.engine and isinstance(missing, NoEngine):
        raise missing  # somebody named this engine
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_registry(location, wanted, access))
        except Unavailable as error:
            raise joined([missing, error]) from None
        yield opened
