"""What scanners agree on, and what one of them alone has, in few words. Everything returned is safe to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gate.printable import shown
from gate.verdict import Verdict


def agreement(verdict: Verdict) -> str:
    """Return `24 findings agreed · 5 trivy alone · 2 grype alone`, without those that are none; empty where fewer than two scanners ran."""
    known = verdict.evidence.get("vulnerabilities")
    alone = known.get("alone") if isinstance(known, Mapping) else None
    if not isinstance(known, Mapping) or not isinstance(alone, Mapping) or len(alone) < 2:
        return ""
    parts = [f"{shown(str(known.get('agreed', 0)))} findings agreed"]
    return " · ".join(
        [
            *parts,
            *(
                f"{shown(str(number))} {shown(str(name))} alone"
                for name, number in sorted(alone.items())
                if number
            ),
        ]
    )


def disagreements(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """Yield for each finding that a scanner lacks: what it is, who has it, and why the others do not."""
    known = verdict.evidence.get("vulnerabilities")
    found = known.get("found") if isinstance(known, Mapping) else None
    for one in found if isinstance(found, Sequence) else ():
        missing = one.get("not_found_by") if isinstance(one, Mapping) else None
        if isinstance(missing, Mapping) and missing:
            yield (
                shown(f"{one.get('id')} in {one.get('package')} {one.get('version')}"),
                shown(", ".join(map(str, one.get("found_by") or ())), 30),
                "; ".join(shown(f"{name}: {why}") for name, why in missing.items()),
            )
