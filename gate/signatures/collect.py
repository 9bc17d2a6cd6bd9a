"""Collect the signatures and attestations of one image: find, verify, and only then read what was signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.errors import Fault, Unavailable
from gate.evidence import (
    Attestation,
    Attestations,
    RefusedSignature,
    Signature,
    Signatures,
    Signer,
    TrustRequest,
)
from gate.oci.descriptor import Digest
from gate.oci.image import Opened
from gate.signatures import Material, Refused, bundle, legacy, simple_signing, statement
from gate.signatures.discovery import Budget, Candidate, Exhausted, Item
from gate.signatures.discovery_files import in_file
from gate.signatures.discovery_layout import in_layout
from gate.signatures.discovery_registry import OldVerdicts, in_repository
from gate.signatures.subjects import Subjects
from gate.signatures.trusting import Trusts
from gate.signatures.verify import verify
from gate.sources import Access

if TYPE_CHECKING:
    from gate.signatures.second_opinion import SecondOpinion

ABOUT_ANOTHER = "it is about another image"
"""How the reason begins why a signature that holds is refused: it may be one of another platform."""


class Bundles(Struct, frozen=True):
    """A file of bundles that the caller named: its name, and its bytes."""

    name: str
    data: bytes


class Said(Struct, frozen=True):
    """What was signed, read from a payload whose signature holds: about which digests, and the claims beside each.

    `predicate_type` is empty for a signature, which says no more than that.
    """

    claims: Mapping[Digest, Mapping[str, str]]
    predicate_type: str = ""
    predicate: Mapping[str, object] = {}


class Searches:
    """The searches of one run, which pass over `old` verdicts.

    What is found for an index is kept while its images are judged one after another.
    """

    def __init__(self, bundles: tuple[Bundles, ...], access: Access, old: OldVerdicts | None = None) -> None:
        self._bundles = bundles
        self._old = old
        self._access = access
        self._kept: tuple[object, list[Item]] = (None, [])

    def items(self, subjects: Subjects, opened: Opened) -> Iterator[Item]:
        """Yield everything that may be a signature of an image: in files, beside it in its layout, and in registries.

        Raises `Unavailable` where there is no place to look at: then nothing is known.
        """
        if not (subjects.repositories or self._bundles or opened.open_blob):
            raise Unavailable(
                "nobody says where signatures of this image are",
                hint="name its registry with --as NAME, or files of signatures with --bundle FILE",
            )
        manifest, *indexes = subjects.digests
        budget = Budget()
        in_files = chain.from_iterable(in_file(one.name, one.data, budget) for one in self._bundles)
        yield from self._bounded(chain(in_files, self._of(manifest, subjects, opened, budget)))
        for index in indexes:
            asked = (index, subjects.repositories, opened.listed)
            if self._kept[0] != asked:
                self._kept = (asked, list(self._bounded(self._of(index, subjects, opened, Budget()))))
            yield from self._kept[1]

    def _of(self, digest: Digest, subjects: Subjects, opened: Opened, budget: Budget) -> Iterator[Item]:
        """Yield what is found for one digest, in the layout and in registries."""
        yield from in_layout(opened, digest, budget)
        for name in subjects.repositories:
            yield from in_repository(self._access.registry, name, digest, budget, self._old)

    def _bounded(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield items until the budget or the time of the run is over."""
        try:
            for item in items:
                self._access.deadline.check()
                yield item
        except Exhausted as error:
            yield error


def collected(
    subjects: Subjects, items: Iterator[Item], trusted: Mapping[TrustRequest, Trusts]
) -> tuple[Signatures, Attestations]:
    """Verify what was found under everything that rules trust, and part signatures from attestations.

    1. A signature is taken apart. What cannot be is refused whatever is trusted.
    2. It is verified under each trust; where sigstore-python covers its shape, that must agree.
    3. What was signed is read, and must be about the image, by digest.
    4. A signature and an attestation are two things: neither counts as the other.
    """
    found = _Found(subjects.digests, trusted)
    for item in items:
        if isinstance(item, Unavailable):
            found.missing.append(item)
        elif isinstance(item, RefusedSignature):
            found.refuse(item)
        else:
            try:
                found.add(item)
            except Unavailable as error:
                found.missing.append(error)
            except Exception as error:  # noqa: BLE001 -- bytes that no parser expected: it may be the good one
                found.missing.append(Fault("the verification of a signature", error))
    return found.signatures(), found.attestations()


class _Kept(Struct):
    """What was made of all items under one trust."""

    signatures: list[Signature] = []
    attestations: list[Attestation] = []
    refused: list[RefusedSignature] = []
    no_signatures: list[RefusedSignature] = []
    """Attestations, as they are refused where a signature is needed."""

    def keep(self, made: Signature) -> None:
        """Keep it as what it is."""  # 4
        if not isinstance(made, Attestation):
            self.signatures.append(made)
            return
        self.attestations.append(made)
        reason = f"it is an attestation ({made.predicate_type[:200]}), and only a signature counts as one"
        self.no_signatures.append(RefusedSignature(made.manifest, made.place, reason, attested=True))


