"""What the rules about signatures share: who must have signed, and what becomes of each signature that was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct

from gate.errors import joined
from gate.evidence import (
    PUBLIC_GOOD,
    Attestations,
    RefusedSignature,
    Signature,
    Signatures,
    Signer,
    TrustRequest,
)
from gate.limits import LIMITS
from gate.options import Options, Text, describe
from gate.rule import Finding, Remark
from gate.rules._signer import SignerEntry

_SHOWN = 20
"""Signatures that a report names one by one: anyone who may push can attach any number."""
_IN_MESSAGE = 3
_REASON = 500
"""Characters of a reason: it can repeat what a stranger signed."""


class SignersOptions(Options):
    """Who must have signed."""

    signers: Annotated[
        tuple[SignerEntry, ...],
        describe(
            "Who is believed: keys, identities with their issuers, workflows.",
            min_length=1,
            max_length=LIMITS.trusted_keys,
        ),
    ]
    threshold: Annotated[
        int, describe("How many of them must have signed, each with a key or identity of its own.", ge=1)
    ] = 1
    trusted_roots: Annotated[
        tuple[Text, ...],
        describe(
            "What vouches for identities: `public-good` (the public Sigstore instance), or files trusted_root.json from the "
            "policy's folder on. Empty: public-good.",
            max_length=LIMITS.trusted_roots,
        ),
    ] = ()
    keys_need_log: Annotated[
        bool,
        describe(
            "Whether what keys signed must be in a transparency log of these roots as well: then nobody who stole a key signs unseen."
        ),
    ] = False
    index: Annotated[
        bool,
        describe(
            "Whether it counts that the index was signed by which the image was reached, and not the image alone."
        ),
    ] = True
    dangerously_accept_without: Annotated[
        tuple[Literal["log", "sct", "timestamp"], ...],
        describe(
            "What the roots demand and signatures may lack all the same: an entry in the transparency log (log), in the log of "
            "certificates (sct), a time that somebody attests (timestamp). Whoever stole a key or an issuer then goes unseen."
        ),
    ] = ()

    def __post_init__(self) -> None:
        if self.threshold > len(self.signers):
            raise ValueError(f"threshold is {self.threshold}, and there are {len(self.signers)} signers")
        if self.trusted_roots and not self._identities and not self.keys_need_log:
            raise ValueError(
                "trusted-roots vouch for identities, and only keys are listed; or state keys-need-log: true"
            )

    @property
    def trust(self) -> TrustRequest:
        """What signatures are verified with."""
        keys = tuple(dict.fromkeys(entry.key for entry in self.signers if entry.key is not UNSET))
        roots = self.trusted_roots
        if not roots and (self._identities or self.keys_need_log):
            roots = (PUBLIC_GOOD,)
        without = tuple(sorted(set(self.dangerously_accept_without)))
        return TrustRequest(keys, roots, self.keys_need_log, without)

    @property
    def _identities(self) -> bool:
        """Whether anything but keys is listed."""
        return any(entry.key is UNSET for entry in self.signers)

    @property
    def trust_files(self) -> tuple[str, ...]:
        """The files that it names: they are part of the policy."""
        trust = self.trust
        return tuple(name for name in (*trust.keys, *trust.roots) if name != PUBLIC_GOOD)


class Parted(Struct):
    """The signatures that count, and why each of the others does not."""

    counted: list[tuple[Signature, frozenset[int]]] = []
    """Each with the positions of the signers that it can stand for."""
    refused: list[RefusedSignature] = []


def judged(
    found: Signatures | Attestations,
    options: SignersOptions,
    what: str,
    fault: Callable[[Any], str],
) -> Iterator[Finding | Remark]:
    """Yield what is said of the signatures or attestations of an image, `what` in the plural.

    1. One counts if it was verified, is of a signer that the policy lists, and `fault` finds none.
    2. The signers are counted, each once: two signatures of one key are one signer.
    3. Where that suffices, nothing else matters: neither what lies beside, nor a place that gave no answer.
    4. Where it does not, a place without an answer may hold what is missing, so it is unknown; else it is a finding.
    """
    parts = parted(found, options, fault)  # 1
    chosen = distinct(parts.counted)  # 2
    if len(chosen) >= options.threshold:  # 3
        for signature in chosen:
            yield Remark(described(signature))
        odd = [one for one in parts.refused if not one.attested]
        yield from (Remark(_refusal(one)) for one in odd[:_SHOWN])
        return
    if found.missing:  # 4
        raise joined(list(found.missing))
    yield _finding(found, options, what, chosen, parts.refused)


def described(signature: Signature) -> str:
    """Say who signed, in which manifest it lies, and what attests it and when."""
    signer = signature.signer
    facts = [f"manifest {signature.manifest}"]
    if signature.of_index:
        facts.append(f"of the index {signature.about.short}")
    if signer.log_index is not None:
        facts.append(f"log {signer.log or 'without a name'}, index {signer.log_index}")
    facts.append(
        "at a time that nobody attests"
        if signer.signed_at is None
        else f"{signer.signed_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    return f"signed by {named(signer)} ({', '.join(facts)})"


def named(signer: Signer) -> str:
    """Return who signed: a key by its fingerprint, or an identity and who says so."""
    if signer.identity is None:
        return f"the key {signer.key}"
    return f"{signer.identity.subject} (issuer {signer.identity.issuer})"


def parted(found: Signatures | Attestations, options: SignersOptions, fault: Callable[[Any], str]) -> Parted:
    """Part what counts from what does not."""
    parts = Parted()
    for signature in found.accepted.get(options.trust, ()):
        positions = _positions(signature.signer, options.signers, found.keys)
        reason = ""
        if signature.of_index and not options.index:
            reason = "only the index was signed, which the policy does not accept"
        elif not positions:
            reason = _stranger(signature.signer, options.signers)
        reason = reason or fault(signature)
        if reason:
            parts.refused.append(RefusedSignature(signature.manifest, signature.place, reason))
        else:
            parts.counted.append((signature, positions))
    parts.refused += found.refused.get(options.trust, ())
    return parts


def _positions(
    signer: Signer, entries: Sequence[SignerEntry], keys: Mapping[str, frozenset[str]]
) -> frozenset[int]:
    """Return which of the listed signers somebody is."""
    return frozenset(
        position
        for position, entry in enumerate(entries)
        if (
            entry.key is not UNSET and signer.key in keys.get(entry.key, frozenset())
            if signer.identity is None
            else not entry.mismatch(signer.identity)
        )
    )


def _stranger(signer: Signer, entries: Sequence[SignerEntry]) -> str:
    """Say that a signature holds and is of none of the listed signers; of the only one that could be, what differs."""
    reason = f"it was signed by {named(signer)}, which the policy does not list"
    identity = signer.identity
    others = [entry for entry in entries if entry.key is UNSET]
    if identity is not None and len(others) == 1:
        reason += f": {others[0].mismatch(identity)}"
    return reason


def distinct(counted: Sequence[tuple[Signature, frozenset[int]]]) -> list[Signature]:
    """Return as many signatures as possible that stand each for a listed signer of its own, and are each of another signer.

    A key can be listed twice, and patterns can overlap; so signers are matched with the list (Kuhn's algorithm), and one
    who fits two entries counts once.
    """
    able: dict[str, tuple[Signature, frozenset[int]]] = {}
    for signature, positions in counted:
        able.setdefault(named(signature.signer), (signature, positions))
    taken: dict[int, str] = {}

    def place(who: str, tried: set[int]) -> bool:
        for position in sorted(able[who][1]):
            if position in tried:
                continue
            tried.add(position)
            if position not in taken or place(taken[position], tried):
                taken[position] = who
                return True
        return False

    for who in able:
        place(who, set())
    return [able[who][0] for _, who in sorted(taken.items())]


def _finding(
    found: Signatures | Attestations,
    options: SignersOptions,
    what: str,
    chosen: Sequence[Signature],
    refused: Sequence[RefusedSignature],
) -> Finding:
    """Say what is missing, and why what was found does not suffice."""
    digests = " or ".join(digest.short for digest in found.digests)
    if chosen:
        message, identifier = f"{len(chosen)} of {options.threshold} signers that are needed", "too-few"
    elif refused:
        message, identifier = f"none of the {what} of {digests} counts", "refused"
    else:
        message, identifier = f"there are no {what} of {digests}", "none"
    reasons = list(dict.fromkeys(one.reason[:_REASON] for one in refused))
    if reasons:
        message += ": " + "; ".join(reasons[:_IN_MESSAGE])
        message += f"; and {len(reasons) - _IN_MESSAGE} other reasons" if len(reasons) > _IN_MESSAGE else ""
    return Finding(
        message,
        id=identifier,
        details={
            "digests": [str(digest) for digest in found.digests],
            "signers": [str(entry) for entry in options.signers],
            "needed": options.threshold,
            "accepted": [described(signature) for signature in chosen],
            "refused": [
                {"manifest": one.manifest, "place": one.place, "reason": one.reason[:_REASON]}
                for one in refused[:_SHOWN]
            ],
            "refused_count": len(refused),
        },
    )


def _refusal(refused: RefusedSignature) -> str:
    """Say why something that was found does not count, beside others that do."""
    return f"does not count: {refused.reason[:_REASON]} (manifest {refused.manifest})"
