"""From the text of a Dockerfile to its instructions, as BuildKit's parser reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gate.dockerfile import WORD, Instruction
from gate.errors import InvalidInput
from gate.limits import LIMITS

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*", re.ASCII)
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]+)")
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD", "ONBUILD"})


def instructions(data: bytes) -> Iterator[Instruction]:
    """Yield the instructions: comments dropped, continued lines joined, the bodies of heredocs skipped."""
    if len(data) > LIMITS.document:
        raise InvalidInput(f"it has more than {LIMITS.document:,} bytes")
    try:
        lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise InvalidInput("it is not UTF-8") from None
    continued = _continuation(lines)
    number = 0
    while number < len(lines):
        first, text, number = _joined(lines, number, continued)
        words = text.split(maxsplit=1)
        if not words:
            continue
        found = Instruction(first + 1, words[0].upper(), words[1].strip() if len(words) > 1 else "")
        if found.keyword in _WITH_HEREDOCS:
            number = _after_heredocs(lines, number, found)
        yield found


def _continuation(lines: Sequence[str]) -> re.Pattern[str]:
    """Return how a line ends that goes on: the escape character is a backslash unless a directive at the top says `."""
    escape = "\\"
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line)
        if directive is None:
            break
        if directive[1].lower() == "escape":
            escape = directive[2]
    if escape not in ("\\", "`"):
        raise InvalidInput(
            f"its escape character is {escape[:20]!r}", hint="only a backslash or a backtick can be"
        )
    sign = re.escape(escape)
    return re.compile(rf"(?:^|(?<!{sign})){sign}[ \t]*$")


def _joined(lines: Sequence[str], number: int, continued: re.Pattern[str]) -> tuple[int, str, int]:
    """Join one instruction's lines; return where it starts, its text, and the line after it."""
    first = number
    parts: list[str] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            first += not parts
            continue  # comments and empty lines do not end what goes on
        end = continued.search(line)
        parts.append(line[: end.start()] if end else line)
        if not end:
            break
    return first, "".join(parts), number


def _after_heredocs(lines: Sequence[str], number: int, instruction: Instruction) -> int:
    """Return the line after the bodies of an instruction's heredocs."""
    for word in WORD.findall(instruction.rest):
        found = _HEREDOC.fullmatch(word)
        if found is None:
            continue
        end = re.sub(r"[\"']", "", found[2])
        while number < len(lines) and (lines[number].lstrip("\t") if found[1] else lines[number]) != end:
            number += 1
        if number == len(lines):
            raise InvalidInput(f"line {instruction.line}: its heredoc {end[:100]!r} does not end")
        number += 1
    return number
