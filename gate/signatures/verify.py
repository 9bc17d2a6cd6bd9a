"""Verify one signature under a trust: pure, without network, disk or clock.

The procedure, under each trusted root until one accepts; each number stands at its line:

1. Timestamps: every one must be of an authority of the root, over this signature.
2. Promises: every one must be of a log of the root. Timestamps and promises are the trusted times.
3. What the root demands must be there: a time of signing, and an entry in a log.
4. The certificate is one for signing code, and has a path to an authority of the root that holds at every trusted time.
5. The certificate is in a certificate log of the root (SCT).
6. The signature is of the certificate's key, or of a trusted key, over the bytes that were found.
7. Every log entry is proven to be in the log, whose key was valid at every trusted time, and records this very material.
8. The certificate names one subject and one issuer.

What the root cannot judge (timestamps where it has no authorities, entries where it has no logs) does not count; what it can
judge must hold. With a key, 6 comes first, and without any root it is all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.signatures import (
    NEWER_ROOT,
    Authority,
    Demand,
    Identity,
    LogEntry,
    LogKey,
    Material,
    PublicKey,
    Refused,
    Signer,
    Trust,
    TrustedRoot,
    certificate,
    dsse,
    entry_body,
    keys,
    sct,
    timestamp,
    transparency,
)

if TYPE_CHECKING:
    from cryptography import x509


class _Vouched(Struct, frozen=True):
    """What a root's authorities and logs say of a signature: trusted times, and the entries that count."""

    times: tuple[datetime, ...]
    timestamped: bool
    entries: tuple[LogEntry, ...]


def verify(material: Material, trust: Trust) -> Signer:
    """Return who signed; raises `Refused`, with the reason, for a signature that this trust does not believe.

    What the signature is about is not looked at: compare `statement_of` or `claim_of` with the image.
    """
    if material.certificates:
        if not trust.roots:
            raise Refused("it was signed with a certificate, and no root is trusted that could vouch for it")
        return _any_root(trust, lambda root: _by_certificate(material, root, trust))
    key = _signing_key(material, trust.keys)
    if not trust.roots:
        return Signer(key=key.fingerprint)
    return _any_root(trust, lambda root: _by_key(material, key, root, trust))


def _any_root(trust: Trust, attempt: Callable[[TrustedRoot], Signer]) -> Signer:
    """Return what the first root that accepts says; raises `Refused` with the reasons of all."""
    errors = []
    for root in trust.roots:
        try:
            return attempt(root)
        except Refused as error:
            errors.append((root, error))
    if len(errors) == 1:
        raise errors[0][1]
    hints = dict.fromkeys(error.hint for _, error in errors if error.hint)
    raise Refused("; ".join(f"{root.name}: {error.message}" for root, error in errors), hint="; ".join(hints))


def _by_certificate(material: Material, root: TrustedRoot, trust: Trust) -> Signer:
    """Verify a signature with a certificate under one root."""
    leaf = certificate.load(material.certificates[0], "the certificate")
    if len(material.certificates) == 1 and root.authorities:
        # Else what an instance of others signed would be refused for its log or timestamp, which says nothing of the cause.
        certificate.refuse_stranger(leaf, root.authorities)
    demands = _demands(_sharing_authority(root, trust.roots), trust.without - {"timestamp"})
    vouched = _vouched(material, root, demands)
    certificate.refuse_profile(leaf)  # 4
    issuers = [_issuer(leaf, material, root.authorities, time) for time in vouched.times]  # 4
    if "sct" in demands:
        sct.verify(leaf, issuers[0], root.certificate_logs)  # 5
    key = certificate.key_of(leaf)
    _verify_signature(material, key)  # 6
    _verify_entries(material, vouched, root.logs, keys.spki_of(key))  # 7
    return _signer(vouched, root, identity=certificate.identity_of(leaf))  # 8


def _by_key(material: Material, key: PublicKey, root: TrustedRoot, trust: Trust) -> Signer:
    """Verify under one root what a signature of a trusted key came with; any of the roots may have been used with it."""
    vouched = _vouched(material, root, _demands(trust.roots, trust.without))
    _verify_entries(material, vouched, root.logs, key.spki)  # 7
    return _signer(vouched, root, key=key.fingerprint)


