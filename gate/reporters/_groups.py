"""Problems of one rule and image taken together, for places that have room for a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gate.printable import count
from gate.reporters._facts import severity_counts
from gate.reporters._problems import Kind, Problem
from gate.rule import Severity

EXAMPLES = 3
"""Problems that a summary names: enough to recognise what is meant."""


class Group(Struct, frozen=True):
    """The problems of one rule in one image, whatever the platform: those that close the gate, or those that warn."""

    rule: str
    image: str
    closes: bool
    members: tuple[Problem, ...]

    @property
    def severity(self) -> Severity:
        """The worst of them."""
        return max(member.severity for member in self.members)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing in it was found, and all of it could not be told."""
        return all(member.kind is not Kind.FINDING for member in self.members)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Where they are, each once."""
        return tuple(sorted({member.platform for member in self.members if member.platform}))

    @property
    def fixes(self) -> tuple[str, ...]:
        """What to do about them, each once: as the findings say, or else the rule."""
        return tuple(dict.fromkeys(member.fix for member in self.members if member.fix))

    @property
    def counts(self) -> str:
        """How many there are: by severity and package for vulnerabilities, else in all; empty for one."""
        packages = {
            (member.vulnerable.type, member.vulnerable.package)
            for member in self.members
            if member.vulnerable
        }
        if packages:
            found = severity_counts(member.severity for member in self.members)
            return f"{found}, in {count(len(packages), 'package')}"
        return count(len(self.members), "finding") if len(self.members) > 1 else ""

    def summary(self, examples: int = EXAMPLES) -> str:
        """Return counts and the worst few in one sentence."""
        messages = tuple(dict.fromkeys(member.placed for member in self.members))
        more = f"; and {len(messages) - examples:,} more" if len(messages) > examples else ""
        told = "; ".join(messages[:examples])
        return f"{self.counts}: {told}{more}" if self.counts else f"{told}{more}"


def grouped(problems: Iterable[Problem]) -> list[Group]:
    """Group problems in their order; what was not judged stands for itself."""
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        alone = problem.platform if problem.kind is Kind.NOT_JUDGED else ""
        groups.setdefault((problem.rule, problem.image, problem.closes, alone), []).append(problem)
    return [_group(members) for members in groups.values()]


def _group(members: Sequence[Problem]) -> Group:
    """Build one group."""
    first = members[0]
    return Group(first.rule, first.image, first.closes, tuple(members))
