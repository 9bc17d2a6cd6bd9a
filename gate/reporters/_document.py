"""The JSON report as types, which are its published schema, and the report turned into them.

The schema only ever grows: a field is never renamed, removed or given another meaning under the same `schema` number.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from gate.options import describe, json_schema
from gate.printable import redacted
from gate.rule import Action, Finding, Location, Remark, Severity
from gate.verdict import Excepted, Outcome, Report, RuleResult, Status, Undecided, Verdict, Vexed
from gate.vex import Status as VexStatus

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"
SeverityName = Annotated[
    str,
    msgspec.Meta(extra_json_schema={"enum": [str(severity) for severity in sorted(Severity, reverse=True)]}),
]


class LocationDocument(msgspec.Struct, frozen=True):
    """Where in the image something is; what does not apply is null."""

    layer: Annotated[str | None, describe("Diff ID of the layer (digest of its uncompressed tar stream).")]
    layer_index: Annotated[int | None, describe("Position of the layer, 0 at the base.")]
    path: Annotated[str | None, describe("Path in the image, with a leading slash.")]
    package: Annotated[str | None, describe("Package URL.")]
    base: Annotated[
        bool | None,
        describe(
            "Whether it comes from the recognised base (true) or from what is above it (false); null where that cannot be told."
        ),
    ] = None


class FindingDocument(msgspec.Struct, frozen=True):
    """One deviation from a rule."""

    message: Annotated[str, describe("What is wrong, for people.")]
    id: Annotated[str, describe("The name it has of its own, such as a CVE; else empty.")]
    severity: SeverityName
    action: Annotated[Action, describe("Whether it closes the gate or only warns.")]
    location: LocationDocument
    remediation: Annotated[str, describe("What to do about it, where that is more than the rule says.")]
    details: Annotated[dict[str, Any], describe("Further facts, by name; they depend on the rule.")]
    unknown: Annotated[
        bool,
        describe("Whether it says that something could not be established, rather than that it is wrong."),
    ] = False


class ExceptedDocument(msgspec.Struct, frozen=True):
    """A finding that a dated exception of the policy, or its baseline, covers."""

    finding: FindingDocument
    reason: Annotated[str, describe("Why the policy accepts it.")]
    until: Annotated[date, describe("The last day on which it does, in UTC.")]
    baseline: Annotated[
        bool,
        describe("Whether the policy's baseline covers it: it was known, and nobody accepted it by name."),
    ] = False


class VexDocument(msgspec.Struct, frozen=True):
    """A finding that a VEX statement takes away."""

    finding: FindingDocument
    status: VexStatus
    justification: Annotated[str, describe("Why it is not affected, in a word of the document's format.")]
    note: Annotated[str, describe("What the statement adds in its own words.")]
    document: Annotated[str, describe("The document's name in the policy or on the command line.")]
    origin: Annotated[str, describe("Why the document counts: policy, or command line.")]
    id: Annotated[str, describe("What the document calls itself.")]
    author: Annotated[str, describe("Who wrote it, as it says itself.")]
    statement: Annotated[int, describe("The statement's place in the document, from 1.")]
    timestamp: Annotated[datetime, describe("The statement's date, else the document's.")]


class RemarkDocument(msgspec.Struct, frozen=True):
    """Something worth knowing that breaks no rule."""

    message: str
    location: LocationDocument


class ResultDocument(msgspec.Struct, frozen=True):
    """What one selected rule says."""

    rule: Annotated[str, describe("The rule's id; `image-gate explain ID` tells about it.")]
    outcome: Outcome
    action: Annotated[Action, describe("What an outcome other than pass does.")]
    blocking: Annotated[
        bool, describe("Whether an unknown outcome keeps the gate closed whatever the policy says.")
    ]
    severity: SeverityName
    reason: Annotated[str, describe("Why the outcome is unknown; else empty.")]
    hint: Annotated[str, describe("What to do about an unknown outcome.")]
    findings: list[FindingDocument]
    excepted: list[ExceptedDocument]
    remarks: list[RemarkDocument]
    title: Annotated[str, describe("What the rule requires, in one sentence.")] = ""
    rationale: Annotated[str, describe("Why it does.")] = ""
    remediation: Annotated[str, describe("How what it finds is fixed.")] = ""
    vex: Annotated[
        list[VexDocument], describe("Findings that VEX statements take away: not affected, or fixed.")
    ] = []

    @property
    def set_aside(self) -> list[FindingDocument]:
        """What was found and does not decide: excepted, known before, or taken away by VEX."""
        return [*(item.finding for item in self.excepted), *(item.finding for item in self.vex)]


class NotRunDocument(msgspec.Struct, frozen=True):
    """A rule that the policy does not select."""

    rule: str
    reason: str


class LeftOutDocument(msgspec.Struct, frozen=True):
    """A platform, or an entry of an index, that was not judged on purpose."""

    platform: str
    reason: str


class PlatformsDocument(msgspec.Struct, frozen=True):
    """Which platforms of the reference were judged in this run, and which were not."""

    checked: list[str]
    left_out: list[LeftOutDocument]
    partial: Annotated[bool, describe("Whether platforms that could be run are among those left out.")]


class SubjectDocument(msgspec.Struct, frozen=True):
    """What was judged."""

    reference: Annotated[str, describe("The reference as given, without credentials.")]
    source: Annotated[str | None, describe("Where it was read from.")]
    digest: Annotated[
        str | None, describe("Digest of the manifest, or of the configuration where there is no manifest.")
    ]
    config_digest: Annotated[str | None, describe("Digest of the image configuration (the image id).")]
    platform: Annotated[str | None, describe("OS/ARCHITECTURE[/VARIANT].")]
    names: Annotated[list[str], describe("The image names that the source or --as gives.")]
    checked_at: Annotated[
        datetime | None, describe("The moment that rules were asked about; null where none was.")
    ] = None


class FindingsDocument(msgspec.Struct, frozen=True):
    """How many findings come from where."""

    base: Annotated[int, describe("From the base.")]
    own: Annotated[int, describe("From what is above the base.")]
    unplaced: Annotated[int, describe("About the image as a whole, or where that cannot be told.")]


class BaseDocument(msgspec.Struct, frozen=True):
    """The base that the image is built on, recognised by its layers."""

    names: Annotated[list[str], describe("The names under which the policy lists these layers.")]
    digest: Annotated[str, describe("What the first of the names stood for.")]
    layers: Annotated[int, describe("How many of the image's layers, from the lowest on, are the base's.")]
    findings: FindingsDocument


class VerdictDocument(msgspec.Struct, frozen=True):
    """What the gate says of one image for one platform; without results where it could not be judged at all."""

    subject: SubjectDocument
    status: Annotated[Status, describe("Only pass opens the gate.")]
    reason: Annotated[str, describe("Why nothing could be judged; empty where rules answered.")]
    hint: Annotated[str, describe("What to do about that.")]
    results: Annotated[list[ResultDocument], describe("Exactly one per selected rule.")]
    not_run: list[NotRunDocument]
    platforms: PlatformsDocument
    evidence: Annotated[
        dict[str, Any], describe("What the verdict rests on: scanners, databases, inventory.")
    ]
    base: Annotated[
        BaseDocument | None, describe("Null where no base is recognised, or no rule asks for it.")
    ] = None


class ReportDocument(msgspec.Struct, frozen=True):
    """The verdicts of one run of image-gate."""

    schema: Annotated[Literal[1], describe("Version of this format; fields are only ever added.")]
    status: Annotated[Status, describe("The worst of all verdicts: fail, then unknown, then pass.")]
    verdicts: list[VerdictDocument]
    run: Annotated[dict[str, Any], describe("Evidence about the run: versions, policy, databases, timings.")]
    as_of: Annotated[
        date | None,
        describe(
            "The day that rules and exceptions were asked about, where it was chosen: then the status is never pass."
        ),
    ] = None


def report_document(report: Report) -> ReportDocument:
    """Turn a report into its JSON form; human texts are freed of credentials."""
    checked: dict[str, list[str]] = {}
    for verdict in report.verdicts:
        checked.setdefault(verdict.subject.reference, []).append(str(verdict.subject.platform))

    def platforms(reference: str) -> PlatformsDocument:
        left_out = report.left_out.get(reference, {})
        return PlatformsDocument(
            sorted(checked.get(reference, ())),
            [LeftOutDocument(name, redacted(left_out[name])) for name in sorted(left_out)],
            reference in report.partial,
        )

    verdicts = [_verdict(verdict, platforms(verdict.subject.reference)) for verdict in report.verdicts]
    verdicts += [_undecided(undecided, platforms(undecided.reference)) for undecided in report.undecided]
    return ReportDocument(1, report.status, verdicts, dict(report.run), report.as_of)


def report_schema() -> dict[str, Any]:
    """Return the JSON schema of the report."""
    (reference,), definitions = json_schema(ReportDocument)
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    return {
        "$schema": SCHEMA_URL,
        **root,
        "title": "image-gate report",
        "$defs": dict(sorted(definitions.items())),
    }


def _verdict(verdict: Verdict, platforms: PlatformsDocument) -> VerdictDocument:
    """Turn one verdict into its JSON form."""
    subject = verdict.subject
    return VerdictDocument(
        subject=SubjectDocument(
            reference=redacted(subject.reference),
            source=redacted(subject.source),
            digest=str(subject.digest),
            config_digest=str(subject.config_digest),
            platform=str(subject.platform),
            names=[str(name) for name in subject.names],
            checked_at=subject.checked_at,
        ),
        status=verdict.status,
        reason="",
        hint="",
        results=[_result(result) for result in verdict.results],
        not_run=[NotRunDocument(rule, verdict.not_run[rule]) for rule in sorted(verdict.not_run)],
        platforms=platforms,
        evidence=dict(verdict.evidence),
        base=_base(verdict) if verdict.bases else None,
    )


def _base(verdict: Verdict) -> BaseDocument:
    """Turn the recognised base into its JSON form."""
    first, counts = verdict.bases[0], verdict.findings_by_base
    return BaseDocument(
        names=list(dict.fromkeys(str(base.name) for base in verdict.bases)),
        digest=str(first.digest),
        layers=len(first.diff_ids),
        findings=FindingsDocument(counts[True], counts[False], counts[None]),
    )


def _undecided(undecided: Undecided, platforms: PlatformsDocument) -> VerdictDocument:
    """Turn what was not judged into a verdict without results."""
    return VerdictDocument(
        subject=SubjectDocument(
            redacted(undecided.reference), None, None, None, undecided.platform or None, []
        ),
        status=undecided.status,
        reason=redacted(undecided.reason),
        hint=redacted(undecided.hint),
        results=[],
        not_run=[],
        platforms=platforms,
        evidence={},
    )


def _result(result: RuleResult) -> ResultDocument:
    """Turn one rule's answer into its JSON form."""
    return ResultDocument(
        rule=result.rule,
        outcome=result.outcome,
        action=result.action,
        blocking=result.blocking,
        severity=str(result.severity),
        reason=redacted(result.reason),
        hint=redacted(result.hint),
        findings=[_finding(finding, result) for finding in result.findings],
        excepted=[_excepted(excepted, result) for excepted in result.excepted],
        remarks=[_remark(remark) for remark in result.remarks],
        title=result.title,
        rationale=result.rationale,
        remediation=result.remediation,
        vex=[_vexed(item, result) for item in result.vex],
    )


