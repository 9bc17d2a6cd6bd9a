"""A JSON report turned back into the report that it was made from, so that every format can be made from it later.

What is rendered of it is what would have been rendered at first. The statuses are worked out again and must be those that
the file states: a report whose parts contradict each other gives no verdict.
"""

from __future__ import annotations

from datetime import datetime

from gate.errors import ImageGateError, InvalidInput
from gate.evidence import Base, Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.reporters._document import (
    ExceptedDocument,
    FindingDocument,
    LocationDocument,
    ReportDocument,
    ResultDocument,
    VerdictDocument,
    VexDocument,
)
from gate.reporters._reading import HINT, severity_of
from gate.rule import Finding, Location, Remark
from gate.verdict import Excepted, Report, RuleResult, Undecided, Verdict, Vexed
from gate.vex import Claim, Document, Statement


def restored(document: ReportDocument, path: str) -> Report:
    """Return the report that a document was made from; raises `InvalidInput` where it contradicts itself."""
    judged = [verdict for verdict in document.verdicts if verdict.results]
    try:
        report = Report(
            verdicts=tuple(_verdict(verdict, document) for verdict in judged),
            undecided=tuple(_undecided(verdict) for verdict in document.verdicts if not verdict.results),
            left_out={
                verdict.subject.reference: {one.platform: one.reason for one in verdict.platforms.left_out}
                for verdict in document.verdicts
                if verdict.platforms.left_out
            },
            partial=tuple(
                dict.fromkeys(
                    verdict.subject.reference for verdict in document.verdicts if verdict.platforms.partial
                )
            ),
            run=document.run,
            as_of=document.as_of,
        )
    except (ImageGateError, ValueError) as error:
        raise InvalidInput(f"{path} is no report of image-gate: {error}", hint=HINT) from None
    stated = [verdict.status for verdict in judged]
    if report.status is not document.status or [one.status for one in report.verdicts] != stated:
        raise InvalidInput(
            f"{path} contradicts itself: its results amount to {report.status}, and it says {document.status}",
            hint="it was changed after it was written, or cut; make it again",
        )
    return report


def _verdict(document: VerdictDocument, report: ReportDocument) -> Verdict:
    """Restore what rules said of one image; raises `ValueError` or an error of ours for what cannot be."""
    return Verdict(
        subject=_subject(document, report),
        selected=tuple(result.rule for result in document.results),
        results=tuple(_result(result) for result in document.results),
        not_run={one.rule: one.reason for one in document.not_run},
        evidence=document.evidence,
        bases=_bases(document),
    )


def _subject(document: VerdictDocument, report: ReportDocument) -> Subject:
    """Restore what was judged; reports of the first releases say when only for the whole run."""
    subject = document.subject
    return Subject(
        reference=subject.reference,
        source=subject.source or "",
        digest=Digest.parse(subject.digest),
        config_digest=Digest.parse(subject.config_digest),
        platform=_platform(subject.platform),
        names=tuple(Reference.parse(name) for name in subject.names),
        checked_at=subject.checked_at or datetime.fromisoformat(str(report.run.get("started"))),
    )


def _platform(text: str | None) -> Platform:
    """Restore a platform as far as it is written; whatever it holds, it is written the same again."""
    parts = (text or "").split("/", 2)
    return Platform(*parts) if len(parts) > 1 and all(parts) else Platform(text or "", "")


def _bases(document: VerdictDocument) -> tuple[Base, ...]:
    """Restore the recognised base under each of its names; its layers are the lowest of the image's."""
    if document.base is None:
        return ()
    digest = Digest.parse(document.base.digest)
    platform = _platform(document.subject.platform)
    layers = ("",) * document.base.layers
    return tuple(
        Base(Reference.parse(name), digest, digest, platform, layers) for name in document.base.names
    )


def _undecided(document: VerdictDocument) -> Undecided:
    """Restore what was not judged; raises `ValueError` for one that passes."""
    return Undecided(
        document.subject.reference,
        document.subject.platform or "",
        document.reason,
        document.hint,
        document.status,
    )


def _result(document: ResultDocument) -> RuleResult:
    """Restore one rule's answer."""
    return RuleResult(
        rule=document.rule,
        outcome=document.outcome,
        action=document.action,
        severity=severity_of(document.severity),
        findings=tuple(_finding(finding) for finding in document.findings),
        excepted=tuple(_excepted(excepted) for excepted in document.excepted),
        remarks=tuple(Remark(one.message, _location(one.location)) for one in document.remarks),
        reason=document.reason,
        hint=document.hint,
        blocking=document.blocking,
        vex=tuple(_vexed(one) for one in document.vex),
        title=document.title,
        rationale=document.rationale,
        remediation=document.remediation,
    )


def _finding(document: FindingDocument) -> Finding:
    """Restore one finding; its severity and action are its own from here on."""
    return Finding(
        document.message,
        _location(document.location),
        id=document.id,
        severity=severity_of(document.severity),
        action=document.action,
        remediation=document.remediation,
        details=document.details,
        unknown=document.unknown,
    )


def _excepted(document: ExceptedDocument) -> Excepted:
    """Restore one finding that is excepted or known."""
    return Excepted(_finding(document.finding), document.reason, document.until, document.baseline)


def _vexed(document: VexDocument) -> Vexed:
    """Restore a finding that VEX takes away; of the document and its statement there is what the report tells."""
    statement = Statement(
        number=document.statement,
        ids=frozenset(),
        status=document.status,
        dated=document.timestamp,
        products=(),
        justification=document.justification,
        note=document.note,
    )
    stated = Document(
        name=document.document,
        origin=document.origin,
        digest="",
        format="OpenVEX",
        id=document.id,
        author=document.author,
        statements=(statement,),
    )
    return Vexed(_finding(document.finding), Claim(statement, stated))


def _location(document: LocationDocument) -> Location:
    """Restore a place."""
    return Location(document.layer, document.layer_index, document.path, document.package, document.base)
