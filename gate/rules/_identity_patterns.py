"""Patterns over identities in certificates: always over the whole text, and never without a name that someone owns in front."""

from __future__ import annotations

import re

from gate.errors import InvalidInput

_REGULAR = re.compile(r"^\^|\$$|\\|\.[*+]", re.ASCII)
"""Signs of a regular expression, which people copy from cosign, where one need not match the whole."""
_OWNED = re.compile(r"[a-z][a-z0-9+.-]*://[^/*]+/[^/*]+/[^/].*", re.ASCII)
"""An address up to the first path segment, which a forge gives to one owner."""
_MAILBOX = re.compile(r"[^@/]*@[^@/*]+", re.ASCII)
_REF = re.compile(r"refs/[^*].*", re.ASCII)
_LONGEST = 2_000
"""Characters of an identity that patterns look at: those of forges stay below 500."""
_MOST_WILDCARDS = 4


class IdentityPattern(str):
    """An identity, exactly, or with `*` for any characters but `/` and `@`, and `**` for any at all."""

    __slots__ = ()
    SYNTAX = (
        "an identity such as https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*, with * for any characters"
        " but / and @, ** for any, both only after the owner; or an address such as *@example.com"
    )

    @classmethod
    def parse(cls, value: str) -> IdentityPattern:
        """Check a pattern; raises `InvalidInput` for one that people could match whom nobody meant."""
        _checked(value, cls.SYNTAX)
        if "*" in value and not (
            _OWNED.fullmatch(value) or ("://" not in value and _MAILBOX.fullmatch(value))
        ):
            raise InvalidInput(
                f"{value[:100]!r} stands for identities of owners that nobody named",
                hint="write the host and the owner out, as in https://github.com/acme/**",
            )
        return cls(value)

    def matches(self, text: str) -> bool:
        """Whether it is this identity, or one that it stands for."""
        return matches(self, text)


class RefPattern(str):
    """A git ref, exactly, or with the same wildcards."""

    __slots__ = ()
    SYNTAX = "a full ref such as refs/heads/main, or with wildcards refs/tags/v*"

    @classmethod
    def parse(cls, value: str) -> RefPattern:
        """Check a ref; raises `InvalidInput`. A short one would mean a branch to some and a tag to others."""
        _checked(value, cls.SYNTAX)
        if not _REF.fullmatch(value):
            raise InvalidInput(f"{value[:100]!r} is no full ref", hint=f"write {cls.SYNTAX}")
        return cls(value)

    def matches(self, text: str) -> bool:
        """Whether it is this ref, or one that it stands for."""
        return matches(self, text)


class Issuer(str):
    """Who says whom a certificate names, exactly."""

    __slots__ = ()
    SYNTAX = "the address of one issuer, such as https://token.actions.githubusercontent.com"

    @classmethod
    def parse(cls, value: str) -> Issuer:
        """Check an issuer; raises `InvalidInput` for anything that could stand for several."""
        _checked(value, cls.SYNTAX)
        if "*" in value or not re.fullmatch(r"https?://[!-~]{1,500}", value, re.ASCII):
            raise InvalidInput(
                f"{value[:100]!r} is not one issuer",
                hint=f"write {cls.SYNTAX}; any other could sign in any name",
            )
        return cls(value)


def matches(pattern: str, text: str) -> bool:
    """Whether a text as a whole is what a pattern stands for, in time that grows with the length of each alone.

    A regular expression would take ever longer with an identity that was made for it. `reached` are the positions in the
    text up to which the pattern so far can stand for it.
    """
    if len(text) > _LONGEST:
        return False
    reached = {0}
    for part in re.split(r"(\*{1,2})", pattern):
        if part == "**":
            reached = set(range(min(reached, default=len(text) + 1), len(text) + 1))
        elif part == "*":
            reached = _over_one_segment(reached, text)
        else:
            reached = {start + len(part) for start in reached if text.startswith(part, start)}
    return len(text) in reached


def _over_one_segment(reached: set[int], text: str) -> set[int]:
    """Return the positions that can be reached over any characters but `/` and `@`."""
    found: set[int] = set()
    going = False
    for position, character in enumerate(f"{text}/"):
        going = going or position in reached
        if going:
            found.add(position)
        going = going and character not in "/@"
    return found


def _checked(value: str, syntax: str) -> None:
    """Refuse regular expressions, texts that nobody can see, and more wildcards than anybody can follow."""
    if not value.isprintable() or not value.strip() or len(value) > _LONGEST:
        raise InvalidInput(f"{value[:100]!r} cannot be compared", hint=f"write {syntax}")
    if _REGULAR.search(value):
        raise InvalidInput(f"{value[:100]!r} reads as a regular expression", hint=f"write {syntax}")
    if value.count("*") > _MOST_WILDCARDS or "***" in value:
        raise InvalidInput(f"{value[:100]!r} has too many wildcards", hint=f"write {syntax}")
