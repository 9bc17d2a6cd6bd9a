"""The Dockerfile that problems are shown at: code hosts show nothing that is not in a file of the repository."""

from __future__ import annotations

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
    """A Dockerfile: its path as the repository has it, with forward slashes, and its instructions as line and keyword."""

    path: str
    instructions: tuple[tuple[int, str], ...]

    def line_for(self, rule: str) -> int:
        """Return the line, from 1 on, that a rule's problems are best shown at: of the last stage, which is the image."""
        last = {keyword: line for line, keyword in self.instructions}
        stage = last.get("FROM", 1)
        return max(last.get(_INSTRUCTIONS.get(rule, "FROM"), stage), stage)
