"""What one vulnerability does under the options of the rule `vulnerabilities`: break it, warn, or not count.

In this order; what comes first decides.

1. What is known to be exploited, or likely to be, counts whatever is said below.
2. What the scanners that count did not find does not count.
3. What nobody rates does as `unrated` says; the rest counts from a threshold on: the rule's own, or a refinement's.
4. What has no fix does not count where only what can be fixed does.
5. What one scanner alone found, where that is to be reviewed, and what a refinement lets warn, warns.
6. What is in its days of grace warns, and says from when on it does not.
7. What is left breaks the rule.

Whether so many of a severity are tolerated is decided once it is known which findings exceptions and VEX take away
(`_tolerating.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from gate.evidence import Vulnerability
from gate.rule import Action, Severity
from gate.rules._exploitation import Exploitation, Question, chance_text, known_text
from gate.rules._fixes import is_fixable
from gate.rules._rating import Rating, rate
from gate.rules._vulnerability_options import Refinement, VulnerabilitiesOptions

ALARMS = frozenset({"epss", "known-exploited"})
"""What decides whatever else is said, also where a finding comes from."""


class Decision(Struct, frozen=True):
    """What one vulnerability does: its action (None: it does not count), the option that says so, and what to tell of it.

    `denied_from` is the day from which on a warning denies.
    """

    found: Vulnerability
    rating: Rating
    action: Action | None
    by: str
    told: str = ""
    denied_from: date | None = None


class Circumstances(Struct, frozen=True):
    """What decisions depend on beside the vulnerability: options, the scanners that ran, the day, and what lists say."""

    options: VulnerabilitiesOptions
    scanners: Collection[str]
    today: date
    exploitation: Exploitation = Exploitation()


def decide_all(found: Sequence[Vulnerability], known: Circumstances) -> list[Decision]:
    """Decide on every vulnerability; the worst come first."""
    decisions = [_decide(one, rate(one, known.options.rated_by), known) for one in found]
    return sorted(decisions, key=lambda one: -one.rating.severity)


def _decide(found: Vulnerability, rating: Rating, known: Circumstances) -> Decision:
    """Decide on one vulnerability; see the module."""
    alarm = _alarm(found, rating, known)  # 1
    if alarm is not None and alarm.action is Action.DENY:
        return alarm
    usual = _usual(found, rating, known)
    return usual if alarm is None or usual.action is not None else alarm


def _alarm(found: Vulnerability, rating: Rating, known: Circumstances) -> Decision | None:
    """Return what exploitation decides, None where it decides nothing."""
    options = known.options
    chances = known.exploitation.chances(found)
    if isinstance(options.epss, float) and chances and max(chances.values()) >= options.epss:
        return Decision(found, rating, Action.DENY, "epss", chance_text(chances))
    said = known.exploitation.known(found)
    if options.known_exploited != "off" and any(said.values()):
        action = Action(options.known_exploited)
        return Decision(found, rating, action, "known-exploited", known_text(said))
    return None


def undecided(decisions: Sequence[Decision], known: Circumstances) -> Mapping[Question, list[Vulnerability]]:
    """Return what exploitation might decide worse and nobody could answer for, by what had to be known.

    What is denied anyway needs no answer, unless it would only warn in a base, from which an alarm spares nothing. What warns
    anyway needs none for an option that only warns.
    """
    options, told = known.options, known.exploitation.is_told
    asked: dict[Question, bool] = {}  # and whether the answer can deny
    if options.known_exploited != "off":
        asked["kev"] = options.known_exploited == "deny"
    if options.epss is not None:
        asked["epss"] = True
    found: dict[Question, list[Vulnerability]] = {}
    for question, denies in asked.items():
        for one in decisions:
            spared = options.in_base == "warn" and one.by not in ALARMS
            settled = one.action is Action.DENY and not spared if denies else one.action is not None
            if not settled and not told(one.found, question):
                found.setdefault(question, []).append(one.found)
    return found


def _usual(found: Vulnerability, rating: Rating, known: Circumstances) -> Decision:
    """Return what scanners, severity, fix and age decide."""
    options, severity = known.options, rating.severity
    left_out = Decision(found, rating, None, "counts")
    alone = options.counts == "review" and len(found.known_to) < len(known.scanners)
    if not _counts(found, known):  # 2
        return left_out
    refinement = next((one for one in options.refine if _fits(one, found)), None)
    unrated = severity is Severity.UNKNOWN
    if (
        options.unrated == "ignore" if unrated else severity < _threshold(options, refinement, alone=alone)
    ):  # 3
        return replace(left_out, by="unrated" if unrated else "threshold")
    if options.only_fixable and not is_fixable(found):  # 4
        return replace(left_out, by="only-fixable")
    if alone:  # 5
        return Decision(found, rating, Action.WARN, "review", f"found by {found.found_by[0]} alone")
    if refinement is not None and refinement.action == "warn":
        return Decision(found, rating, Action.WARN, "refine")
    if unrated:
        return Decision(found, rating, Action(options.unrated), "unrated")
    denied_from = _denied_from(found, severity, known)
    if denied_from is not None:  # 6
        return Decision(found, rating, Action.WARN, "grace", f"denied from {denied_from} on", denied_from)
    return Decision(found, rating, Action.DENY, "threshold")  # 7


def _counts(found: Vulnerability, known: Circumstances) -> bool:
    """Whether the scanners that found it are those that count."""
    match known.options.counts:
        case "any" | "review":
            return True
        case "both":
            return set(found.known_to) >= set(known.scanners)
        case scanner:
            return scanner in found.found_by


def _threshold(options: VulnerabilitiesOptions, refinement: Refinement | None, *, alone: bool) -> Severity:
    """Return the lowest severity that counts."""
    word: str = options.threshold
    if refinement is not None and isinstance(refinement.threshold, str):
        word = refinement.threshold
    elif alone and isinstance(options.review_threshold, str):
        word = options.review_threshold
    return Severity[word.upper()]


def _fits(refinement: Refinement, found: Vulnerability) -> bool:
    """Whether everything that a refinement states is true of a vulnerability."""
    states = {opinion.fix_state for opinion in found.opinions}
    return (
        (not refinement.types or found.package_type in refinement.types)
        and (not refinement.packages or _matches(refinement.packages, found.package_name))
        and (not refinement.paths or _matches(refinement.paths, found.path))
        and (not refinement.fix_states or not states.isdisjoint(refinement.fix_states))
        and (not refinement.cvss or _says(refinement.cvss, found))
    )


def _says(metrics: Sequence[str], found: Vulnerability) -> bool:
    """Whether every CVSS vector of a vulnerability, of which there is one, has all metrics of one of the entries."""
    vectors = [{*vector.split("/")} for opinion in found.opinions for vector in opinion.vectors.values()]
    return bool(vectors) and all(
        any({*entry.split("/")} <= vector for entry in metrics) for vector in vectors
    )


def _matches(patterns: Sequence[str], text: str) -> bool:
    """Whether one of the patterns is like `text`; brackets are literal, because file names hold them."""
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)


def _denied_from(found: Vulnerability, severity: Severity, known: Circumstances) -> date | None:
    """Return the day on which the grace of a finding ends; None where it has none, or none any more."""
    grace = known.options.grace
    days = grace.days(str(severity))
    texts = (
        opinion.published if grace.from_ == "published" else opinion.fix_published
        for opinion in found.opinions
    )
    since = min((day for text in texts if (day := _day(text)) is not None), default=None)
    if not days or since is None or since > known.today + timedelta(days=1):
        return None
    ends = since + timedelta(days=days)
    return ends if known.today < ends else None


def _day(text: str) -> date | None:
    """Read the day of a date or time as scanners write it; None for what is none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
