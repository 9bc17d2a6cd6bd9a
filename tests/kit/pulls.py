"""Pull everything that a name leads to, and say what came."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.oci.image import Opened
from gate.oci.reference import Reference
from gate.oci.stream import tar_stream
from gate.registry import Login, RegistrySettings
from gate.sources import REGISTRY, Access, Location, SourceSettings
from gate.sources.open import open_source
from tests.kit.registry import Registry


class Pulled(Struct, frozen=True):
    """What a name led to: its digest, and by manifest digest the configuration and the tar streams as they were read."""

    digest: str
    images: dict[str, tuple[bytes, tuple[str, ...]]]
    left_out: tuple[str, ...] = ()


def location_of(name: str) -> Location:
    """Return the location of a name in a registry."""
    return Location(name, REGISTRY, "", name=Reference.parse(name))


def login_of(registry: Registry) -> Login:
    """Return the login that a registry takes."""
    return Login(registry.behaviour.username, registry.behaviour.password, (registry.host,))


def pull(name: str, seconds: float = 30, **settings: Any) -> Pulled:
    """Open a name and read every layer; raises what went wrong first, a platform that cannot be opened included."""
    access = Access(SourceSettings(registry=RegistrySettings(**settings)), Deadline(seconds))
    with access, open_source(location_of(name), None, access) as opened:
        return read(opened)


def read(opened: Opened) -> Pulled:
    """Read every layer of what was opened."""
    for error in opened.failed.values():
        assert isinstance(error, Unavailable)
        raise error
    images = {}
    for image in opened.images:
        tars = []
        for layer in image.layers:
            hashed = hashlib.sha256()
            for chunk in tar_stream(layer):
                hashed.update(chunk)
            tars.append(hashed.hexdigest())
        images[str(image.digest)] = (image.config_bytes, tuple(tars))
    return Pulled(str(opened.digest), images, tuple(opened.left_out))