def _demands(roots: Sequence[TrustedRoot], without: frozenset[Demand]) -> frozenset[Demand]:
    """Return all that any of the roots demands, less what the policy gave up.

    Roots that vouch for the same signers are asked together: a laxer one must not let pass what a stricter one forbids.
    """
    demands: set[Demand] = {"timestamp"}
    if any(root.logs for root in roots):
        demands.add("log")
    if any(root.certificate_logs for root in roots):
        demands.add("sct")
    return frozenset(demands) - without


def _sharing_authority(root: TrustedRoot, roots: Sequence[TrustedRoot]) -> list[TrustedRoot]:
    """Return the roots with a certificate authority that a root has too, itself among them."""
    own = {der for authority in root.authorities for der in authority.chain}
    return [other for other in roots if any(own & {*authority.chain} for authority in other.authorities)]


def _vouched(material: Material, root: TrustedRoot, demands: frozenset[Demand]) -> _Vouched:
    """Collect the trusted times and the entries that count under a root; raises `Refused` if what it demands is missing."""
    stamps = _stamped_times(material, root.timestamp_authorities)  # 1
    entries = material.entries if root.logs else ()
    if "log" not in demands:
        entries = tuple(entry for entry in entries if transparency.known(entry, root.logs))
    promises = [transparency.promised_time(entry, root.logs) for entry in entries if entry.promise]  # 2
    if "log" in demands and not entries:  # 3
        raise Refused(
            "it is in no transparency log", hint="a policy can give up that demand, if signers upload nothing"
        )
    if "timestamp" in demands and not stamps + promises:  # 3
        raise Refused("nothing that is trusted attests when it was signed")
    return _Vouched((*stamps, *promises), bool(stamps), entries)


def _stamped_times(material: Material, authorities: Sequence[Authority]) -> list[datetime]:
    """Return what the timestamps say; nothing where a root has no authorities that could have made them.

    They are over the signature, but for older cosign's attestations over the whole envelope (`VerifyRFC3161Timestamp`).
    """
    if not authorities:
        return []
    stamped = material.envelope or material.signature
    return [timestamp.time_of(data, stamped, authorities) for data in material.timestamps]


def _issuer(
    leaf: x509.Certificate, material: Material, authorities: Sequence[Authority], time: datetime
) -> x509.Certificate:
    """Return what issued the certificate, by the first authority that vouches for it at a time."""
    reasons = []
    for authority in authorities:
        try:
            return certificate.issuer_at(leaf, material.certificates[1:], authority, time)
        except Refused as error:
            reasons.append(error.message)
    raise Refused("; ".join(reasons) or "the root has no certificate authority", hint=NEWER_ROOT)


def _signing_key(material: Material, trusted: Sequence[PublicKey]) -> PublicKey:
    """Return the trusted key that made a signature; hints at keys are not believed, so each is tried."""
    if not trusted:
        raise Refused("it was signed with a key, and no key is trusted")
    for candidate in trusted:
        with suppress(Refused):
            _verify_signature(material, keys.load(candidate.spki, "a trusted key"))  # 6
            return candidate
    raise Refused("it was made by none of the trusted keys, or over other bytes")


def _verify_signature(material: Material, key: keys.Key) -> None:
    """Raise `Refused` unless a key made the signature over what was found."""
    if material.message_digest is not None:
        keys.verify_digest(key, material.signature, material.message_digest)
    else:
        keys.verify(key, material.signature, dsse.signed_bytes(material))


def _verify_entries(material: Material, vouched: _Vouched, logs: Sequence[LogKey], spki: bytes) -> None:
    """Raise `Refused` unless every entry that counts is in its log, and records this signature of this key."""
    for entry in vouched.entries:
        log = transparency.log_at(entry, logs, vouched.times)
        if entry.proof is not None:
            transparency.verify_inclusion(entry, entry.proof, log)
        elif not entry.promise:
            raise Refused("the log entry has neither a promise nor a proof")
        entry_body.verify(entry, material, spki)


def _signer(
    vouched: _Vouched, root: TrustedRoot, *, key: str = "", identity: Identity | None = None
) -> Signer:
    """Put together what was established."""
    entry = vouched.entries[0] if vouched.entries else None
    return Signer(
        key=key,
        identity=identity,
        root=root.name,
        log=next((log.name for log in root.logs if entry and log.log_id == entry.log_id), ""),
        log_index=entry.index if entry else None,
        signed_at=min(vouched.times, default=None),
        timestamped=vouched.timestamped,
    )
