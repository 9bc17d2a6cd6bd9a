"""What a manifest is by its own bytes: digest, size and media type, whatever the registry says in headers."""

from __future__ import annotations

import hashlib

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.oci import strict_json
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Digest

_KNOWN = INDEX_TYPES | MANIFEST_TYPES
_SCHEMA_1 = frozenset(
    f"application/vnd.docker.distribution.manifest.v1+{form}" for form in ("json", "prettyjws")
)
_SAYS_NOTHING = frozenset(
    {"", "application/json", "application/octet-stream", "binary/octet-stream", "text/plain"}
)
"""What storages and plain web servers call a file that they know nothing about."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


def described(content: bytes, stated: str, digest: Digest | None, what: str) -> Descriptor:
    """Return the descriptor of a manifest or index, which must have `digest` if that is given.

    `stated` is the media type that it came with. Raises `IntegrityError` for other content than was asked for,
    `MalformedImage` where header and body name two kinds of document, and `Unavailable` for what cannot be read here.
    """
    if stated in _PAGES:
        raise Unavailable(
            f"the answer for {what} is a web page",
            hint="this is no registry, or a proxy answers in its place; look at the host's name and the network",
        )
    algorithm = digest.algorithm if digest is not None else "sha256"
    found = Digest(algorithm, hashlib.new(algorithm, content).hexdigest())
    if digest is not None and found != digest:
        raise IntegrityError(
            f"{what} hashes to {found}, not to {digest}",
            hint="the registry, a mirror or a proxy gives other content than was asked for",
        )
    return Descriptor(_media_type(content, stated, what), found, len(content))


def _media_type(content: bytes, stated: str, what: str) -> str:
    """Return the media type, which header and body agree on where both name one."""
    body = strict_json.named_fields(strict_json.parse(content, what), ("schemaVersion", "mediaType"), what)
    own = strict_json.text(body.get("mediaType"), f"{what}, mediaType")
    if stated in _SCHEMA_1 or own in _SCHEMA_1 or body.get("schemaVersion") == 1:
        raise Unavailable(
            f"{what} is of schema 1, which says too little to be checked",
            hint="Docker gave it up in 2019; build and push the image again with a current tool",
        )
    if stated in _SAYS_NOTHING:
        stated = own
    if stated not in _KNOWN or (own and own != stated):
        raise MalformedImage(
            f"{what} says it is {own[:100]!r} and is served as {stated[:100]!r}, where a manifest or index is one thing",
        )
    return stated
