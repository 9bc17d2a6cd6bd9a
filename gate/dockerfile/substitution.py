"""Variables in `FROM`: what a word comes to, or why nobody can tell without building."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(
    r"\\(?P<escaped>.)|\$(?:(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>[^}]*)\})"
)
_DEFAULT = re.compile(r":?[-+]")
_MACHINE = frozenset(f"{whose}{what}" for whose in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT"))  # fmt: skip
"""Arguments that BuildKit sets itself; what they hold depends on where the build runs."""


def expanded(text: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Replace variables; returns the text, and why it cannot be told what it comes to."""
    problems: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        if found["escaped"] is not None:
            return found["escaped"]
        name, rest = found["plain"] or found["name"], found["rest"] or ""
        operator = _DEFAULT.match(rest)
        if rest and operator is None:
            problems.append(f"{found[0]} uses a form of substitution that image-gate does not know")
            return ""
        value = values.get(name)
        if name in _MACHINE and value is None:
            problems.append(f"{name} depends on where the build runs")
            return ""
        given = bool(value) if rest.startswith(":") else value is not None
        if operator is not None:
            word, problem = expanded(rest[operator.end() :], values)
            problems.extend([problem] if problem else [])
            return (word if given else "") if "+" in operator[0] else (value or "") if given else word
        if value is None:
            problems.append(f"the argument {name} has no value")
        return value or ""

    return _VARIABLE.sub(replaced, text), "; ".join(problems)
