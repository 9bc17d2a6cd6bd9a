"""Scanners' reports out of a signed verdict of the gate, so that an image need not be scanned again (`--reuse-verdict`).

They alone are taken from the verdict. The image is read and every rule is asked as always, as of now: the dates of exceptions,
grace and ages, VEX, tags and signatures may have changed since. So a verdict that failed fails again, with its findings.

1. A verdict counts if it was verified, is of a signer that the policy lists, and is about this very manifest.
2. It must be of the verifier and under the policy that are expected.
3. Of those the newest decides, a failure before a pass. It must be neither older than allowed nor of the future; and where a
   place gave no answer, or one of these signers' cannot be read, a newer one may be there, so none counts.
4. It must be whole: made by this version, and with the report of every scanner that the policy requires on this image.
5. What rules make of these reports must be what was signed (`change`). Where an exception ended since, a database became too
   old, or VEX came, the image is scanned.
"""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gate import __version__
from gate.errors import Unavailable
from gate.evidence import (
    Attestation,
    Attestations,
    EarlierVerdict,
    ScanRuns,
    SignedResult,
    Subject,
    Vulnerabilities,
)
from gate.limits import LIMITS
from gate.policy.policy import Policy
from gate.policy.verdict_reuse import VerdictReuse
from gate.rules._predicates import of_type
from gate.rules._signers import named, parted
from gate.scanners import ScannerReport
from gate.signatures.admission import SKEW, hours, time_of
from gate.signatures.verdict_statement import DETAILS, VerdictDetails
from gate.verdict import Verdict

_SHOWN = 200
"""Characters of what a signer wrote, in a reason."""
_REASONS = 3

Reports = dict[str, ScannerReport]


class _Candidate(Struct, frozen=True):
    """A verdict that is of the right verifier and policy."""

    attestation: Attestation
    details: VerdictDetails
    judged: datetime


def packed(reports: Mapping[str, ScannerReport]) -> str:
    """Return reports as a verdict holds them: JSON, gzip, base64; empty where that is more than a verdict may hold.

    What a report rests on is left out: it names files of this machine.
    """
    data = msgspec.json.encode(
        {name: replace(report, basis=None) for name, report in sorted(reports.items())}
    )
    if len(data) > LIMITS.cached_scan:
        return ""
    text = base64.b64encode(gzip.compress(data, mtime=0)).decode()
    return text if len(text) <= LIMITS.signed_scans else ""


def unpacked(text: str) -> Reports:
    """Return the reports that a verdict holds; raises `Unavailable` for what are none."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(text, validate=True))) as file:
            data = file.read(LIMITS.cached_scan + 1)
        if len(data) > LIMITS.cached_scan:
            raise ValueError(f"it has more than {LIMITS.cached_scan:,} bytes")
        return msgspec.json.decode(data, type=Reports)
    except (ValueError, OSError, EOFError, zlib.error, RecursionError) as error:
        raise Unavailable(f"what scanners said cannot be read from it: {error}") from None


def earlier_verdict(
    found: Attestations, policy: Policy, subject: Subject, max_age: timedelta
) -> tuple[EarlierVerdict, Reports]:
    """Return the verdict that spares a scan and the reports in it; raises the `Unavailable` that says why none does."""
    assert policy.verdict_reuse is not None
    newest = _newest(found, policy, policy.verdict_reuse, subject)
    age, made = subject.checked_at - newest.judged, f"{newest.judged:%Y-%m-%d %H:%M} UTC"
    if age < -SKEW:  # 3
        raise Unavailable(f"the newest was made in the future, at {made}; one of the clocks is wrong")
    if age > max_age:
        raise Unavailable(f"the newest is of {made}, {hours(age)} old, and {hours(max_age)} are allowed")
    return (
        EarlierVerdict(
            manifest=newest.attestation.manifest,
            verifier=newest.details.verifier,
            signer=named(newest.attestation.signer),
            judged=newest.judged,
            status=newest.details.status,
            results={
                one.rule: SignedResult(one.outcome, one.action, one.findings, one.excepted)
                for one in newest.details.rules
            },
        ),
        _reports(newest, policy, subject),
    )


def change(earlier: EarlierVerdict, policy: Policy, verdict: Verdict) -> str:
    """Say what a rule that judges scanners' reports now says otherwise than was signed; empty where none does."""  # 5
    now = {result.rule: result for result in verdict.results}
    for setting in policy.settings:
        if not {ScanRuns, Vulnerabilities} & {*setting.rule.evidence}:
            continue
        result = now[setting.rule.id]
        said = SignedResult(result.outcome, result.action, len(result.findings), len(result.excepted))
        signed = earlier.results.get(setting.rule.id)
        if said != signed:
            return f"{setting.rule.id} was {_told(signed)}, and of the same reports it is {_told(said)} now"
    return ""


