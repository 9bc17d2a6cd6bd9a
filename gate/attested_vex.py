"""VEX documents that somebody whom the policy names attested about one image: as evidence, and as reports tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import msgspec
from msgspec import Struct

from gate.errors import InvalidInput, Unavailable, kept
from gate.evidence import Attestation, Attestations, Evidence, RefusedSignature, Signature, Subject
from gate.rules._predicates import ALIASES, is_version_of, of_type
from gate.rules._signers import SignersOptions, distinct, named, parted
from gate.vex import Document, ImageIdentity
from gate.vex.read import read_predicate

_LISTED = 20
"""What does not count that a report names for one image: anyone who may push can attach any number."""
_REASON = 500
"""Characters of a reason: it can repeat what a stranger signed."""


class AttestedVex(Struct, frozen=True):
    """What was attested about one image: the documents that count, what does not, and why not all of it is known."""

    documents: tuple[Document, ...] = ()
    refused: tuple[RefusedSignature, ...] = ()
    missing: tuple[Unavailable, ...] = ()


def attested_vex(evidence: Evidence, options: SignersOptions, subject: Subject) -> AttestedVex:
    """Return the VEX documents among the attestations of an image.

    1. An attestation counts if it was verified, is of a type of VEX, and is of a signer that the policy lists.
    2. Where the policy wants several signers, each must have attested the same document.
    3. It is read as strictly as a file. What names no product is about the image whose digest was attested.
    4. Where a place gave no answer, or a document of a listed signer cannot be read, none counts: the newest statement may
       be there, and it may say that the image is affected after all.
    """
    found = kept(lambda: evidence.get(Attestations))
    if isinstance(found, Unavailable):
        return AttestedVex(missing=(found,))
    parts = parted(of_type(found, options, _is_vex), options, lambda _: "")  # 1
    refused, missing, documents = list(parts.refused), list(found.missing), []
    for attested in _by_document(parts.counted):
        chosen = distinct(attested)
        if len(chosen) < options.threshold:  # 2
            reason = (
                f"{len(chosen)} of {options.threshold} signers that are needed attested this VEX document"
            )
            refused.append(RefusedSignature(chosen[0].manifest, chosen[0].place, reason))
            continue
        read = kept(partial(_document, attested[0][0], chosen, subject))  # 3
        if isinstance(read, Unavailable):
            missing.append(read)
        elif read.statements or read.refused:
            documents.append(read)
    return AttestedVex(() if missing else tuple(documents), tuple(refused), tuple(missing))  # 4


def attested_facts(found: Mapping[str, AttestedVex]) -> Mapping[str, object]:
    """Return what a report tells of attested VEX beside the documents themselves, by what images are called in it."""
    if not found:
        return {}
    images = [
        {
            "image": image,
            "documents": [document.name for document in vex.documents],
            "refused": [_refusal(one) for one in vex.refused[:_LISTED]],
            "refused_count": len(vex.refused),
            "no_answer": [error.message for error in vex.missing],
        }
        for image, vex in found.items()
    ]
    return {"attested_vex": images}


def documents_of(found: Iterable[AttestedVex]) -> tuple[Document, ...]:
    """Return all documents, once each: one about an index is attested about every image in it."""
    documents = [document for vex in found for document in vex.documents]
    return tuple({(one.name, one.digest): one for one in documents}.values())


def _is_vex(predicate_type: str) -> bool:
    """Whether attestations of a type can be VEX."""
    return any(is_version_of(predicate_type, ALIASES[name]) for name in ("openvex", "cyclonedx"))


def _states_anything(attestation: Attestation) -> bool:
    """Whether it can hold statements: most attestations of CycloneDX are bills of materials and nothing else."""
    return is_version_of(attestation.predicate_type, ALIASES["openvex"]) or bool(
        attestation.predicate.get("vulnerabilities")
    )


def _by_document(
    counted: Iterable[tuple[Signature, frozenset[int]]],
) -> Iterable[list[tuple[Attestation, frozenset[int]]]]:
    """Return the attestations of each document together, whoever signed them."""
    same: dict[bytes, list[tuple[Attestation, frozenset[int]]]] = {}
    for one, positions in counted:
        if isinstance(one, Attestation) and _states_anything(one):
            same.setdefault(msgspec.json.encode(one.predicate, order="sorted"), []).append((one, positions))
    return same.values()


def _document(attestation: Attestation, signers: Iterable[Signature], subject: Subject) -> Document:
    """Read a document; raises `Unavailable` for one that is not as its format says."""
    origin = f"attestation of {' and '.join(named(one.signer) for one in signers)}"
    name = f"attested in {attestation.manifest[:200]}"
    image = ImageIdentity(
        digest=str(subject.digest)
    )  # proven to be what was attested, or to be in that index
    try:
        return read_predicate(attestation.predicate, name, origin, image)
    except InvalidInput as error:
        raise Unavailable(error.message, hint=error.hint) from None


def _refusal(refused: RefusedSignature) -> dict[str, str]:
    """Say why something does not count."""
    return {"manifest": refused.manifest, "place": refused.place, "reason": refused.reason[:_REASON]}
