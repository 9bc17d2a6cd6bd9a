"""Timestamps of an authority over a signature (RFC 3161)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rfc3161_client import TimeStampResponse, VerificationError, decode_timestamp_response
from rfc3161_client.verify import VerifierBuilder

from gate.signatures import Authority, Refused, certificate


def time_of(data: bytes, stamped: bytes, authorities: Sequence[Authority]) -> datetime:
    """Return the time that one of the authorities attests for some bytes; raises `Refused` where none does.

    The authority's certificates must be valid at that time, not now, and so must its window.
    """
    try:
        response = decode_timestamp_response(data)
        time = response.tst_info.gen_time
    except ValueError:
        raise Refused("a timestamp is not one that RFC 3161 describes") from None
    reasons = []
    for authority in authorities:
        if not authority.window.covers(time):
            reasons.append(f"{authority.name!r} was not trusted at {time:%Y-%m-%d %H:%M:%S}")
            continue
        try:
            _verify(response, stamped, authority)
        except (VerificationError, ValueError) as error:
            reasons.append(f"{authority.name!r}: {error}")
        else:
            return time
    raise Refused(f"a timestamp is from no trusted authority, or over other bytes ({'; '.join(reasons)})")


def _verify(response: TimeStampResponse, stamped: bytes, authority: Authority) -> None:
    """Check a timestamp under one authority; raises what the library raises."""
    chain = [certificate.load(der, f"a certificate of {authority.name!r}") for der in authority.chain]
    VerifierBuilder(
        tsa_certificate=chain[0], intermediates=chain[1:-1], roots=[chain[-1]]
    ).build().verify_message(response, stamped)
