"""scan-attested: somebody whom the policy names attested a recent scan of this very image for vulnerabilities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from gate.evidence import Attestation, Attestations, Subject
from gate.options import describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._predicates import ALIASES, Pointer, is_version_of, of_type, shown
from gate.rules._signers import SignersOptions, judged

_IN_TOTO = "https://in-toto.io/attestation/vulns"
_FINISHED = Pointer("/metadata/scanFinishedOn")
"""Where both kinds say when the scan ended (cosign's COSIGN_VULN_ATTESTATION_SPEC, in-toto's vulns)."""
_SKEW = timedelta(minutes=10)
"""By which clocks may differ: a scan that ends after it was signed, or after today, is of no clock that tells the time."""


class ScanAttestedOptions(SignersOptions):
    """What `scan-attested` can be told."""

    max_age_days: Annotated[
        int,
        describe(
            "Oldest accepted scan, in days: what was published since then it could not know.", ge=1, le=3650
        ),
    ] = 7


def check(
    attestations: Attestations, subject: Subject, options: ScanAttestedOptions
) -> Iterator[Finding | Remark]:
    """Look for an attestation of a scan that is young enough, by the time that it states and by when it was signed."""
    wanted = of_type(
        attestations,
        options,
        lambda found: found == ALIASES["vuln"] or is_version_of(found, _IN_TOTO),
    )

    def fault(attestation: Attestation) -> str:
        return _too_old(attestation, subject.checked_at, timedelta(days=options.max_age_days))

    return judged(wanted, options, "attested scans", fault)


def _too_old(attestation: Attestation, now: datetime, oldest: timedelta) -> str:
    """Say why a scan is not recent; empty if it is.

    The signer states the time of the scan. A log or authority attests when that was signed, and the scan was before.
    """
    stated = _FINISHED.of(attestation.predicate)
    finished = _time(stated)
    if finished is None:
        return f"it does not say when the scan ended: {_FINISHED} is {shown(stated)}"
    signed = attestation.signer.signed_at
    if finished > (now if signed is None else min(now, signed)) + _SKEW:
        return f"it says that the scan ended on {finished:%Y-%m-%d}, after it was signed or after today"
    if now - finished > oldest:
        return f"the scan ended on {finished:%Y-%m-%d}, {(now - finished).days} days ago; at most {oldest.days} are accepted"
    return ""


def _time(value: object) -> datetime | None:
    """Read a time of RFC 3339; None for what is none, or names no zone."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


RULE = Rule(
    id="scan-attested",
    title="A recent scan for vulnerabilities is attested",
    rationale=(
        "An attestation of a scan stays valid for ever, and what it says is as old as the scan: a clean result of last year can "
        "be shown beside any image that has not changed since. So it counts only while the scan is recent, by the signer's word "
        "and by the time at which that was signed. What the scan found is for `attested` to judge, or for a scan of our own."
    ),
    remediation=(
        "Scan again and attest the result: `cosign attest --type vuln --predicate FILE NAME@sha256:…`; a nightly job keeps it "
        "recent."
    ),
    severity=Severity.MEDIUM,
    check=check,
)
