"""Read a VEX document of any format, which its content tells; raises `InvalidInput` for anything not as specified.

A document that is not as its format says is refused as a whole. A statement that is, and that we do not let count, is
kept as refused, so that reports can say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from gate.errors import InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.vex import Document, ImageIdentity

T = TypeVar("T")

HINT = (
    "OpenVEX 0.2 (`vexctl create` writes it), CycloneDX 1.4 to 1.7 in JSON and CSAF 2.0 (csaf_vex) are read"
)
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Part(msgspec.Struct, frozen=True):
    """Base of the parts of a document: unknown fields are passed over, known ones have their type or it is refused."""


def read_vex(data: bytes, name: str, origin: str) -> Document:
    """Read a document, which `name` names in errors and reports; `origin` says why it counts."""
    try:
        plain = strict_json.parse(data, name, limit=LIMITS.vex)
    except MalformedImage as error:
        raise InvalidInput(error.message, hint=HINT) from None
    from gate.vex import csaf, cyclonedx, openvex  # here, because they need this module

    for form in (openvex, cyclonedx, csaf):
        if form.is_one(plain):
            (id_, author), statements, refused = form.read(plain, name)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            return Document(name, origin, digest, form.FORMAT, id_, author, tuple(statements), tuple(refused))
    raise InvalidInput(f"{name} is no VEX document", hint=HINT)


def read_predicate(predicate: Mapping[str, object], name: str, origin: str, image: ImageIdentity) -> Document:
    """Read a document that was attested about `image`, which it need not name again; otherwise as `read_vex`.

    The digest is of the predicate as compact JSON with sorted names: how it was written is the payload's matter.
    """
    from gate.vex import cyclonedx, openvex

    for form in (openvex, cyclonedx):
        if form.is_one(predicate):
            (id_, author), statements, refused = form.read(predicate, name, image)
            data = msgspec.json.encode(predicate, order="sorted")
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            return Document(name, origin, digest, form.FORMAT, id_, author, tuple(statements), tuple(refused))
    raise InvalidInput(f"{name} is no VEX document", hint=HINT)


def converted(plain: object, kind: type[T], name: str) -> T:
    """Turn a parsed document into typed values; raises `InvalidInput`."""
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{name} is no valid VEX document: {error}", hint=HINT) from None


def utc(moment: datetime, name: str) -> datetime:
    """Return a moment in UTC, so that its day is the same wherever it was written; raises `InvalidInput`."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} has a date at the end of all calendars: {moment}", hint=HINT) from None


def bounded(products: int, name: str) -> None:
    """Refuse a document that names too many products; raises `InvalidInput`."""
    if products > LIMITS.vex_products:
        raise InvalidInput(
            f"{name} names more than {LIMITS.vex_products:,} products, each counted once for every statement",
            hint="split it, or leave out what is not about your images",
        )