def _newest(found: Attestations, policy: Policy, reuse: VerdictReuse, subject: Subject) -> _Candidate:
    """Return the newest verdict of the right signer, verifier and policy."""
    parts = parted(of_type(found, reuse, DETAILS.__eq__), reuse, lambda one: _not_about(one, subject))  # 1
    reasons = [one.reason for one in parts.refused]
    candidates = []
    for attestation, _ in parts.counted:
        assert isinstance(attestation, Attestation)
        candidate = _read(attestation)
        reason = _mismatch(candidate.details, policy, reuse)  # 2
        if reason:
            reasons.append(reason)
        else:
            candidates.append(candidate)
    if found.missing:  # 3
        error = found.missing[0]
        raise Unavailable(
            f"a place that may hold a newer one gave no answer: {error.message}", hint=error.hint
        )
    if not candidates:
        reasons = list(dict.fromkeys(reasons))
        raise Unavailable(
            f"there is none of this image that counts{': ' * bool(reasons)}{'; '.join(reasons[:_REASONS])}"
        )
    return max(candidates, key=lambda one: (one.judged, one.details.status == "fail"))


def _not_about(attestation: Attestation, subject: Subject) -> str:
    """Say why an attestation is not about this manifest; empty where it is."""
    return (
        ""
        if attestation.about == subject.digest
        else "it is about an index, and a verdict is of one platform"
    )


def _read(attestation: Attestation) -> _Candidate:
    """Read the details of a verdict; raises `Unavailable` for what are none."""
    try:
        details = msgspec.convert(attestation.predicate, VerdictDetails)
    except msgspec.ValidationError as error:
        raise Unavailable(f"{attestation.manifest} is no verdict that can be read: {error}") from None
    judged = time_of(details.judged)
    if judged is None:
        raise Unavailable(f"{attestation.manifest} does not say when it was made")
    return _Candidate(attestation, details, judged)


def _mismatch(details: VerdictDetails, policy: Policy, reuse: VerdictReuse) -> str:
    """Say what of a verdict is not what is expected; empty where all is."""
    if details.verifier != reuse.verifier:
        return f"one is of the verifier {details.verifier[:_SHOWN]!r}, not {reuse.verifier!r}"
    if details.policy.digest != policy.digest:
        return f"one was made under the policy {details.policy.digest[:_SHOWN]!r}, not {policy.digest}"
    return ""


def _reports(verdict: _Candidate, policy: Policy, subject: Subject) -> Reports:
    """Return the reports of all scanners that the policy requires, as made when the verdict was."""  # 4
    details = verdict.details
    if details.version != __version__:
        raise Unavailable(
            f"the newest was made by image-gate {details.version[:_SHOWN]}, and this is {__version__}"
        )
    held = unpacked(details.scans) if details.scans else {}
    missing = sorted({*policy.scanners_required} - held.keys())
    if missing:
        raise Unavailable(
            f"the newest does not hold what {' and '.join(missing)} said",
            hint="`image-gate attest` puts it into a verdict where the policy has the section `reuse-verdicts`",
        )
    reports = {}
    for name in policy.scanners_required:
        run = held[name].run
        if (run.scanner, run.image_id) != (name, str(subject.config_digest)):
            raise Unavailable(f"the report of {name} in the newest is not about this image")
        reports[name] = replace(held[name], run=replace(run, reused=run.reused or verdict.judged))
    return reports


def _told(result: SignedResult | None) -> str:
    """Say in a few words what a rule said."""
    if result is None:
        return "not asked"
    return f"{result.outcome} ({result.action}, {result.findings} findings, {result.excepted} excepted)"
