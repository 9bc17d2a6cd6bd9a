from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.signatures import Authority, Refused, Window, timestamp
from tests.kit.sigstore import NOW
from tests.kit.timestamp_authority import TimestampAuthority

DAY = timedelta(days=1)
SIGNATURE = b"signature"
TSA = TimestampAuthority(NOW - 30 * DAY, days=60)
STAMP = TSA.stamp(SIGNATURE, NOW)


def authority(tsa: TimestampAuthority = TSA, window: Window | None = None) -> Authority:
    chain = tuple(item.public_bytes(Encoding.DER) for item in (tsa.certificate, tsa.root))
    return Authority("tsa", chain, window or Window(None))


def test_the_time_is_the_one_that_was_stamped() -> None:
    assert timestamp.time_of(STAMP, SIGNATURE, [authority()]) == NOW


def test_any_authority_of_the_root_may_have_stamped() -> None:
    others = [authority(TimestampAuthority(NOW)), authority(window=Window(NOW + DAY)), authority()]
    assert timestamp.time_of(STAMP, SIGNATURE, others) == NOW


@pytest.mark.parametrize(
    ("stamped", "found", "reason"),
    [
        (b"other", authority(), "a timestamp does not verify: it is over other bytes"),
        (SIGNATURE, authority(TimestampAuthority(NOW - DAY)), "a timestamp does not verify"),
        (SIGNATURE, authority(window=Window(NOW + DAY)), "no timestamp authority was trusted at 2026-01-15"),
        (SIGNATURE, authority(window=Window(None, NOW - DAY)), "no timestamp authority was trusted at"),
    ],
)
def test_other_timestamps_are_refused(stamped: bytes, found: Authority, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        timestamp.time_of(STAMP, stamped, [found])


@pytest.mark.parametrize("when", [NOW - 31 * DAY, NOW + 31 * DAY])
def test_the_certificate_must_be_valid_at_the_time(when: datetime) -> None:
    with pytest.raises(Refused, match="a timestamp does not verify"):
        timestamp.time_of(TSA.stamp(SIGNATURE, when), SIGNATURE, [authority()])


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, len(STAMP) - 1), byte=st.integers(0, 255))
def test_a_changed_timestamp_is_refused_or_says_the_same(at: int, byte: int) -> None:
    changed = STAMP[:at] + bytes([byte]) + STAMP[at + 1 :]
    try:
        assert timestamp.time_of(changed, SIGNATURE, [authority()]) == NOW
    except Refused:
        return


@given(st.binary(max_size=200))
def test_bytes_that_are_no_timestamp_are_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="a timestamp is not one that RFC 3161 describes"):
        timestamp.time_of(data, SIGNATURE, [authority()])