def _finding(finding: Finding, result: RuleResult) -> FindingDocument:
    """Turn one finding into its JSON form; severity and action are the rule's unless it states its own."""
    return FindingDocument(
        message=redacted(finding.message),
        id=finding.id,
        severity=str(result.severity if finding.severity is None else finding.severity),
        action=Action.WARN if Action.WARN in (finding.action, result.action) else Action.DENY,
        location=_location(finding.location),
        remediation=redacted(finding.remediation),
        details=dict(finding.details),
        unknown=finding.unknown,
    )


def _excepted(excepted: Excepted, result: RuleResult) -> ExceptedDocument:
    """Turn an excepted finding into its JSON form."""
    return ExceptedDocument(
        _finding(excepted.finding, result), redacted(excepted.reason), excepted.until, excepted.baseline
    )


def _vexed(item: Vexed, result: RuleResult) -> VexDocument:
    """Turn a finding that VEX takes away into its JSON form."""
    statement, document = item.claim.statement, item.claim.document
    return VexDocument(
        finding=_finding(item.finding, result),
        status=statement.status,
        justification=statement.justification,
        note=redacted(statement.note),
        document=redacted(document.name),
        origin=document.origin,
        id=redacted(document.id),
        author=redacted(document.author),
        statement=statement.number,
        timestamp=statement.dated,
    )


def _remark(remark: Remark) -> RemarkDocument:
    """Turn a remark into its JSON form."""
    return RemarkDocument(redacted(remark.message), _location(remark.location))


def _location(location: Location) -> LocationDocument:
    """Turn a location into its JSON form."""
    return LocationDocument(
        location.layer, location.layer_index, location.path, location.package, location.base
    )
