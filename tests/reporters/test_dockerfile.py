"""The lines of a Dockerfile that problems are shown at."""

from __future__ import annotations

import pytest

from gate.reporters._dockerfile import Dockerfile

TWO_STAGES = ((2, "FROM"), (3, "USER"), (4, "RUN"), (8, "FROM"), (9, "LABEL"), (10, "USER"), (11, "EXPOSE"))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("non-root", 10),
        ("exposed-ports", 11),
        ("required-labels", 9),
        ("healthcheck", 8),
        ("no-shell", 8),
        ("vulnerabilities", 8),
        ("not-judged", 8),
    ],
)
def test_the_line_is_that_of_the_last_stage(rule: str, line: int) -> None:
    assert Dockerfile("Dockerfile", TWO_STAGES).line_for(rule) == line


@pytest.mark.parametrize("instructions", [(), ((3, "RUN"),)])
def test_a_dockerfile_without_a_stage_has_a_first_line_all_the_same(
    instructions: tuple[tuple[int, str], ...],
) -> None:
    assert Dockerfile("Dockerfile", instructions).line_for("no-shell") == 1
