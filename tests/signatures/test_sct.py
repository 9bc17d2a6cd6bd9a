from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from msgspec.structs import replace

from gate.limits import LIMITS
from gate.signatures import LogKey, Refused, Window, sct
from tests.kit import der
from tests.kit.sigstore import NOW, Signing, Sigstore, new_key, spki

INSTANCE = Sigstore()
(ROOT,) = INSTANCE.roots()
LOGS = ROOT.certificate_logs
MILLISECOND = timedelta(milliseconds=1)


def verify(leaf: x509.Certificate, logs: tuple[LogKey, ...] = LOGS) -> None:
    sct.verify(leaf, INSTANCE.intermediate, logs)


def issued(signing: Signing | None = None) -> x509.Certificate:
    return INSTANCE.certificate(new_key(), signing or Signing())


def test_an_sct_of_a_known_log_is_accepted() -> None:
    verify(issued())
    verify(issued(), (replace(LOGS[0], log_id=bytes(32)), *LOGS))


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        ((), "the certificate's SCT is from an unknown certificate log"),
        ((replace(LOGS[0], log_id=bytes(32)),), "the certificate's SCT is from an unknown certificate log"),
        ((replace(LOGS[0], spki=spki(new_key())),), "the certificate's SCT does not verify"),
        ((replace(LOGS[0], spki=b"garbage"),), "is not a public key that can be read"),
        (
            (replace(LOGS[0], window=Window(None, NOW - MILLISECOND)),),
            "the key of the certificate log 'https://ct.sigstore.test' was not valid at 2026-01-15 12:00:00",
        ),
    ],
)
def test_an_sct_of_another_log_is_refused(logs: tuple[LogKey, ...], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        verify(issued(), logs)
    assert reason in refused.value.message


def test_an_sct_is_for_one_issuer() -> None:
    with pytest.raises(Refused, match="the certificate's SCT does not verify"):
        sct.verify(issued(), INSTANCE.root, LOGS)


def with_scts(*scts: bytes) -> x509.Certificate:
    items = b"".join(len(item).to_bytes(2, "big") + item for item in scts)
    value = der.octets(len(items).to_bytes(2, "big") + items)
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
    return issued(Signing(sct=False, own=((x509.UnrecognizedExtension(oid, value), False),)))


def raw(milliseconds: int) -> bytes:
    """An SCT with any time and a signature that is none."""
    return (
        b"\x00" + LOGS[0].log_id + milliseconds.to_bytes(8, "big") + b"\x00\x00" + b"\x04\x03" + b"\x00\x01x"
    )


def test_a_time_beyond_all_calendars_is_refused() -> None:
    with pytest.raises(Refused, match="has a time beyond all calendars"):
        verify(with_scts(raw(2**63)))


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(Refused, match="has an empty list of SCTs"):
        verify(with_scts())


def test_a_list_is_bounded() -> None:
    with pytest.raises(Refused, match="has 17 SCTs"):
        verify(with_scts(*[raw(0)] * (LIMITS.signed_certificate_timestamps + 1)))


def test_an_sct_for_other_bytes_is_refused() -> None:
    with pytest.raises(Refused, match="the certificate's SCT does not verify"):
        verify(with_scts(raw(int(NOW.timestamp() * 1000))))
