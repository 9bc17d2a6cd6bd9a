"""What changed since an earlier report, or against another image: what is fixed, what is new, what changed beside it.

"Fixed" is said only of what a rule looked for and did not find: where the rule did not run, or could not be decided, what
it found before is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from gate.errors import ImageGateError
from gate.oci.reference import Reference
from gate.policy import recognition
from gate.policy.policy import Policy
from gate.policy.recognition import Key, fingerprint
from gate.printable import redacted
from gate.reporters._document import (
    FindingDocument,
    ReportDocument,
    ResultDocument,
    VerdictDocument,
    report_document,
)
from gate.reporters._reading import label, severity_of
from gate.rule import Action
from gate.verdict import Outcome, Report, Undecided

SUDDEN_FALL = 10
"""Findings of one rule that are not all fixed at once as a rule: where none is left, the tool may have stopped to look."""


class Earlier(Struct, frozen=True):
    """What a report is compared with and what that is called: an earlier report, or one on another `image`."""

    name: str
    report: ReportDocument
    image: bool = False

    @classmethod
    def of_image(cls, name: str, report: Report) -> Earlier:
        """Wrap the report on an image that was judged for comparison; credentials in its name are hidden."""
        return cls(redacted(name), report_document(report), image=True)


def compared(report: Report, earlier: Earlier, policy: Policy) -> Report:
    """Return the report with what changed under `run["against"]`; a sudden fall is unknown where the policy denies it."""
    now = report_document(report).verdicts
    before = [verdict for verdict in earlier.report.verdicts if verdict.results]
    find = _by_platform(before) if earlier.image else _finder(before)
    pairs = [(find(verdict), verdict) for verdict in now]
    met = {id(old) for old, _ in pairs}
    images = [_image(old, verdict) for old, verdict in pairs if old is not None]
    facts = {
        "report": earlier.name,
        "image": earlier.image,
        "started": str(earlier.report.run.get("started", "")),
        "changed": list(_changed(_run_facts(earlier.report.run), _run_facts(report.run))),
        "images": images,
        "only_before": [label(old) for old in before if id(old) not in met],
        "only_now": [label(verdict) for old, verdict in pairs if old is None],
        "not_judged": [
            f"{label(verdict)}: {verdict.reason}"
            for verdict in earlier.report.verdicts
            if not verdict.results
        ],
    }
    closing: list[Undecided] = []
    if policy.sudden_fall is Action.DENY:
        closing = [_undecided(image) for image in images if image["fell"]]
        closing += [
            _not_compared(earlier, verdict) for old, verdict in pairs if old is None and earlier.image
        ]
    return structs.replace(
        report, run={**report.run, "against": facts}, undecided=(*report.undecided, *closing)
    )


def _not_compared(earlier: Earlier, verdict: VerdictDocument) -> Undecided:
    """Say that an image which was to be compared with could not be, so that nobody knows whether findings are gone."""
    return Undecided(
        verdict.subject.reference,
        verdict.subject.platform or "",
        f"it could not be compared with {earlier.name}, which was not judged for this platform",
        "the comparison says why; the policy denies a sudden fall of findings, so it has to be known",
    )


def _undecided(image: Mapping[str, Any]) -> Undecided:
    """Say that findings which are suddenly gone are no reason to trust the image."""
    rules = ", ".join(image["fell"])
    return Undecided(
        image["reference"],
        image["platform"] or "",
        f"{rules} had {SUDDEN_FALL} findings or more before and has none: the policy denies such a fall",
        "see what changed beside the image; if the findings are fixed, compare with what no longer has them",
    )


def _finder(before: Sequence[VerdictDocument]) -> Callable[[VerdictDocument], VerdictDocument | None]:
    """Return what finds the same image and platform in an earlier report: by reference, or else by names without tags."""
    by_reference = {(old.subject.reference, old.subject.platform): old for old in before}
    by_names = {(names, old.subject.platform): old for old in before if (names := _names(old))}

    def find(verdict: VerdictDocument) -> VerdictDocument | None:
        platform = verdict.subject.platform
        found = by_reference.get((verdict.subject.reference, platform))
        return found or by_names.get((_names(verdict), platform))

    return find


def _by_platform(before: Sequence[VerdictDocument]) -> Callable[[VerdictDocument], VerdictDocument | None]:
    """Return what finds the one image of a platform, whatever it is called: it was named to be compared with."""
    known = {old.subject.platform: old for old in before}
    return lambda verdict: known.get(verdict.subject.platform)


def _names(verdict: VerdictDocument) -> frozenset[str]:
    """Return the registries and repositories that an image is named after; names that are none do not count."""
    found = set()
    for name in verdict.subject.names:
        try:
            found.add(Reference.parse(name).name)
        except ImageGateError:
            continue
    return frozenset(found)


def _image(before: VerdictDocument, now: VerdictDocument) -> dict[str, Any]:
    """Return what changed of one image."""
    was = _findings(before)
    is_ = _recognised(was, _findings(now))
    told = {result.rule for result in now.results if result.outcome is not Outcome.UNKNOWN}
    gone = {key: item for key, item in was.items() if key not in is_}
    counted = {key for key, (_, excepted) in was.items() if not excepted}
    return {
        "reference": now.subject.reference,
        "platform": now.subject.platform,
        "status": {"before": before.status, "now": now.status},
        "new": [
            _told(key, item) for key, (item, _) in sorted(is_.items(), key=_the_worst_first) if key not in was
        ],
        "fixed": [_told(key, item) for key, (item, _) in sorted(gone.items()) if key[0] in told],
        "not_told": [_told(key, item) for key, (item, _) in sorted(gone.items()) if key[0] not in told],
        "accepted": [
            _told(key, item) for key, (item, excepted) in sorted(is_.items()) if excepted and key in counted
        ],
        "fell": [rule for rule in sorted(told) if _fell(rule, was, is_)],
        "changed": list(_changed(_image_facts(before), _image_facts(now))),
    }


_Findings = Mapping[Key, tuple[FindingDocument, bool]]


def _the_worst_first(found: tuple[Key, tuple[FindingDocument, bool]]) -> tuple[bool, bool, int, Key]:
    """Return what new findings are sorted by: those that close the gate come first, then by severity."""
    key, (item, excepted) = found
    return excepted, item.action is not Action.DENY, -severity_of(item.severity), key


def _fell(rule: str, was: _Findings, is_: _Findings) -> bool:
    """Whether a rule found many things before and nothing now, exceptions or not."""
    return sum(key[0] == rule for key in was) >= SUDDEN_FALL and not any(key[0] == rule for key in is_)


def _findings(verdict: VerdictDocument) -> _Findings:
    """Return what was found, by what recognises it, with whether it was excepted."""
    return {
        fingerprint(result.rule, item.id, item.location.package, item.location.path, item.message): (
            item,
            excepted,
        )
        for result in verdict.results
        for item, excepted in _all(result)
    }


def _recognised(was: _Findings, is_: _Findings) -> _Findings:
    """Return what is found now by the keys of before, where a vulnerability is called otherwise; what counts wins again."""
    before = recognition.Findings({key: _aliases(item) for key, (item, _) in was.items()})
    found: dict[Key, tuple[FindingDocument, bool]] = {}
    for key, (item, excepted) in sorted(is_.items(), key=lambda pair: not pair[1][1]):
        found[next(iter(before.same_as(key, _aliases(item))), key)] = item, excepted
    return found


def _aliases(item: FindingDocument) -> tuple[str, ...]:
    """Return the other names of a finding, as far as its rule tells any."""
    aliases = item.details.get("aliases")
    return tuple(one for one in aliases if isinstance(one, str)) if isinstance(aliases, list) else ()


def _all(result: ResultDocument) -> Iterator[tuple[FindingDocument, bool]]:
    """Yield every finding of a rule, with whether it is excepted; what counts comes last, so that it wins."""
    yield from ((item, True) for item in result.set_aside)
    yield from ((item, False) for item in result.findings)


def _told(key: Key, item: FindingDocument) -> dict[str, str]:
    """Return what is told of a finding."""
    rule, id_, package, path, _ = key
    return {
        "rule": rule,
        "id": id_,
        "package": package,
        "path": path,
        "severity": item.severity,
        "message": item.message,
    }


def _run_facts(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts of a run that can change a verdict."""
    policy = _mapping(run, "policy")
    return {
        "image-gate": str(run.get("version", "")),
        "policy": str(policy.get("origin", "")),
        "policy digest": str(policy.get("digest", "")),
    }


def _image_facts(verdict: VerdictDocument) -> dict[str, str]:
    """Return the facts of one image and its scanners."""
    facts = {"image digest": verdict.subject.digest or ""}
    for name, run in sorted(_mapping(verdict.evidence, "scanners").items()):
        if isinstance(run, Mapping):
            facts[f"{name} version"] = str(run.get("version", ""))
            facts[f"{name} database"] = str(_mapping(run, "database").get("built", ""))
            facts[f"{name} unavailable"] = str(run.get("unavailable", ""))
    return facts


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the facts that differ."""
    for what in dict.fromkeys([*before, *now]):
        was, is_ = before.get(what, ""), now.get(what, "")
        if was != is_:
            yield {"what": what, "before": was, "now": is_}


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested mapping of facts, empty where there is none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}
