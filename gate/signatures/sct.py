"""Signed certificate timestamps inside certificates: a log's word that a certificate was made public (RFC 6962, section 3)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

from gate.limits import LIMITS
from gate.signatures import NEWER_ROOT, LogKey, Refused, certificate, keys

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_1, _CERTIFICATE_TIMESTAMP, _PRECERTIFICATE = 0, 0, 1


def verify(leaf: x509.Certificate, issuer: x509.Certificate, logs: Sequence[LogKey]) -> None:
    """Raise `Refused` unless a log whose key was valid then has signed one of the timestamps in a certificate."""
    try:
        found = list(
            leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
        )
    except x509.ExtensionNotFound:
        raise Refused("the certificate is in no certificate log that is known: it has no SCT") from None
    if len(found) > LIMITS.signed_certificate_timestamps:
        raise Refused(f"the certificate has {len(found)} SCTs")
    errors = []
    for sct in found:
        try:
            _verify_one(sct, leaf, issuer, logs)
        except Refused as error:
            errors.append(error)
        else:
            return
    raise Refused(
        "; ".join(dict.fromkeys(error.message for error in errors))
        or "the certificate has an empty list of SCTs",
        hint="; ".join(dict.fromkeys(error.hint for error in errors if error.hint)),
    )


def _verify_one(
    sct: SignedCertificateTimestamp, leaf: x509.Certificate, issuer: x509.Certificate, logs: Sequence[LogKey]
) -> None:
    """Check one timestamp."""
    known = [log for log in logs if log.log_id == sct.log_id]
    if not known:
        raise Refused("the certificate's SCT is from an unknown certificate log", hint=NEWER_ROOT)
    try:
        time = sct.timestamp.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Refused("the certificate's SCT has a time beyond all calendars") from None
    valid = [log for log in known if log.window.covers(time)]
    if not valid:
        raise Refused(
            f"the key of the certificate log {known[0].name!r} was not valid at {time:%Y-%m-%d %H:%M:%S}",
            hint=NEWER_ROOT,
        )
    key = keys.load(valid[0].spki, f"the key of the certificate log {valid[0].name!r}")
    keys.verify(key, sct.signature, _signed_bytes(sct, leaf, issuer), "the certificate's SCT")


def _signed_bytes(sct: SignedCertificateTimestamp, leaf: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """Return what the log signed: the certificate as it was before it had SCTs (RFC 6962, section 3.2)."""
    milliseconds = (sct.timestamp.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
    issuer_key = keys.spki_of(certificate.key_of(issuer))
    before = leaf.tbs_precertificate_bytes
    return b"".join(
        [
            struct.pack(">BBQH", _VERSION_1, _CERTIFICATE_TIMESTAMP, milliseconds, _PRECERTIFICATE),
            hashlib.sha256(issuer_key).digest(),
            len(before).to_bytes(3, "big"),
            before,
            struct.pack(">H", len(sct.extension_bytes)),
            sct.extension_bytes,
        ]
    )
