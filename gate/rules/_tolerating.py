"""How many findings of a severity are tolerated (`at-most`), once it is known which of them count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from gate.rule import Action, Finding
from gate.rules._vulnerability_options import VulnerabilitiesOptions


def settle(findings: Sequence[Finding], options: VulnerabilitiesOptions) -> Iterator[Finding]:
    """Yield the findings that count; of a severity of which no more are left than are tolerated they only warn."""
    denied = Counter(finding.severity for finding in findings if _is_budgeted(finding))
    for finding in findings:
        tolerated = options.at_most.of(str(finding.severity))
        if _is_budgeted(finding) and denied[finding.severity] <= tolerated:
            yield replace(
                finding,
                message=f"{finding.message}; at most {tolerated} of this severity are tolerated",
                action=Action.WARN,
                details={**finding.details, "decided_by": "at-most"},
            )
        else:
            yield finding


def _is_budgeted(finding: Finding) -> bool:
    """Whether a finding denies for its severity alone, so that a number of them may be tolerated."""
    return finding.action is not Action.WARN and finding.details["decided_by"] == "threshold"
