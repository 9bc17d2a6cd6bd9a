"""The Dockerfile that problems are shown at: code hosts show nothing that is not in a file of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

_INSTRUCTIONS: Mapping[str, str] = {
    "exposed-ports": "EXPOSE",
    "healthcheck": "HEALTHCHECK",
    "non-root": "USER",
    "required-labels": "LABEL",
}
"""Rule to the instruction that decides about it; all others are about what the image is built on or made of."""


class Dockerfile(Struct, frozen=True):
    """A Dockerfile: its path as the repository has it, with forward slashes, and its text."""

    path: str
    text: str

    def line_for(self, rule: str) -> int:
        """Return the line, from 1 on, that a rule's problems are best shown at: of the last stage, which is the image."""
        last: dict[str, int] = {}
        continued = False
        for number, line in enumerate(self.text.splitlines(), 1):
            found = None if continued else re.match(r"\s*([A-Za-z]{2,20})\s", line)
            if found:
                last[found[1].upper()] = number
            if not line.lstrip().startswith("#"):
                continued = line.rstrip().endswith(("\\", "`"))
        stage = last.get("FROM", 1)
        return max(last.get(_INSTRUCTIONS.get(rule, "FROM"), stage), stage)
