"""Make text that others wrote safe to show: no control over the terminal or the build log, no passwords.

Names, labels, paths and messages come from images, registries, scanners and command lines. Shown as they are, they
could clear the screen, hide or reorder what follows, forge lines, or give commands to the build system that reads the
log. So everything that is not plainly visible is written as an escape, and nothing that was visible is lost.

How sizes, counts and ages are told to people stands here as well.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LOG_COMMAND = r"(?a):(?=:[A-Za-z][\w-]{0,40}(?:::| ))|(?<=#)#(?=[A-Za-z]{0,40}\[)"
"""The first character to escape so that a build system no longer reads a command.

GitHub Actions: `::error file=a::text` at the start of a line, `##[error]` anywhere in it; Azure Pipelines: `##vso[…]`
anywhere; TeamCity: `##teamcity[…]`. The first is escaped wherever it stands, because wrapping can bring any word to the
start of a line.
"""

_WORD = r"""[^\s'"`]+"""
_AT_HOST = r"@(?!sha(?:256|512):)"
_NOT_USERS = frozenset({"oci", "oci-archive", "docker-archive", "pkg"})
"""What stands before a colon in references to files and in package URLs."""
_HIDDEN = "***"
_FIRST_YEAR = 2013


def printable(text: str, limit: int = 0) -> str:
    r"""Return `text` on one line with everything invisible escaped (`\x1b`, `\u202e`), at most `limit` characters if given.

    Covers control characters, line breaks of every kind, bidirectional and other format characters, lone surrogates,
    spaces that are not a space, and what build systems read as commands.
    """
    if limit and len(text) > limit:
        text = f"{text[: max(limit - 1, 0)]}…"
    if not text.isprintable():
        text = "".join(character if character.isprintable() else _escape(character) for character in text)
    if "::" in text or "##" in text:
        text = re.sub(_LOG_COMMAND, lambda match: _escape(match[0]), text)
    return text


def _escape(character: str) -> str:
    """Write one character as Python would in a string literal of ASCII."""
    names = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    code = ord(character)
    if character in names:
        return names[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def redacted(text: str) -> str:
    """Return `text` without the credentials that people put in front of a host: `user:password@host`, with or without a scheme.

    A name with a tag and a digest (`api:1.4@sha256:…`) has the same shape and is kept.
    """
    return re.sub(_WORD, lambda match: _redact_word(match[0]), text) if "@" in text else text


def _redact_word(word: str) -> str:
    """Hide the credentials in one word."""
    if "@" not in word:
        return word
    scheme, slashes, rest = word.partition("://")
    if slashes:
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        user, colon, password = authority.partition(":")
        if "@" in authority:
            end = authority.rindex("@")
        elif (
            colon and not password.isdigit() and "@" in rest
        ):  # a password with a slash in it, which is no valid URL
            end = rest.rindex("@")
        else:
            return word
        return f"{scheme}://{_HIDDEN}{rest[end:]}"
    user, colon, rest = word.partition(":")
    ends = [match.start() for match in re.finditer(_AT_HOST, rest)]
    if not colon or not ends or "/" in user or "@" in user or user in _NOT_USERS:
        return word
    return f"{user}:{_HIDDEN}{rest[ends[-1] :]}"


def shown(text: str, limit: int = 0) -> str:
    """Return `text` as it may be shown to people: without credentials, then printable."""
    return printable(redacted(text), limit)


def byte_size(number: int) -> str:
    """Return a size in bytes for people: `142 MB`."""
    amount, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}" if amount < 10 and units[0] != "B" else f"{amount:.0f} {units[0]}"


def count(number: int, noun: str) -> str:
    """Return `1 rule`, `2 rules`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def age(since: object, now: datetime) -> str:
    """Return how long ago `since` was (a time or its ISO 8601 text): `6 h`, `12 days`.

    Empty for what is no time, lies ahead, or is older than container images are: builds write such dates as placeholders.
    """
    try:
        then = since if isinstance(since, datetime) else datetime.fromisoformat(str(since))
        seconds = (now - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()
    except (ValueError, OverflowError):
        return ""
    if seconds < 0 or then.year < _FIRST_YEAR:
        return ""
    hours = int(seconds // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24:,} days"
