"""What keeps the gate closed or warns, as one list: what every format must show.

A problem is a finding, a rule that could not be decided, or an image that was not judged. All texts are safe to show on one
line (`gate.printable.shown`); each format still encodes them for its place.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gate.packages.formats import SYSTEM_TYPES
from gate.packages.purls import type_of
from gate.printable import shown
from gate.reporters._facts import place
from gate.reporters._vulnerable import Vulnerable, is_vulnerability, vulnerable_of
from gate.reporters._words import told
from gate.rule import Action, Finding, Severity
from gate.verdict import Outcome, Report, RuleResult, Status, Undecided, Verdict

NOT_JUDGED = "not-judged"
"""What stands for a rule where an image, or a whole report, gives no verdict."""
_SCHEME = r"(docker|oci)-archive:|oci:|docker-daemon:|docker://"
_VERSION = r"(?::[\w.-]+)?(?:@sha(?:256|512):[0-9a-f]+)?$"


class Kind(enum.StrEnum):
    """Which of the three a problem is."""

    FINDING = "finding"
    UNKNOWN = "unknown"
    NOT_JUDGED = "not judged"


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that keeps the gate closed (`closes`) or warns.

    `message` says what is wrong and `fix` what to do; `title`, `rationale` and `remediation` are the rule's. `fingerprint`
    stays the same from run to run while the problem does, whatever the tag, the versions and the days in its message.
    """

    kind: Kind
    rule: str
    title: str
    rationale: str
    remediation: str
    severity: Severity
    closes: bool
    message: str
    fix: str
    image: str
    platform: str
    id: str = ""
    path: str = ""
    package: str = ""
    place: str = ""
    layer_index: int | None = None
    base: bool | None = None
    vulnerable: Vulnerable | None = None
    fingerprint: str = ""

    @property
    def placed(self) -> str:
        """The message and where that is, for formats that have no other place for it; a vulnerability is in its package."""
        told_already = self.vulnerable is not None or self.path in self.message
        return self.message if told_already else f"{self.message} at {self.place}"


def problems(report: Report) -> tuple[Problem, ...]:
    """Return all problems: those that close the gate first, then the worst, then by rule and image."""
    found = [problem for verdict in report.verdicts for problem in _of_verdict(verdict)]
    found += [_of_undecided(undecided) for undecided in report.undecided]
    if report.status is not Status.PASS and not any(problem.closes for problem in found):
        found.append(_no_verdict(report))
    found.sort(key=_urgency)
    return tuple(_numbered(found))


def image_name(verdict: Verdict) -> str:
    """Return what an image is called without its tag and digest, which change from build to build."""
    subject = verdict.subject
    if subject.names:
        return shown(f"{subject.names[0].registry}/{subject.names[0].repository}")
    return without_version(subject.reference)


def image_names(report: Report) -> list[str]:
    """Return what the images of a report are called whatever their tags, each once and sorted."""
    judged = {image_name(verdict) for verdict in report.verdicts}
    return sorted(judged | {without_version(undecided.reference) for undecided in report.undecided})


def subject_of(verdict: Verdict) -> tuple[str, str]:
    """Return the image and the platform of a verdict as its problems have them."""
    return told(verdict.subject.reference), told(str(verdict.subject.platform), 100)


def without_version(reference: str) -> str:
    """Return a reference without digest and tag: `oci:build/image` of `oci:build/image:1.4`."""
    found = re.match(_SCHEME, reference)
    name = reference[len(found[0]) :] if found else reference
    return shown(f"{found[0] if found else ''}{re.sub(_VERSION, '', name) or name}")


def is_denied(result: RuleResult, finding: Finding) -> bool:
    """Whether a finding keeps the gate closed."""
    return result.closes and (finding.action or result.action) is Action.DENY


def is_explained(result: RuleResult) -> bool:
    """Whether findings tell in full why a rule is unknown: then its reason quotes the first of them, and says no more."""
    open_ = next((finding for finding in result.findings if finding.unknown), None)
    return open_ is not None and open_.message in result.reason