class _Found:
    """What was made of all items so far."""

    def __init__(self, digests: tuple[Digest, ...], trusted: Mapping[TrustRequest, Trusts]) -> None:
        self._digests = digests
        self._trusted = trusted
        self._kept = {request: _Kept() for request in trusted}
        self._opinions: dict[str, SecondOpinion] = {}
        self.missing: list[Unavailable] = []

    def add(self, item: Candidate) -> None:
        """Add what may be a signature."""
        try:
            material = material_of(item)  # 1
        except Refused as error:
            self.refuse(_refusal(item, error))
            return
        for request, trusts in self._trusted.items():
            try:
                signer = verify(material, trusts.for_(material))  # 2
                self._confirm(item, material, signer, trusts)  # 2
                made = self._made(item, signer, said_by(material))  # 3
            except Refused as error:
                self._kept[request].refused.append(_refusal(item, error))
                continue
            self._kept[request].keep(made)

    def _confirm(self, item: Candidate, material: Material, signer: Signer, trusts: Trusts) -> None:
        """Have sigstore-python confirm what it covers; raises `Refused` where it disagrees, `Unavailable` where it cannot say."""
        if signer.identity is None:
            return
        # Here, because importing it takes most of a second.
        from gate.signatures.second_opinion import SecondOpinion, covers

        trust = trusts.certificates
        root = next(root for root in trust.roots if root.name == signer.root)
        if not covers(material, root, trust.without):
            return
        if root.name not in self._opinions:
            self._opinions[root.name] = SecondOpinion(root)
        self._opinions[root.name].confirm(item.content, material, signer)

    def refuse(self, refused: RefusedSignature) -> None:
        """Keep what is refused whatever is trusted."""
        for kept in self._kept.values():
            kept.refused.append(refused)

    def _made(self, item: Candidate, signer: Signer, said: Said) -> Signature:
        """Return a signature or attestation that is about the image; raises `Refused`."""
        about = next((digest for digest in self._digests if digest in said.claims), None)
        if about is None:
            named = ", ".join(digest.short for digest in list(said.claims)[:3]) or "nothing with a sha256"
            raise Refused(f"{ABOUT_ANOTHER}: {named}")
        common = (signer, item.manifest, item.place, about, about != self._digests[0], said.claims[about])
        if said.predicate_type:
            return Attestation(*common, said.predicate_type, said.predicate)
        return Signature(*common)

    def signatures(self) -> Signatures:
        """Return the evidence of signatures."""
        return Signatures(
            self._digests,
            {request: tuple(kept.signatures) for request, kept in self._kept.items()},
            {request: (*kept.refused, *kept.no_signatures) for request, kept in self._kept.items()},
            tuple(self.missing),
            self._keys(),
        )

    def attestations(self) -> Attestations:
        """Return the evidence of attestations."""
        return Attestations(
            self._digests,
            {request: tuple(kept.attestations) for request, kept in self._kept.items()},
            {request: tuple(kept.refused) for request, kept in self._kept.items()},
            tuple(self.missing),
            self._keys(),
        )

    def _keys(self) -> dict[str, frozenset[str]]:
        """Return the fingerprints of the keys in each file."""
        keys = [key for trusts in self._trusted.values() for key in trusts.keys.keys]
        return {
            name: frozenset(key.fingerprint for key in keys if key.name == name)
            for name in sorted({key.name for key in keys})
        }


def material_of(candidate: Candidate) -> Material:
    """Take a signature apart as its layout says; raises `Refused`."""
    if candidate.is_bundle:
        return bundle.from_bytes(candidate.content)
    return legacy.from_layer(candidate.media_type, candidate.content, candidate.annotations)


def said_by(material: Material) -> Said:
    """Read what was signed, of a signature that was verified; raises `Refused` for what says nothing of an image."""
    if material.message_digest is not None:
        raise Refused("it signs a file and not an image: `cosign sign` makes signatures of images")
    if not material.payload_type:
        claim = simple_signing.claim_of(material)
        return Said({claim.digest: _texts(claim.optional)})
    found = statement.statement_of(material)
    claims = {subject.digest: subject.annotations for subject in found.subjects}
    if found.predicate_type == statement.SIGNATURE:
        return Said(claims)
    return Said(claims, found.predicate_type, found.predicate)


def _texts(optional: Mapping[str, object]) -> dict[str, str]:
    """Return the claims of a simple signature that are text, as all are that `cosign sign -a` writes."""
    return {key: value for key, value in optional.items() if isinstance(value, str)}


def _refusal(candidate: Candidate, error: Refused) -> RefusedSignature:
    """Say why something does not count."""
    return RefusedSignature(candidate.manifest, candidate.place, str(error))
