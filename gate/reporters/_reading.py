"""Read a JSON report back: what an earlier run said, to be compared with."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

import msgspec

from gate.errors import InvalidInput, MalformedImage
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.reporters._document import ReportDocument, ResultDocument, VerdictDocument
from gate.rule import Severity

T = TypeVar("T")

HINT = "`image-gate check --output json=FILE` writes one"


def read_report(path: str) -> ReportDocument:
    """Read a report that this version or an earlier one wrote; raises `InvalidInput`."""
    document = read_as(path, ReportDocument)
    _check_severities(document, path)
    return document


def read_as(path: str, kind: type[T]) -> T:
    """Read the parts of a report that `kind` names; raises `InvalidInput`."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMITS.report + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"the report {path!r} cannot be read: {reason}", hint=HINT) from None
    try:
        return msgspec.convert(strict_json.parse(data, path, limit=LIMITS.report), kind)
    except MalformedImage as error:
        raise InvalidInput(error.message, hint=HINT) from None
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{path} is no report of image-gate: {error}", hint=HINT) from None


def day_of(document: ReportDocument, path: str) -> date:
    """Return the day of a report, in UTC; raises `InvalidInput` where it states none."""
    started = document.run.get("started")
    try:
        return datetime.fromisoformat(str(started)).date()
    except ValueError:
        raise InvalidInput(f"{path} does not say when it was made", hint=HINT) from None


def label(verdict: VerdictDocument) -> str:
    """Say in words which image a verdict is about."""
    platform = f" ({verdict.subject.platform})" if verdict.subject.platform else ""
    return f"{verdict.subject.reference}{platform}"


def severity_of(word: str) -> Severity:
    """Return the severity of a word that was checked when the report was read."""
    return Severity[word.upper()]


def _check_severities(document: ReportDocument, path: str) -> None:
    """Refuse severities that there are not."""
    known = {str(severity) for severity in Severity}
    for verdict in document.verdicts:
        for word in (word for result in verdict.results for word in _severities(result)):
            if word not in known:
                raise InvalidInput(f"{path}: there is no severity {word[:40]!r}", hint=HINT)


def _severities(result: ResultDocument) -> list[str]:
    """Return every severity that a result states."""
    return [result.severity, *(finding.severity for finding in (*result.findings, *result.set_aside))]
