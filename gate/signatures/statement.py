"""In-toto statements: what a verified payload says of which artifacts (in-toto attestation framework, v0.1 and v1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import Digest
from gate.signatures import Material, Refused
from gate.signatures.proto_json import Fields, parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
TYPES = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a statement that is nothing but cosign's signature."""

_SUBJECT_FIELDS = ("name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations")


class Subject(Struct, frozen=True):
    """An artifact that a statement is about, by its sha256; `annotations` are text by key, as `cosign sign -a` writes them."""

    digest: Digest
    name: str = ""
    annotations: Mapping[str, str] = {}


class Statement(Struct, frozen=True):
    """A statement: subjects that have a sha256, a predicate type, and the predicate as parsed."""

    type: str
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]


def statement_of(material: Material) -> Statement:
    """Read the statement in the payload of a signature that was verified; raises `Refused` for what is none.

    Subjects without a sha256 (a git commit, a URI) are left out: they cannot be compared with an image.
    """
    if material.payload_type != PAYLOAD_TYPE:
        raise Refused(f"what was signed is no in-toto statement: its type is {material.payload_type[:100]!r}")
    found = parse(material.payload, ("_type", "subject", "predicateType", "predicate"), "the statement")
    kind = found.text("_type")
    if kind not in TYPES:
        raise Refused(f"the statement is of an unknown type {kind[:100]!r}")
    predicate_type = found.text("predicateType")
    if not predicate_type:
        raise Refused("the statement does not say what it states: it has no predicateType")
    predicate = found.value.get("predicate")
    if not isinstance(predicate, dict | None):
        raise Refused("the statement's predicate is not an object")
    subjects = [
        _subject(item) for item in found.objects("subject", _SUBJECT_FIELDS, LIMITS.statement_subjects)
    ]
    return Statement(kind, tuple(subject for subject in subjects if subject), predicate_type, predicate or {})


def _subject(found: Fields) -> Subject | None:
    """Read a subject; None for one without a sha256."""
    try:
        digests = strict_json.text_map(found.value.get("digest"), f"{found.what}, digest")
        if "sha256" not in digests:
            return None
        digest = Digest.parse(f"sha256:{digests['sha256']}", f"{found.what}, digest")
    except (MalformedImage, Unavailable) as error:
        raise Refused(error.message) from None
    annotations = found.value.get("annotations")
    if not isinstance(annotations, dict):
        annotations = {}
    texts = {key: value for key, value in annotations.items() if isinstance(value, str)}
    return Subject(digest, found.text("name"), texts)
