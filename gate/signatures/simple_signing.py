"""Simple signing: the payload of cosign's older signatures (containers/image, docs/containers-signature.5.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.oci.descriptor import Digest
from gate.signatures import Material, Refused
from gate.signatures.proto_json import Fields, parse

TYPES = frozenset({"cosign container image signature", "atomic container signature"})


class Claim(Struct, frozen=True):
    """What was signed: the digest of a manifest, under which name, and what the signer added (`optional`).

    The name is that of the signing and differs after an image was mirrored.
    """

    digest: Digest
    reference: str
    optional: Mapping[str, Any] = {}


def claim_of(material: Material) -> Claim:
    """Read the payload of a simple signature that was verified; raises `Refused` for what is none."""
    if material.payload_type or material.message_digest is not None:
        raise Refused("what was signed is no simple signing payload")
    found = parse(material.payload, ("critical", "optional"), "the signed payload")
    critical = found.object("critical", ("identity", "image", "type"))
    kind = critical.text("type")
    if kind not in TYPES:
        raise Refused(f"the signed payload is of an unknown type {kind[:100]!r}")
    stated = critical.object("image", ("docker-manifest-digest",)).text("docker-manifest-digest")
    try:
        digest = Digest.parse(stated, "the signed digest")
    except (MalformedImage, Unavailable) as error:
        raise Refused(error.message) from None
    identity = Fields(critical.value.get("identity") or {}, ("docker-reference",), "the signed identity")
    optional = found.value.get("optional")
    if not isinstance(optional, dict | None):
        raise Refused("the signed payload's optional part is not an object")
    return Claim(digest, identity.text("docker-reference"), optional or {})
