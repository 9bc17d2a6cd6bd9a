"""What keeps the gate closed or warns, as one list: what every format must show.

A problem is a finding, a rule that could not be decided, or an image that was not judged. All texts are safe to show on one
line (`gate.printable.shown`); each format still encodes them for its place.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gate.printable import shown
from gate.reporters._facts import place
from gate.rule import Action, Finding, Severity
from gate.verdict import Outcome, Report, RuleResult, Status, Undecided, Verdict

NOT_JUDGED = "not-judged"
"""What stands for a rule where an image, or a whole report, gives no verdict."""
LONGEST = 2_000
"""Characters of one text: whole sentences, while an image's own texts cannot fill a report."""
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-Z_a-z~%\[\]]*)?")
_SCHEME = r"(docker|oci)-archive:|oci:|docker-daemon:|docker://"
_VERSION = r"(?::[\w.-]+)?(?:@sha(?:256|512):[0-9a-f]+)?$"
_VECTOR = re.compile(r"[A-Za-z0-9.:/()]{1,200}")


class Kind(enum.StrEnum):
    """Which of the three a problem is."""

    FINDING = "finding"
    UNKNOWN = "unknown"
    NOT_JUDGED = "not judged"


class Vulnerable(Struct, frozen=True):
    """A vulnerability in a package: what scanners know beside its severity.

    `fixed` are the versions that fix it; `score` is the highest CVSS base score that a scanner passes on. `vectors` are
    pairs of source and vector. `url` is an http or https address, or empty. `opinions` are pairs of a scanner and what it says.
    """

    package: str
    type: str
    version: str
    source: str
    fixed: tuple[str, ...]
    found_by: tuple[str, ...]
    aliases: tuple[str, ...]
    title: str
    url: str
    score: float | None
    vectors: tuple[tuple[str, str], ...]
    known_exploited: bool
    epss: float | None
    opinions: tuple[tuple[str, str], ...]


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


def subject_of(verdict: Verdict) -> tuple[str, str]:
    """Return the image and the platform of a verdict as its problems have them."""
    return told(verdict.subject.reference, LONGEST), told(str(verdict.subject.platform), 100)


def without_version(reference: str) -> str:
    """Return a reference without digest and tag: `oci:build/image` of `oci:build/image:1.4`."""
    found = re.match(_SCHEME, reference)
    name = reference[len(found[0]) :] if found else reference
    return shown(f"{found[0] if found else ''}{re.sub(_VERSION, '', name) or name}")