def _urgency(problem: Problem) -> tuple[object, ...]:
    """Order problems."""
    return (
        not problem.closes, -problem.severity, problem.rule, problem.image, problem.platform,
        problem.id, problem.package, problem.path, problem.message,
    )  # fmt: skip


def _of_verdict(verdict: Verdict) -> Iterator[Problem]:
    """Yield the problems of one image."""
    for result in verdict.results:
        if result.outcome is Outcome.PASS:
            continue
        about = _about(result, verdict)
        for finding in result.findings:
            yield _of_finding(finding, result, about)
        if not result.findings or (result.outcome is Outcome.UNKNOWN and not is_explained(result)):
            yield replace(
                about,
                kind=Kind.UNKNOWN,
                message=told(f"could not tell: {result.reason or 'no reason is given'}"),
                fix=told(result.hint),
                closes=result.closes,
            )


def _about(result: RuleResult, verdict: Verdict) -> Problem:
    """Return what all problems of one rule and image have in common."""
    image, platform = subject_of(verdict)
    return Problem(
        kind=Kind.FINDING,
        rule=told(result.rule, 100),
        title=told(result.title),
        rationale=told(result.rationale),
        remediation=told(result.remediation),
        severity=result.severity,
        closes=False,
        message="",
        fix=told(result.remediation),
        image=image,
        platform=platform,
        fingerprint=f"{image_name(verdict)}\n{shown(str(verdict.subject.platform))}",
    )


def _of_finding(finding: Finding, result: RuleResult, about: Problem) -> Problem:
    """Return the problem that one finding is."""
    location = finding.location
    return replace(
        about,
        kind=Kind.UNKNOWN if finding.unknown else Kind.FINDING,
        severity=finding.severity or result.severity,
        closes=is_denied(result, finding),
        message=told(f"could not tell: {finding.message}" if finding.unknown else finding.message),
        fix=told(finding.remediation) or about.fix,
        id=told(finding.id, 200),
        path=told(location.path or ""),
        package=told(location.package or ""),
        place=place(location),
        layer_index=location.layer_index,
        base=location.base,
        vulnerable=vulnerable_of(finding.details) if is_vulnerability(finding) else None,
    )


def _of_undecided(undecided: Undecided) -> Problem:
    """Return the problem that an image which was not judged is."""
    return Problem(
        kind=Kind.NOT_JUDGED,
        rule=NOT_JUDGED,
        title="Every image that was named is judged",
        rationale="What nobody looked at cannot be let through.",
        remediation="Make the image readable for the gate, or do not name it.",
        severity=Severity.HIGH,
        closes=True,
        message=told(f"not judged: {undecided.reason}"),
        fix=told(undecided.hint),
        image=told(undecided.reference),
        platform=told(undecided.platform, 100),
        fingerprint=f"{without_version(undecided.reference)}\n{shown(undecided.platform)}",
    )


def _no_verdict(report: Report) -> Problem:
    """Return the problem that a report without a verdict is although nothing in it closes the gate."""
    reason = "nothing was judged" if report.as_of is None else f"only a look at {report.as_of}, no verdict"
    return replace(_of_undecided(Undecided("", "", "")), message=reason)


def _numbered(found: Sequence[Problem]) -> Iterator[Problem]:
    """Yield problems with their fingerprints, of which they have had the image so far; those that are alike are counted.

    The path of a distribution's package does not count: it is that of the database where one scanner states it, and
    nothing where another does not.
    """
    seen: Counter[str] = Counter()
    for problem in found:
        package = problem.package.partition("?")[0]
        name, at, _ = package.rpartition("@")
        path = "" if type_of(package) in SYSTEM_TYPES else problem.path
        what = (problem.kind, problem.rule, problem.id, name if at else package, path)
        text = "\n".join((problem.fingerprint, *what))
        seen[text] += 1
        digest = hashlib.sha256(f"{text}\n{seen[text]}".encode()).hexdigest()
        yield replace(problem, fingerprint=digest[:32])
