"""A vulnerability in a package, as scanners tell of it: read from the details of a finding, or from the evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from gate.reporters._words import LONGEST, items, mapping, told, word, words
from gate.rule import Finding

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-Z_a-z~%\[\]]*)?")
_VECTOR = re.compile(r"[A-Za-z0-9.:/()]{1,200}")

Opinion = Mapping[str, object]


class Vulnerable(Struct, frozen=True):
    """A vulnerability in a package; every text is safe to show.

    `fixed` are the versions that fix it. `scores` and `vectors` (CVSS) are pairs of a source and what it gives,
    `severities` of a scanner and its own. `url` is an http or https address, or empty. `said` are the opinions as they
    were read, and not safe to show.
    """

    package: str
    type: str
    version: str
    fixed: tuple[str, ...]
    found_by: tuple[str, ...]
    aliases: tuple[str, ...]
    title: str
    url: str
    scores: tuple[tuple[str, float], ...]
    severities: tuple[tuple[str, str], ...]
    vectors: tuple[tuple[str, str], ...]
    known_exploited: bool
    epss: float | None
    said: tuple[Opinion, ...]

    @property
    def opinions(self) -> tuple[tuple[str, str], ...]:
        """All that each scanner says, in words."""
        return tuple((word(one, "scanner"), _opinion(one)) for one in self.said)

    @property
    def score(self) -> float | None:
        """The highest base score that a scanner passes on."""
        return max((score for _, score in self.scores), default=None)


def is_vulnerability(finding: Finding) -> bool:
    """Whether a finding is a vulnerability that scanners found in a package; other rules may name a package as well."""
    return bool(finding.details.get("package")) and "found_by" in finding.details


def vulnerable_of(details: Mapping[str, object]) -> Vulnerable:
    """Read what scanners say; whatever has another form than ours is left out."""
    opinions = [one for one in items(details, "opinions") if isinstance(one, Mapping)]
    urls = [str(one.get("url") or "") for one in opinions]
    chances = [chance for one in (details, *opinions) if isinstance(chance := one.get("epss"), float)]
    return Vulnerable(
        package=word(details, "package"),
        type=word(details, "type"),
        version=word(details, "version"),
        fixed=words(details, "fixed")
        or tuple(dict.fromkeys(fix for one in opinions for fix in words(one, "fixed"))),
        found_by=words(details, "found_by"),
        aliases=words(details, "aliases"),
        title=word(details, "title"),
        url=next((url for url in urls if len(url) < LONGEST and _URL.fullmatch(url)), ""),
        scores=tuple(sorted({pair for one in opinions for pair in _scores(one).items()})),
        severities=tuple(dict.fromkeys((word(one, "scanner"), word(one, "severity")) for one in opinions)),
        vectors=tuple(sorted({pair for one in opinions for pair in _vectors(one).items()})),
        known_exploited=any(one.get("known_exploited") is True for one in (details, *opinions)),
        epss=max(chances, default=None),
        said=tuple(opinions),
    )


def _scores(opinion: Opinion) -> dict[str, float]:
    """Return the scores of one opinion by source."""
    found = mapping(opinion, "scores").items()
    return {
        told(source, 100): float(score)
        for source, score in found
        if isinstance(score, int | float) and 0 <= score <= 10
    }


def _vectors(opinion: Opinion) -> dict[str, str]:
    """Return the vectors of one opinion by source."""
    found = mapping(opinion, "vectors").items()
    return {told(source, 100): str(vector) for source, vector in found if _VECTOR.fullmatch(str(vector))}


def _opinion(opinion: Opinion) -> str:
    """Say what one scanner says."""
    source, fixed = word(opinion, "severity_source"), ", ".join(words(opinion, "fixed"))
    scores = ", ".join(f"{name} {score:g}" for name, score in sorted(_scores(opinion).items()))
    parts = (
        word(opinion, "id"),
        f"{word(opinion, 'severity')}{f' by {source}' if source else ''}",
        f"CVSS {scores}" if scores else "",
        f"fixed in {fixed}" if fixed else word(opinion, "fix_state"),
        f"published {word(opinion, 'published')[:10]}" if opinion.get("published") else "",
    )
    return " · ".join(part for part in parts if part)
