"""Timestamps of an authority over a signature (RFC 3161)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rfc3161_client import TimeStampResponse, decode_timestamp_response
from rfc3161_client.verify import VerifierBuilder

from gate.signatures import NEWER_ROOT, Authority, Refused, certificate, keys


def time_of(data: bytes, stamped: bytes, authorities: Sequence[Authority]) -> datetime:
    """Return the time that one of the authorities attests for some bytes; raises `Refused` where none does.

    The authority's certificates must be valid at that time, not now, and so must its window.
    """
    try:
        with keys.contained():
            response = decode_timestamp_response(data)
            time = response.tst_info.gen_time
    except ValueError:
        raise Refused("a timestamp is not one that RFC 3161 describes") from None
    in_time = [authority for authority in authorities if authority.window.covers(time)]
    if not in_time:
        raise Refused(f"no timestamp authority was trusted at {time:%Y-%m-%d %H:%M:%S}", hint=NEWER_ROOT)
    for authority in in_time:
        if _holds(response, stamped, authority):
            return time
    raise Refused(
        "a timestamp does not verify: it is over other bytes, of an unknown authority, or its certificate had ended"
    )


def _holds(response: TimeStampResponse, stamped: bytes, authority: Authority) -> bool:
    """Return whether a timestamp is an authority's over these bytes."""
    chain = [certificate.load(der, f"a certificate of {authority.name!r}") for der in authority.chain]
    verifier = VerifierBuilder(tsa_certificate=chain[0], intermediates=chain[1:-1], roots=[chain[-1]]).build()
    try:
        with keys.contained():
            return verifier.verify_message(response, stamped)
    except Exception:  # noqa: BLE001 -- beside its own errors the library passes on those of the certificates in a timestamp
        return False
