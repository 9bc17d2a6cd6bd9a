"""Attested scans, which grow old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gate.rules.scan_attested import ScanAttestedOptions, check
from tests.kit.reports import subject
from tests.kit.trees import messages
from tests.kit.vouched import attestation, attestations, key, options, workflow

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)


def run(finished: object, signed: datetime | None = None, type_: str = VULN, **given: Any) -> list[str]:
    told = options(ScanAttestedOptions, **given)
    signer = replace(key("a"), signed_at=signed)
    found = attestation(signer, type_, {"metadata": {"scanFinishedOn": finished}})
    return messages(list(check(attestations(told, found), replace(subject(), checked_at=NOW), told)))


@pytest.mark.parametrize(
    "finished",
    ["2026-06-30T11:59:00Z", "2026-06-23T12:00:00Z", "2026-06-23T14:00:00.5+02:00", "2026-06-30T12:05:00Z"],
)
@pytest.mark.parametrize(
    "type_", [VULN, "https://in-toto.io/attestation/vulns", "https://in-toto.io/attestation/vulns/v0.2"]
)
def test_a_recent_scan(finished: str, type_: str) -> None:
    assert run(finished, type_=type_) == []


def test_an_old_scan_stays_valid_and_does_not_count() -> None:
    (message,) = run("2026-06-23T11:00:00Z")
    assert "the scan ended on 2026-06-23, 7 days ago; at most 7 are accepted" in message
    assert run("2026-06-23T11:00:00Z", max_age_days=8) == []


def test_a_scan_cannot_end_after_it_was_signed() -> None:
    """Whoever signs an old attestation anew in words, and not in time, is found out by the log."""
    (message,) = run("2026-06-29T00:00:00Z", signed=datetime(2026, 1, 1, tzinfo=UTC))
    assert "ended on 2026-06-29, after it was signed or after today" in message
    assert run("2026-06-29T00:00:00Z", signed=datetime(2026, 6, 29, 1, tzinfo=UTC)) == []
    assert run("2026-07-01T00:00:00Z") != []


@pytest.mark.parametrize(
    "finished",
    [
        None,
        "",
        5,
        {},
        [],
        "yesterday",
        "2026-06-30",
        "2026-06-30T12:00:00",
        "0001-01-01T00:00:00+14:00",
        "2026-06-30T12:00:00Z" * 9,
    ],
)
def test_a_scan_without_a_time(finished: object) -> None:
    (message,) = run(finished)
    assert "it does not say when the scan ended: /metadata/scanFinishedOn is " in message


def test_of_several_the_recent_one_counts() -> None:
    told = options(ScanAttestedOptions)
    days = (0, 30, 400)
    found = [
        attestation(
            workflow(), VULN, {"metadata": {"scanFinishedOn": (NOW - timedelta(days=day)).isoformat()}}
        )
        for day in days
    ]
    mine = [replace(one, signer=key("a")) for one in found]
    today = replace(subject(), checked_at=NOW)
    assert messages(list(check(attestations(told, *mine), today, told))) == []
    (message,) = messages(list(check(attestations(told, *mine[1:]), today, told)))
    assert "30 days ago" in message
    assert "400 days ago" in message


def test_other_attestations_are_no_scans() -> None:
    (message,) = run("2026-06-30T11:59:00Z", type_="https://example.com/x")
    assert message.startswith("there are no attested scans")