def told(text: str, limit: int) -> str:
    """Return a text that is safe to show, cut only then: so it is cut where it would be if it were read back from JSON."""
    text = shown(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def is_denied(result: RuleResult, finding: Finding) -> bool:
    """Whether a finding keeps the gate closed."""
    return result.closes and (finding.action or result.action) is Action.DENY


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
        if result.outcome is Outcome.UNKNOWN or not result.findings:
            yield replace(
                about,
                kind=Kind.UNKNOWN,
                message=told(f"could not tell: {result.reason or 'no reason is given'}", LONGEST),
                fix=told(result.hint, LONGEST),
                closes=result.closes,
            )


def _about(result: RuleResult, verdict: Verdict) -> Problem:
    """Return what all problems of one rule and image have in common."""
    image, platform = subject_of(verdict)
    return Problem(
        kind=Kind.FINDING,
        rule=told(result.rule, 100),
        title=told(result.title, LONGEST),
        rationale=told(result.rationale, LONGEST),
        remediation=told(result.remediation, LONGEST),
        severity=result.severity,
        closes=False,
        message="",
        fix=told(result.remediation, LONGEST),
        image=image,
        platform=platform,
        fingerprint=f"{image_name(verdict)}\n{shown(str(verdict.subject.platform))}",
    )


def _of_finding(finding: Finding, result: RuleResult, about: Problem) -> Problem:
    """Return the problem that one finding is."""
    location = finding.location
    return replace(
        about,
        severity=finding.severity or result.severity,
        closes=is_denied(result, finding),
        message=told(finding.message, LONGEST),
        fix=told(finding.remediation, LONGEST) or about.fix,
        id=told(finding.id, 200),
        path=told(location.path or "", LONGEST),
        package=told(location.package or "", LONGEST),
        place=place(location),
        layer_index=location.layer_index,
        base=location.base,
        vulnerable=_vulnerable(finding.details) if finding.details.get("package") else None,
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
        message=told(f"not judged: {undecided.reason}", LONGEST),
        fix=told(undecided.hint, LONGEST),
        image=told(undecided.reference, LONGEST),
        platform=told(undecided.platform, 100),
        fingerprint=f"{without_version(undecided.reference)}\n{shown(undecided.platform)}",
    )


def _no_verdict(report: Report) -> Problem:
    """Return the problem that a report without a verdict is although nothing in it closes the gate."""
    reason = "nothing was judged" if report.as_of is None else f"only a look at {report.as_of}, no verdict"
    return replace(_of_undecided(Undecided("", "", "")), message=reason)


def _vulnerable(details: Mapping[str, object]) -> Vulnerable:
    """Read what scanners say; whatever has another form than ours is left out."""
    opinions = [one for one in _items(details, "opinions") if isinstance(one, Mapping)]
    scores = [score for one in opinions for score in _mapping(one, "scores").values()]
    urls = [str(one.get("url") or "") for one in opinions]
    return Vulnerable(
        package=_word(details, "package"),
        type=_word(details, "type"),
        version=_word(details, "version"),
        source=_word(details, "source"),
        fixed=_words(details, "fixed"),
        found_by=_words(details, "found_by"),
        aliases=_words(details, "aliases"),
        title=_word(details, "title"),
        url=next((url for url in urls if len(url) < LONGEST and _URL.fullmatch(url)), ""),
        score=max(
            (float(one) for one in scores if isinstance(one, int | float) and 0 <= one <= 10), default=None
        ),
        vectors=tuple(
            sorted(
                {
                    (told(str(source), 100), str(vector))
                    for one in opinions
                    for source, vector in _mapping(one, "vectors").items()
                    if _VECTOR.fullmatch(str(vector))
                }
            )
        ),
        known_exploited=details.get("known_exploited") is True,
        epss=epss if isinstance(epss := details.get("epss"), float) else None,
        opinions=tuple((_word(one, "scanner"), _opinion(one)) for one in opinions),
    )


def _opinion(opinion: Mapping[str, object]) -> str:
    """Say what one scanner says."""
    source, fixed = _word(opinion, "severity_source"), ", ".join(_words(opinion, "fixed"))
    scores = ", ".join(f"{name} {score}" for name, score in sorted(_mapping(opinion, "scores").items()))
    parts = (
        _word(opinion, "id"),
        f"{_word(opinion, 'severity')}{f' by {source}' if source else ''}",
        f"CVSS {told(scores, 200)}" if scores else "",
        f"fixed in {fixed}" if fixed else _word(opinion, "fix_state"),
        f"published {_word(opinion, 'published')[:10]}" if opinion.get("published") else "",
    )
    return " · ".join(part for part in parts if part)


def _numbered(found: Sequence[Problem]) -> Iterator[Problem]:
    """Yield problems with their fingerprints; those that nothing tells apart are counted."""
    seen: Counter[str] = Counter()
    for problem in found:
        package = problem.package.partition("?")[0]
        name, at, _ = package.rpartition("@")
        what = (problem.kind, problem.rule, problem.id, name if at else package, problem.path)
        text = "\n".join((problem.fingerprint, *what))
        seen[text] += 1
        digest = hashlib.sha256(f"{text}\n{seen[text]}".encode()).hexdigest()
        yield replace(problem, fingerprint=digest[:32])


def _mapping(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a nested mapping, empty where there is none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _items(facts: Mapping[str, object], name: str) -> Sequence[object]:
    """Return a list, empty where there is none."""
    found = facts.get(name)
    return found if isinstance(found, list | tuple) else ()


def _words(facts: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return a list of words that are safe to show."""
    return tuple(told(str(item), 200) for item in _items(facts, name))


def _word(facts: Mapping[str, object], name: str) -> str:
    """Return a fact as text that is safe to show, empty where there is none."""
    return told(str(facts.get(name) or ""), 500)
