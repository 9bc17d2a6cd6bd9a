"""Images of a container engine: exported once, taken apart into private files, and opened as strictly as an archive.

A registry's digest is only known of what was pulled or pushed; a local build of an engine's classic store has none, and
is identified by the digest of its configuration, which is its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import ImageGateError, IntegrityError, InvalidInput, MalformedImage
from gate.oci import strict_json
from gate.oci.descriptor import Descriptor, Digest, Platform
from gate.oci.image import EngineImage, Opened, Origin
from gate.oci.reference import Reference
from gate.sources import ENGINE, Access, Location
from gate.sources.archive import open_members
from gate.sources.engine_client import Engine, find_engine
from gate.sources.engine_export import Export
from gate.sources.layout import Absent
from gate.sources.resolve import single

_ID = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{64})|(?P<short>[0-9a-f]{12})", re.ASCII)
_LATEST = "latest"
_NOT_HELD = "the engine does not hold it"


def is_id(text: str) -> bool:
    """Whether a text is an image's id: 64 hexadecimal digits, alone or after `sha256:`, or twelve, as engines list them."""
    return _ID.fullmatch(text) is not None


class _Described(Struct, frozen=True):
    """What an engine says of an image: its id, its names, and whether it has a descriptor, as in containerd's store."""

    id: Digest
    tags: tuple[Reference, ...]
    digests: tuple[Reference, ...]
    described: bool


@contextmanager
def open_daemon(location: Location, wanted: Platform | None, access: Access) -> Iterator[Opened]:
    """Open an image that a container engine holds, named or by its id.

    Raises `NoEngine` where there is no engine and `NotInEngine` where it has no such image, `IntegrityError` where what it
    exports is not what it says, and `InvalidInput` for a name or address that cannot be used.
    """
    asked = None if is_id(location.path) else location.name or Reference.parse(location.path)
    with TemporaryDirectory(dir=access.work_dir, prefix="engine-", ignore_cleanup_errors=True) as folder:
        with find_engine(access.settings, access.deadline) as engine:
            found = _described(engine.inspect(location.path if asked is None else _spelled(location, asked)))
            name = _checked(asked, location, found, engine)
            with closing(engine.export(str(found.id))) as chunks:
                export = Export(chunks, Path(folder))
        store = "containerd" if found.described else engine.store
        opened = _open(export, found.id, wanted, store)
        names = (str(name),) if name else tuple(map(str, found.tags))
        images = tuple(
            replace(image, names=names, layers=tuple(map(export.layer, image.layers)))
            for image in opened.images
        )
        held = EngineImage(found.id, found.digests, store, engine.name, engine.version)
        yield replace(opened, images=images, origin=Origin(ENGINE, name, engine=held))


def _spelled(location: Location, asked: Reference) -> str:
    """Return the name as it was written, with the tag that it implies.

    An engine exports every tag of a bare name, and takes one of hexadecimal digits for an id.
    """
    return location.path if asked.tag or asked.digest else f"{location.path}:{_LATEST}"


def _described(body: strict_json.Object) -> _Described:
    """Read what the engine says of an image."""
    what = "the engine's description of the image"
    stated = strict_json.text(body.get("Id"), f"{what}, Id")
    identity = Digest.parse(stated if ":" in stated else f"sha256:{stated}", f"{what}, Id")
    descriptor = body.get("Descriptor")
    if descriptor is not None and Descriptor.from_json(descriptor, what).digest != identity:
        raise IntegrityError(f"{what} gives it two ids")
    return _Described(
        identity,
        _references(strict_json.texts(body.get("RepoTags"), f"{what}, RepoTags")),
        _references(strict_json.texts(body.get("RepoDigests"), f"{what}, RepoDigests")),
        descriptor is not None,
    )


def _references(texts: tuple[str, ...]) -> tuple[Reference, ...]:
    """Parse names; what an engine lists and is none (`<none>:<none>`) names nothing."""
    found = []
    for text in texts:
        try:
            found.append(Reference.parse(text))
        except ImageGateError:
            continue
    return tuple(dict.fromkeys(found))


def _checked(
    asked: Reference | None, location: Location, found: _Described, engine: Engine
) -> Reference | None:
    """Return the full name of what the engine found, or None for an id; raises `IntegrityError` for another image.

    Podman has what it builds under `localhost/`, and finds it without.
    """
    if asked is None:
        match = _ID.fullmatch(location.path)
        if match is None or not found.id.encoded.startswith(match["hex"] or match["short"]):
            raise IntegrityError(
                f"{engine.name} answered {location.path!r} with the image {found.id}",
                hint="an image has that as its name; write the whole id after sha256:",
            )
        return None
    tagged = asked if asked.tag or asked.digest else replace(asked, tag=_LATEST)
    local = replace(tagged, registry="localhost", repository=tagged.repository.removeprefix("library/"))
    short = location.path.startswith(local.repository)
    known = {*found.tags, *found.digests, *(replace(name, tag=tagged.tag) for name in found.digests)}
    for name in (tagged, local) if short else (tagged,):
        if name in known:
            return name
    raise IntegrityError(
        f"{engine.name} answered {location.path!r} with an image of other names:"
        f" {', '.join(map(str, found.tags[:5])) or 'none'}",
        hint="write the name as the engine lists it, with its registry",
    )


def _open(export: Export, identity: Digest, wanted: Platform | None, store: str) -> Opened:
    """Open what was exported, and see that it is the image that the engine described."""
    location = Location(str(identity), "archive", "the engine's export")
    classic = store == "classic"
    try:
        opened = open_members(export.files, location, None if classic else wanted)
    except InvalidInput as error:
        raise MalformedImage(f"{error.message}, where one image was asked for") from None
    if classic:
        return _of_configuration(opened, identity, wanted)
    if opened.digest != identity:
        raise _other(identity, opened.digest)
    failed = {label: error for label, error in opened.failed.items() if not isinstance(error, Absent)}
    absent = {label: _NOT_HELD for label in opened.failed if label not in failed}
    return replace(opened, failed=failed, left_out={**opened.left_out, **absent})


def _of_configuration(opened: Opened, identity: Digest, wanted: Platform | None) -> Opened:
    """Return the one image of a classic store, whose id is the digest of its configuration.

    Newer engines write a manifest as they export it: no registry has that one, so it identifies nothing.
    """
    found = [image.manifest.config.digest for image in opened.images]
    if found != [identity] or opened.failed:
        raise _other(identity, found[0] if found else opened.digest)
    return single(replace(opened.images[0], descriptor=None), wanted)


def _other(identity: Digest, found: Digest) -> IntegrityError:
    """Build the error for an export that is another image."""
    return IntegrityError(
        f"the engine exported {found} where it was asked for {identity}",
        hint="its image store may be damaged; pull or build the image again",
    )
