"""Decide on an image from a signed verification summary alone (slsa.dev/spec/v1.1/verification_summary, "How to verify").

Pure: signatures were verified before, and that the statement is about the image's digest.

1. Only summaries count, and only of the verifier, the resource and the policy that are expected.
2. Of those the newest decides, so that a later failure is not outweighed by an earlier pass; at the same time, the failure.
3. It must not be older than allowed, nor of the future, and it must say that the image passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from gate.evidence import Attestation
from gate.signatures.verdict_statement import PASSED, SUMMARY

SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_SHOWN = 200


class Expected(Struct, frozen=True):
    """What a summary must say: `verifier` is its URI, `resource` the package URL of the repository (`resource_uri`).

    `policy_digest` is `sha256:…`, and `now` the moment of the decision, with a zone.
    """

    verifier: str
    resource: str
    policy_digest: str
    max_age: timedelta
    now: datetime


class Decision(Struct, frozen=True):
    """Whether an image is admitted: by which summary, verified when; or why not, of each attestation that came near."""

    summary: Attestation | None
    verified: datetime | None = None
    reasons: tuple[str, ...] = ()


def decide(attestations: Iterable[Attestation], expected: Expected) -> Decision:
    """Decide by what was signed of one image."""
    candidates: list[tuple[datetime, bool, Attestation]] = []
    reasons: list[str] = []
    for found in attestations:
        if found.predicate_type != SUMMARY:
            continue  # 1
        time = time_of(found.predicate.get("timeVerified"))
        reason = _mismatch(found.predicate, expected)
        if reason or time is None:
            reasons.append(f"{found.manifest}: {reason or 'it does not say when it was verified'}")
        else:
            candidates.append((time, found.predicate.get("verificationResult") == PASSED, found))
    if not candidates:
        return Decision(None, None, tuple(reasons))
    time, passed, newest = max(candidates, key=lambda one: (one[0], not one[1]))  # 2
    reason = _refusal(time, passed, newest, expected)  # 3
    if reason:
        return Decision(None, time, (f"{newest.manifest}: {reason}",))
    return Decision(newest, time)


def _mismatch(predicate: Mapping[str, Any], expected: Expected) -> str:
    """Say what of a summary is not what was expected; empty where all is."""
    verifier = _at(predicate, "verifier", "id")
    if verifier != expected.verifier:
        return f"its verifier is {_shown(verifier)}, not {expected.verifier!r}"
    resource = _at(predicate, "resourceUri")
    if resource != expected.resource:
        return f"it is about {_shown(resource)}, not {expected.resource!r}"
    digest = _at(predicate, "policy", "digest", "sha256")
    if digest is None or f"sha256:{digest}" != expected.policy_digest:
        return f"the image was judged under the policy {_shown(digest)}, not {expected.policy_digest}"
    return ""


def _refusal(time: datetime, passed: bool, summary: Attestation, expected: Expected) -> str:
    """Say why the newest summary does not admit the image; empty where it does."""
    if time > expected.now + SKEW:
        return f"it was verified in the future, at {time.isoformat()}; one of the clocks is wrong"
    if not passed:
        return f"the verification ended with {_shown(_at(summary.predicate, 'verificationResult'))}"
    age = expected.now - time
    if age > expected.max_age:
        return f"it was verified {hours(age)} ago, and {hours(expected.max_age)} are allowed"
    return ""


def time_of(stated: object) -> datetime | None:
    """Read when an image was verified (RFC 3339); None where that cannot be told."""
    if not isinstance(stated, str) or not _TIME.fullmatch(stated):
        return None
    try:
        return datetime.fromisoformat(stated).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _at(value: Any, *path: str) -> Any:
    """Return what lies at a path of objects; None where nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _shown(value: object) -> str:
    """Quote what a signer wrote; callers make it safe to print."""
    return repr(value)[:_SHOWN] if isinstance(value, str) else "not stated"


def hours(span: timedelta) -> str:
    """Return a time span for people."""
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
